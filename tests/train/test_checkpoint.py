"""Interrupt and resume: the same numbers, to the last bit, as a run that was never interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax import nn, train
from sciml_jax.core import Frozen

from . import interrupted_run as run

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def whole():
    return run.fit(None)


def assert_identical(one, other):
    assert eqx.tree_equal(one.model, other.model)
    assert eqx.tree_equal(one.opt_state, other.opt_state)
    for name in ("loss", "validation_step", "validation_loss"):
        assert np.array_equal(getattr(one.history, name), getattr(other.history, name)), name
    assert one.history.terms.keys() == other.history.terms.keys()
    assert all(np.array_equal(one.history.terms[name], other.history.terms[name]) for name in one.history.terms)
    assert one.history.stages == other.history.stages
    assert (one.result, one.step, one.loss) == (other.result, other.step, other.loss)


def raises(step, error):
    def callback(info):
        if info.step == step:
            raise error

    return train.Every(step, callback)


@pytest.mark.parametrize("step", [1, 25, 60, 61])
def test_an_interrupted_run_resumes_to_the_same_numbers(whole, tmp_path, step):
    part = run.fit(tmp_path, raises(step, KeyboardInterrupt()))
    assert (part.result, part.step) == ("interrupted", step)
    assert part.reason == f"interrupted at step {step}"
    assert np.array_equal(part.history.loss, whole.history.loss[:step])
    assert_identical(run.fit(tmp_path), whole)


def test_interrupted_again_and_again(whole, tmp_path):
    for step in (20, 47, 77):
        assert run.fit(tmp_path, raises(step, KeyboardInterrupt())).step == step
    assert_identical(run.fit(tmp_path), whole)


def test_an_exception_loses_nothing(whole, tmp_path):
    with pytest.raises(RuntimeError, match="no more") as caught:
        run.fit(tmp_path, raises(42, RuntimeError("no more")))
    result = caught.value.fit_result
    assert (result.result, result.step) == ("interrupted", 42)
    assert np.array_equal(result.history.loss, whole.history.loss[:42])
    assert_identical(run.fit(tmp_path), whole)


def test_a_killed_process_resumes_to_the_same_numbers(whole, tmp_path):
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "JAX_ENABLE_X64": str(int(jax.config.jax_enable_x64))}
    command = [sys.executable, "-m", "tests.train.interrupted_run", str(tmp_path)]
    with subprocess.Popen(command, cwd=root, env=environment) as process:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            done = [p for p in tmp_path.iterdir() if p.name.isdigit()]
            if done and max(int(p.name) for p in done) >= 4:
                break
            time.sleep(0.02)
        assert process.poll() is None, "the run ended before it could be killed"
        process.send_signal(signal.SIGKILL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the same code, whether it was run or imported
        resumed = run.fit(tmp_path)
    assert_identical(resumed, whole)


def test_a_finished_run_is_returned_without_a_step(whole, tmp_path):
    run.fit(tmp_path)
    seen = []
    again = run.fit(tmp_path, train.Every(1, lambda info: seen.append(info.step)))
    assert seen == []
    assert_identical(again, whole)


def test_more_steps_and_more_stages_go_on(tmp_path):
    def fit(folder, *stages):
        def objective(model, batch, key):
            return jnp.sum((model - 1.0) ** 2)

        return train.fit(jnp.zeros(2), objective, stages=stages, key=KEY, progress=False, checkpoint=folder)

    whole = fit(None, train.adam(50, 1e-2), train.sgd(20, 0.1))
    fit(tmp_path, train.adam(30, 1e-2))
    fit(tmp_path, train.adam(50, 1e-2))
    assert_identical(fit(tmp_path, train.adam(50, 1e-2), train.sgd(20, 0.1)), whole)


def test_other_numbers_go_on_with_a_warning(tmp_path):
    run.fit(tmp_path, raises(30, KeyboardInterrupt()))
    stages = [train.adam(60, 1e-3), train.lbfgs(30, resample=10)]
    with pytest.warns(UserWarning, match=r"stage 0 \(adam\) goes on with other numbers.*0.01, this one 0.001"):
        run.fit(tmp_path, raises(40, KeyboardInterrupt()), stages=stages)
    stages = [train.adam(60, 1e-3, clip=1.0), train.lbfgs(30, resample=10)]
    with pytest.warns(UserWarning, match=r"other numbers.*clip: it has None, this one 1.0"):
        assert run.fit(tmp_path, stages=stages).result == "completed"


def other_model(**options):
    def objective(model, batch, key):
        return jnp.sum(model["w"] ** 2) + jnp.sum(model["mean"].value)

    model = {"w": jnp.ones(3), "mean": Frozen(jnp.zeros(2))} | options.pop("model", {})
    stages = options.pop("stages", [train.adam(10)])
    return train.fit(
        model, options.pop("objective", objective), stages=stages, progress=False, **({"key": KEY} | options)
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": {"w": jnp.ones(4)}}, r"another model: .*it has 3, this one 4"),
        ({"model": {"v": jnp.ones(1)}}, r"another model: "),
        ({"model": {"mean": Frozen(jnp.ones(2))}}, r"do not train have other values"),
        ({"model": {"w": jnp.zeros(3)}}, r"the initial model has other values.*pass the model that it began with"),
        ({"stages": [train.sgd(10)]}, r"another stage 0: .*adam"),
        ({"stages": [train.adam(10, b1=0.9, resample=2)]}, r"another stage 0: fixed: .resample: it has 1, this one 2"),
        ({"stages": [train.adam(4)]}, r"has done 10 steps, more than the 4 asked for"),
        ({"key": jax.random.key(1)}, r"another key: "),
        ({"data": jnp.ones(2)}, r"another data: it has 'None', this one ': float64\[2\]'"),
        ({"objective": lambda m, b, k: (jnp.sum(m["w"] ** 2), {"w": 0.0})}, r"another objective: .*entries"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, changed, message):
    other_model(checkpoint=tmp_path)
    with pytest.raises(ValueError, match=message) as caught:
        other_model(checkpoint=tmp_path, **changed)
    assert str(tmp_path) in str(caught.value)
    assert "give another folder" in str(caught.value)


@pytest.mark.parametrize("wrap", [lambda x: {"x": x}, lambda x: train.Batches(x, 2), lambda x: x.astype(np.float32)])
def test_other_values_of_the_data_are_refused(tmp_path, wrap):
    x = np.arange(4.0)
    other_model(checkpoint=tmp_path, data=wrap(x))
    other_model(checkpoint=tmp_path, data=wrap(x.copy()))
    x[3] = np.nextafter(np.float32(3.0), np.float32(4.0))
    with pytest.raises(ValueError, match="the data have other values, in the same shapes; give another folder, or del"):
        other_model(checkpoint=tmp_path, data=wrap(x))


def test_another_objective_warns(tmp_path):
    def make(power):
        return lambda model, batch, key: jnp.sum(jnp.abs(model["w"] - 3.0) ** power)

    other_model(checkpoint=tmp_path, objective=make(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other_model(checkpoint=tmp_path, objective=make(2))
    with pytest.warns(UserWarning, match="was written with another objective, and the run goes on with this one"):
        other_model(checkpoint=tmp_path, objective=make(4))


def test_another_function_that_draws_data_warns(tmp_path):
    other_model(checkpoint=tmp_path, data=lambda key: jax.random.normal(key))
    with pytest.warns(UserWarning, match="was written with another data function"):
        other_model(checkpoint=tmp_path, data=lambda key: 2.0 * jax.random.normal(key))


def test_another_activation_warns(tmp_path):
    def fit(activation):
        net = nn.MLP(1, 1, 3, 1, activation=activation, key=KEY)
        stages = [train.adam(3)]
        options = {"stages": stages, "key": KEY, "progress": False, "checkpoint": tmp_path}
        return train.fit(net, lambda m, b, k: jnp.sum(m(jnp.ones(1)) ** 2), **options)

    fit(jnp.tanh)
    with pytest.warns(UserWarning, match="was written with another model code"):
        fit(jnp.sin)


def test_another_python_says_nothing_of_code(tmp_path):
    other_model(checkpoint=tmp_path)
    for path in tmp_path.glob("*/state.json"):
        document = json.loads(path.read_text())
        document["identity"]["codes"]["objective"] = {"python": "2.7", "code": "other"}
        path.write_text(json.dumps(document))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other_model(checkpoint=tmp_path)


def test_a_checkpoint_of_an_older_version_is_refused_with_a_clear_answer(tmp_path):
    other_model(checkpoint=tmp_path)
    for path in tmp_path.glob("*/state.json"):
        document = json.loads(path.read_text())
        for name in ("content", "initial", "codes"):
            del document["identity"][name]
        path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"written by an older version.*cannot be told.*train.load_model reads"):
        other_model(checkpoint=tmp_path)


def test_the_folder_is_checked_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"checkpoint='.*file' cannot be written .*give a folder"):
        other_model(checkpoint=tmp_path / "file")
    with pytest.raises(TypeError, match="checkpoint must be None, a folder or train.Checkpoint.*got int"):
        other_model(checkpoint=3)
    train.save_model(tmp_path / "model", jnp.ones(2))
    with pytest.raises(ValueError, match="holds a model and no state of a run"):
        other_model(checkpoint=tmp_path / "model")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seconds": -1}, "seconds must not be negative; got -1"),
        ({"steps": 0}, "steps must be None or an integer of at least 1; got 0"),
        ({"keep": 0}, "keep must be an integer of at least 1; got 0"),
    ],
)
def test_numbers_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        train.Checkpoint("folder", **options)


def test_keeps_as_many_snapshots_as_asked_for_and_no_litter(tmp_path):
    (tmp_path / ".writing-old").mkdir()
    other_model(checkpoint=train.Checkpoint(tmp_path, steps=2, keep=3))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["00000005", "00000006", "00000007"]
    assert sorted(p.name for p in (tmp_path / "00000007").iterdir()) == [
        "model.json",
        "model.npz",
        "state.json",
        "state.npz",
    ]


def test_a_damaged_snapshot_falls_back_to_the_one_before(whole, tmp_path):
    run.fit(tmp_path, raises(40, KeyboardInterrupt()))
    newest = max(tmp_path.iterdir())
    (newest / "state.npz").write_bytes((newest / "state.npz").read_bytes()[:100])
    with pytest.warns(UserWarning, match="is damaged .*trying the snapshot before"):
        again = run.fit(tmp_path)
    assert_identical(again, whole)


def test_the_model_of_a_run_loads_without_the_run(tmp_path):
    result = run.fit(tmp_path)
    assert eqx.tree_equal(train.load_model(tmp_path), result.model)


def test_a_random_key_in_the_state_is_restored(tmp_path):
    import optax

    noise = optax.chain(optax.add_noise(0.1, 0.5, jax.random.key(7)), optax.sgd(0.1))

    def fit(folder, callbacks=()):
        stages = [train.optax_stage(noise, 20)]
        return train.fit(
            jnp.zeros(2),
            lambda m, b, k: jnp.sum((m - 1) ** 2),
            stages=stages,
            key=KEY,
            progress=False,
            checkpoint=folder,
            callbacks=callbacks,
        )

    whole = fit(None)
    fit(tmp_path, raises(7, KeyboardInterrupt()))
    again = fit(tmp_path)
    assert np.array_equal(again.model, whole.model)
    assert np.array_equal(again.history.loss, whole.history.loss)


def test_a_full_disk_does_not_cost_the_result(tmp_path, monkeypatch):
    from sciml_jax.core import store

    def full(*arguments, **options):
        raise OSError("no space left on device")

    def callback(info):
        if info.step == 5:
            monkeypatch.setattr(store, "_write_file", full)
            raise KeyboardInterrupt

    result = other_model(checkpoint=tmp_path, callbacks=train.Every(5, callback))
    assert (result.result, result.step) == ("interrupted", 5)
    assert "could not be written: no space left" in result.reason
    assert [p.name for p in tmp_path.iterdir()] == ["00000001"]


@pytest.mark.parametrize("precision", ["bfloat16", "complex64"])
def test_every_dtype_resumes(tmp_path, precision):
    def fit(folder, callbacks=()):
        def objective(model, batch, key):
            return jnp.sum(jnp.abs(model - 1.5) ** 2).astype(jnp.float32)

        return train.fit(
            jnp.zeros(3, precision),
            objective,
            stages=[train.adam(20, 1e-1), train.lbfgs(3)],
            key=KEY,
            progress=False,
            checkpoint=folder,
            callbacks=callbacks,
        )

    with pytest.warns(UserWarning, match="the objective returns float32: something in it rounds"):
        whole = fit(None)
        fit(tmp_path, raises(9, KeyboardInterrupt()))
        again = fit(tmp_path)
    assert again.model.dtype == precision
    assert_identical(again, whole)


def test_a_net_with_a_frozen_array_is_rebuilt_from_its_configuration(tmp_path):
    net = eqx.nn.Sequential([nn.MLP(1, 1, 3, 1, key=KEY), eqx.nn.Lambda(jax.nn.softplus)])
    train.save_model(tmp_path, {"net": net, "mean": Frozen(jnp.ones(1))})
    again = train.load_model(tmp_path)
    assert eqx.tree_equal(again["net"], net)
    assert isinstance(again["mean"], Frozen)
