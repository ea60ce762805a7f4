"""Models on disk: every kind of content, names that may and may not be imported, writing whole or not at all."""

import contextlib
import functools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax import nn, train
from sciml_jax.core import Frozen, store
from sciml_jax.train.names import find, name_of

pytestmark = pytest.mark.float32

KEY = jax.random.key(0)


class Pair(NamedTuple):
    """A named tuple of the user's."""

    a: jax.Array
    b: int


class Own(eqx.Module):
    """A class of the user's, not registered."""

    w: jax.Array
    act: object
    n: int = eqx.field(static=True)


@train.register
class Registered(eqx.Module):
    """A class of the user's, registered."""

    w: jax.Array
    table: np.ndarray = eqx.field(static=True)
    limit: float = float("inf")


@train.register
def own_activation(x):
    """A function of the user's, registered."""
    return x**2


train.register(Pair)


def round_trip(folder, model, **options):
    train.save_model(folder, model)
    return train.load_model(folder, **options)


@pytest.mark.parametrize(
    "model",
    [
        nn.MLP(2, "scalar", 4, 2, activation=jax.nn.gelu, final_activation=jnp.exp, key=KEY),
        eqx.nn.MLP(2, 1, 4, 2, activation=jax.nn.silu, key=KEY),
        eqx.nn.GRUCell(2, 3, key=KEY),
        eqx.nn.Sequential([eqx.nn.Linear(2, 2, key=KEY), eqx.nn.Lambda(jnp.tanh), eqx.nn.LayerNorm(2)]),
        eqx.nn.Conv2d(1, 2, 3, padding=1, key=KEY),
        {"a": [jnp.ones(2), (1, 2.5, None, True, "text", 1 + 2j)], "b": jnp.zeros((0, 2))},
        (float("nan"), float("inf"), -float("inf"), 1e-300, 2**70),
        Pair(jnp.ones(2), 3),
        Frozen(jnp.arange(3)),
        [jnp.float32(1.5), np.float64(2.5), np.arange(3), jnp.ones(2, jnp.bfloat16), jnp.array(True)],
        [jnp.ones(2, jnp.complex64), slice(1, None, 2), np.dtype("float32"), jnp.float32],
        functools.partial(jnp.clip, min=0.0),
        jax.tree_util.Partial(jnp.multiply, jnp.ones(2)),
        Registered(jnp.ones(2), np.arange(3)),
        nn.MLP(1, 1, 2, 1, activation=own_activation, key=KEY),
        jnp.ones(()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_round_trip(tmp_path, model):
    again = round_trip(tmp_path, model)
    assert type(again) is type(model)
    leaves, treedef = jax.tree.flatten(model)
    new, new_treedef = jax.tree.flatten(again)
    if not isinstance(model, functools.partial | Registered):
        # static arrays and partials are equal only as objects
        assert new_treedef == treedef
    for one, other in zip(leaves, new, strict=True):
        assert type(one) is type(other) or (isinstance(one, np.generic) and one == other)
        if eqx.is_array(one):
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)
        elif isinstance(one, float) and np.isnan(one):
            assert np.isnan(other)
        elif not isinstance(one, functools.partial):
            assert one == other


def test_static_arrays_and_partials_come_back(tmp_path):
    again = round_trip(tmp_path / "a", Registered(jnp.ones(2), np.arange(3)))
    assert np.array_equal(again.table, np.arange(3))
    assert again.limit == float("inf")
    clip = round_trip(tmp_path / "b", functools.partial(jnp.clip, min=0.0))
    assert clip(-1.0) == 0.0
    key = round_trip(tmp_path / "c", {"key": jax.random.key(3, impl="rbg")})["key"]
    assert key == jax.random.key(3, impl="rbg")


def test_a_net_gives_the_same_values(tmp_path):
    net = eqx.nn.MLP(2, 1, 4, 2, activation=jax.nn.silu, key=KEY)
    assert np.array_equal(round_trip(tmp_path, net)(jnp.ones(2)), net(jnp.ones(2)))


def test_classes_of_ones_own_need_like(tmp_path):
    model = {"own": Own(jnp.arange(3.0), lambda x: x + 1, 3), "net": nn.MLP(1, 1, 2, 1, key=KEY)}
    train.save_model(tmp_path, model)
    with pytest.raises(ValueError, match=r"model\['own'\] is .*Own, which is neither .*train.register. Pass like="):
        train.load_model(tmp_path)
    skeleton = {"own": Own(jnp.zeros(3), lambda x: x - 1, 3), "net": nn.MLP(1, 1, 2, 1, key=jax.random.key(5))}
    again = train.load_model(tmp_path, like=skeleton)
    assert np.array_equal(again["own"].w, jnp.arange(3.0))
    assert again["own"].act is skeleton["own"].act
    assert eqx.tree_equal(again["net"], model["net"])


def test_functions_without_a_name_are_named(tmp_path):
    train.save_model(tmp_path, nn.MLP(1, 1, 2, 1, activation=lambda x: x, key=KEY))
    with pytest.raises(ValueError, match=r"model.activation is .*<lambda>.*Pass like="):
        train.load_model(tmp_path)


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ({"w": jnp.ones(4)}, r"like=\['w'\] has shape \(4,\), the saved array has \(3,\)"),
        ({"v": jnp.ones(3)}, r"it has \[\"\['v'\]\"\] that the file lacks, and lacks \[\"\['w'\]\"\]"),
    ],
)
def test_like_of_another_structure_is_refused(tmp_path, like, message):
    train.save_model(tmp_path, {"w": jnp.ones(3)})
    with pytest.raises(ValueError, match=message):
        train.load_model(tmp_path, like=like)


def test_missing_models_and_formats_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no model in '.*nothing': save_model and fit"):
        train.load_model(tmp_path / "nothing")
    train.save_model(tmp_path, jnp.ones(1))
    file = tmp_path / "00000001" / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 99}))
    with pytest.raises(ValueError, match="written in format 99, this version reads 1"):
        train.load_model(tmp_path)


def test_a_new_field_of_a_class_takes_its_default_and_a_lost_one_is_named(tmp_path):
    train.save_model(tmp_path, Registered(jnp.ones(2), np.arange(3)))
    file = tmp_path / "00000001" / "model.json"
    document = json.loads(file.read_text())
    fields = document["config"]["fields"]
    limit = fields.pop("limit")
    file.write_text(json.dumps(document))
    assert train.load_model(tmp_path).limit == float("inf")
    fields["old"] = limit
    file.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"has no fields \['old'\]: the model was saved by another version"):
        train.load_model(tmp_path)
    del fields["old"], fields["w"]
    file.write_text(json.dumps(document))
    with pytest.raises(ValueError, match="the saved model has no field 'w'"):
        train.load_model(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "builtins:eval",
        "subprocess:Popen",
        "sciml_jax.core.store:os.system",
        "sciml_jax.core.store:shutil",
        "equinox.nn:jax.numpy.load",
        "jaxlike:thing",
        "jax.nn:no_such_function",
        "jax.nn",
        "sciml_jax_evil:f",
        "numpy:load",
    ],
)
def test_a_file_cannot_choose_what_is_imported(tmp_path, name):
    with pytest.raises(ValueError, match="the saved model names"):
        find(name)
    train.save_model(tmp_path, {"f": jnp.tanh})
    file = tmp_path / "00000001" / "model.json"
    file.write_text(file.read_text().replace("jax.nn:tanh", name).replace("jax.numpy:tanh", name))
    with pytest.raises(ValueError, match="the saved model names .*like="):
        train.load_model(tmp_path)


@pytest.mark.parametrize(
    "x", [jax.nn.tanh, jnp.tanh, jnp.add, jax.nn.relu, jax.nn.silu, jax.lax.tanh, jax.scipy.special.erf, nn.MLP, Pair]
)
def test_names_lead_back(x):
    assert find(name_of(x)) is x


@pytest.mark.parametrize("x", [print, os.system, np.sin, lambda x: x, Own, functools.partial, json])
def test_other_things_have_no_name(x):
    assert name_of(x) is None


def test_register_refuses_what_has_no_lasting_name():
    for thing in (lambda x: x, 3, "text", functools.partial(print)):
        with pytest.raises(TypeError, match="register takes a class or function defined at the top of a module"):
            train.register(thing)


def test_arrays_are_not_unpickled(tmp_path):
    train.save_model(tmp_path, {"w": jnp.ones(2)})
    np.savez(tmp_path / "00000001" / "model.npz", leaf0=np.array([print], dtype=object))
    with pytest.warns(UserWarning, match="is damaged"), pytest.raises(ValueError, match="no snapshot .* can be read"):
        train.load_model(tmp_path)


def test_saving_again_replaces_the_model(tmp_path):
    for value in (1.0, 2.0, 3.0):
        train.save_model(tmp_path, jnp.array(value))
    assert train.load_model(tmp_path) == 3.0
    assert len(list(tmp_path.iterdir())) == 1


def test_wide_arrays_in_a_narrow_program_are_warned_of(tmp_path):
    with jax.enable_x64(True):
        train.save_model(tmp_path, jnp.array(1 / 3))
    with jax.enable_x64(False), pytest.warns(UserWarning, match="holds float64, which become 32-bit"):
        assert train.load_model(tmp_path).dtype == jnp.float32


STEPS = ["_write_file", "_sync", "rename"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("call", [0, 1, 2])
def test_a_write_that_is_cut_off_leaves_the_one_before(tmp_path, monkeypatch, step, call):
    class Killed(BaseException):
        pass

    def read():
        return store.read_newest(tmp_path, lambda snapshot: store.read(snapshot, "x")[1]["a"][0])

    store.write(tmp_path, {"x": ({}, {"a": np.array([1])})})
    calls = []
    owner = os if step == "rename" else store
    original = getattr(owner, step)

    def cut(*arguments):
        calls.append(1)
        if len(calls) == call + 1:
            raise Killed
        return original(*arguments)

    monkeypatch.setattr(owner, step, cut)
    monkeypatch.setattr(store.shutil, "rmtree", lambda *a, **k: None)  # a killed program cleans nothing up
    with contextlib.suppress(Killed):
        store.write(tmp_path, {"x": ({}, {"a": np.array([2])})})
    assert read() in (1, 2)
    monkeypatch.undo()
    store.sweep(tmp_path)
    store.write(tmp_path, {"x": ({}, {"a": np.array([3])})})
    assert read() == 3
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


WRITER = """
import importlib.util, sys, numpy as np, pathlib
spec = importlib.util.spec_from_file_location("store", sys.argv[1])
store = importlib.util.module_from_spec(spec)
spec.loader.exec_module(store)
i = 0
while True:
    i += 1
    store.write(pathlib.Path(sys.argv[2]), {"x": ({"i": i}, {"a": np.full(20000, i)})}, keep=2)
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_snapshot(tmp_path):
    generator = random.Random(0)
    for trial in range(4):
        folder = tmp_path / str(trial)
        folder.mkdir()
        command = [sys.executable, "-c", WRITER, str(Path(store.__file__)), str(folder)]
        with subprocess.Popen(command) as process:
            deadline = time.monotonic() + 60
            while not store.snapshots(folder) and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(generator.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
        for _, snapshot in store.snapshots(folder):
            document, arrays = store.read(snapshot, "x")
            assert (arrays["a"] == document["i"]).all()
        assert store.snapshots(folder)
