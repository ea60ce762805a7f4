"""Validation, early stop, callbacks and the bar."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax import train
from sciml_jax.train import progress

pytestmark = pytest.mark.float32

KEY = jax.random.key(0)


def drift(model, batch, key):
    """A loss that a validation with its minimum at 1 disagrees with: descent runs through 1 and on to 3."""
    return jnp.sum((model - 3.0) ** 2)


def validation(model):
    return jnp.sum((model - 1.0) ** 2)


def fit(*stages, objective=drift, **options):
    stages = stages or [train.sgd(60, 0.02)]
    options = {"key": KEY, "progress": False} | options
    return train.fit(jnp.zeros(1), objective, stages=stages, **options)


def test_the_best_model_on_validation_is_kept():
    result = fit(validate=train.Validation(validation, every=5))
    history = result.history
    assert history.validation_step.tolist() == list(range(0, 61, 5))
    assert float(validation(result.model)) == history.validation_loss.min()
    best = history.validation_step[history.validation_loss.argmin()]
    # the model after k steps is 3 - 3 (1 - 2 lr)^k
    assert result.model[0] == pytest.approx(3 - 3 * 0.96**best, rel=1e-5)
    assert result.result == "completed"
    assert result.step == 60


def test_without_validation_the_last_model_is_kept():
    assert fit().model[0] == pytest.approx(3 - 3 * 0.96**60, rel=1e-5)


def test_patience_ends_the_run():
    result = fit(train.sgd(60, 0.02), train.sgd(60, 0.02), validate=train.Validation(validation, every=4, patience=3))
    history = result.history
    best = history.validation_loss.argmin()
    assert result.result == "early_stopped"
    assert len(history.validation_loss) == best + 4
    assert result.step == history.validation_step[-1] < 60
    assert "no validation loss below" in result.reason
    assert "in the last 3 validations" in result.reason
    assert len(history.stages) == 1


def test_min_delta_asks_for_more():
    strict = fit(validate=train.Validation(validation, every=4, patience=3, min_delta=0.5))
    loose = fit(validate=train.Validation(validation, every=4, patience=3))
    assert strict.step < loose.step


def test_a_bare_function_and_data_validate_every_hundred_steps():
    result = fit(train.sgd(250, 0.001), validate=validation)
    assert result.history.validation_step.tolist() == [0, 100, 200, 250]

    def objective(model, batch, key):
        return jnp.mean((model - batch) ** 2)

    result = fit(
        train.sgd(10, 0.1), objective=objective, data=jnp.ones(3), validate=train.Validation(2 * jnp.ones(3), every=5)
    )
    # on its own data the first loss is one of 2 - 0
    assert result.history.validation_loss[0] == 4.0
    assert result.history.loss[0] == 1.0


def test_a_validation_of_nan_is_never_the_best():
    def moody(model):
        return jnp.where(model[0] > 0.5, jnp.nan, -model[0])

    result = fit(validate=train.Validation(moody, every=1))
    assert result.model[0] < 0.5
    assert np.isnan(result.history.validation_loss[-1])
    never = fit(validate=train.Validation(lambda model: np.nan, every=10))
    assert never.model[0] == pytest.approx(3 - 3 * 0.96**60, rel=1e-5)


@pytest.mark.filterwarnings("ignore:fit stopped")
def test_the_best_model_survives_a_loss_that_is_not_finite():
    def edge(model, batch, key):
        return drift(model, batch, key) + jnp.where(model[0] > 2.0, jnp.nan, 0.0)

    result = fit(objective=edge, validate=train.Validation(validation, every=1))
    assert result.result == "non_finite"
    assert abs(result.model[0] - 1.0) < 0.1


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (
            lambda m: m[None] * jnp.ones(3),
            ValueError,
            r"validate must return one real number; it returned shape \(1, 3\)",
        ),
        (lambda m: None, TypeError, "validate must return one real number"),
        (lambda m: 1j, TypeError, "dtype complex128"),
        (lambda m: "low", TypeError, "validate must return one real number"),
    ],
)
def test_a_validation_that_is_no_number_is_named(returned, error, message):
    with pytest.raises(error, match=message):
        fit(validate=returned)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every must be an integer of at least 1; got 0"),
        ({"every": 1.5}, "got 1.5"),
        ({"patience": 0}, "patience must be None or an integer of at least 1; got 0"),
        ({"min_delta": -1.0}, "min_delta must not be negative; got -1.0"),
    ],
)
def test_numbers_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        train.Validation(validation, **options)


def test_callbacks_see_where_the_run_stands():
    seen = []
    stages = [train.sgd(30, 0.02), train.adam(20)]
    fit(*stages, validate=train.Validation(validation, every=10), callbacks=train.Every(5, seen.append))
    assert [info.step for info in seen] == list(range(5, 51, 5))
    assert [info.stage for info in seen] == ["sgd"] * 6 + ["adam"] * 4
    assert [info.stage_step for info in seen] == [5, 10, 15, 20, 25, 30, 5, 10, 15, 20]
    assert {info.total_steps for info in seen} == {50}
    assert seen[0].loss == pytest.approx(9 * 0.96**8, rel=1e-5)
    assert seen[1].validation == pytest.approx(float(validation(3 - 3 * 0.96**10)), rel=1e-4)
    # the model is that of the moment, when it is read at that moment
    kept = []
    fit(callbacks=train.Every(20, lambda info: kept.append(float(info.model[0]))))
    assert kept == pytest.approx([3 - 3 * 0.96**k for k in (20, 40, 60)], rel=1e-5)


def test_a_plain_callback_is_called_between_the_pieces():
    seen = []
    fit(callbacks=[lambda info: seen.append(info.step), lambda info: None])
    assert seen[0] == 1
    assert seen[-1] == 60
    assert seen == sorted(set(seen))


def test_a_callback_stops_the_run():
    result = fit(callbacks=train.Every(7, lambda info: "stop" if info.loss < 5 else None))
    assert result.result == "stopped"
    assert result.step % 7 == 0
    assert result.reason == f'a callback returned "stop" at step {result.step}'
    with pytest.raises(TypeError, match='returns None to go on or "stop".*returned True') as caught:
        fit(callbacks=lambda info: True)
    assert caught.value.fit_result.step == 1


@pytest.mark.parametrize(("steps", "error"), [(0, ValueError), (2.5, ValueError), (True, ValueError)])
def test_every_names_its_mistakes(steps, error):
    with pytest.raises(error, match="steps must be an integer of at least 1"):
        train.Every(steps, print)
    with pytest.raises(TypeError, match="callback must be a function of train.Info; got 3"):
        train.Every(5, 3)


def test_the_bar_shows_stage_loss_and_terms(capsys):
    def objective(model, batch, key):
        return drift(model, batch, key), {"gap": drift(model, batch, key)}

    fit(objective=objective, progress=True, validate=train.Validation(validation, every=10))
    out, err = capsys.readouterr()
    assert out == ""
    last = err.strip().split("\r")[-1]
    assert "sgd: 100%" in last
    assert "60/60" in last
    assert all(f"{name}=" in last for name in ("loss", "gap", "validation"))


def test_without_tqdm_there_are_lines(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(progress, "LINE_INTERVAL", 0.0)
    fit(progress=True)
    _, err = capsys.readouterr()
    lines = err.splitlines()
    assert "install tqdm for a progress bar" in lines[0]
    assert lines[-1].startswith("sgd 60/60 loss=")


def test_a_bar_that_is_not_asked_for_is_silent(capsys):
    fit()
    assert capsys.readouterr() == ("", "")
