"""The training loop: what it keeps, what it says, and how it ends."""

import dataclasses
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax import nn, train
from sciml_jax.core import Frozen
from sciml_jax.train.runner import Run

KEY = jax.random.key(0)


def square(model, batch, key):
    return jnp.sum((model - 1.0) ** 2)


def fit(model, objective=square, *stages, **options):
    options = {"key": KEY, "progress": False} | options
    return train.fit(model, objective, stages=stages or [train.sgd(20, 0.1)], **options)


def test_the_first_example():
    x = jnp.linspace(-1.0, 1.0, 20)[:, None]

    def objective(model, batch, key):
        x, y = batch
        return jnp.mean((jax.vmap(model)(x) - y) ** 2)

    net = nn.MLP(1, 1, 8, 2, key=KEY)
    result = sj.train.fit(
        net,
        objective,
        stages=[train.adam(300, 1e-2), train.lbfgs(200)],
        data=(x, jnp.sin(3 * x)),
        key=KEY,
        progress=False,
    )
    assert result.result == "completed"
    assert float(objective(result.model, (x, jnp.sin(3 * x)), KEY)) == pytest.approx(result.loss, rel=1e-6)
    assert result.loss < 1e-5
    fresh = jnp.linspace(-0.95, 0.95, 7)[:, None]
    # the loss is a mean square over [-1, 1]; between the points the fit errs little more than at them
    assert np.max(np.abs(jax.vmap(result.model)(fresh) - jnp.sin(3 * fresh))) < 5 * np.sqrt(result.loss)


@pytest.mark.float32
def test_gradient_descent_on_a_quadratic_contracts_as_it_should():
    result = fit(jnp.zeros(2))
    # x_k - 1 = (1 - 2 lr)^k (x_0 - 1)
    expected = 2 * 0.8 ** (2 * np.arange(20))
    eps = jnp.finfo(result.model.dtype).eps
    assert np.allclose(result.history.loss, expected, rtol=100 * eps)
    assert np.allclose(result.model, 1 - 0.8**20, rtol=100 * eps)
    assert result.loss == pytest.approx(2 * 0.8**40, rel=1000 * float(eps) * 0.8**-20)


@pytest.mark.float32
def test_history_has_loss_terms_and_stages():
    def objective(model, batch, key):
        data, size = jnp.sum((model - 1) ** 2), 0.1 * jnp.sum(model**2)
        return data + size, {"size": size, "data": data}

    stages = [train.sgd(5, 0.1), train.adam(0), train.lbfgs(3, gtol=1e-3), train.sgd(4, 0.1)]
    result = fit(jnp.zeros(2), objective, *stages)
    history = result.history
    assert [span.name for span in history.stages] == ["sgd", "adam", "lbfgs", "sgd"]
    assert [history.stages[i].stop for i in range(3)] == [history.stages[i + 1].start for i in range(3)]
    assert history.stages[1].start == history.stages[1].stop == 5
    assert history.steps == result.step == history.stages[-1].stop == len(history.loss)
    assert list(history.terms) == ["data", "size"]
    assert np.allclose(history.terms["data"] + history.terms["size"], history.loss, rtol=1e-6)
    assert isinstance(history.loss, np.ndarray)
    assert history.loss.dtype == np.float64


def test_terms_of_lbfgs_are_those_of_its_steps():
    def objective(model, batch, key):
        terms = {"a": (model[0] - 1) ** 4, "b": jnp.sum(jnp.cosh(model))}
        return terms["a"] + terms["b"], terms

    history = fit(jnp.array([3.0, -2.0]), objective, train.lbfgs(15)).history
    assert np.allclose(history.terms["a"] + history.terms["b"], history.loss, rtol=1e-12)
    # ten roundings of the loss are let through where the gradient shrinks
    assert (np.diff(history.loss) <= 10 * np.finfo(float).eps * history.loss[1:]).all()


def test_long_runs_of_fast_steps_lose_no_row():
    result = fit(jnp.array(0.0), lambda m, b, k: m * 0.0 + m, train.sgd(3001, 1.0))
    # the gradient is one: the loss counts the steps
    assert np.array_equal(result.history.loss, -np.arange(3001))
    assert result.loss == -3001


@pytest.mark.parametrize("make", [lambda n: train.sgd(n, 0.1), lambda n: train.lbfgs(n)])
def test_residuals_are_the_sum_of_weighted_mean_squares(make):
    x = jnp.linspace(0.0, 1.0, 5)
    weight = jnp.arange(1.0, 6.0)

    def objective(model, batch, key):
        return {
            "line": train.Residuals(x, lambda m, x: jnp.stack([m * x - 1.0, m]), weight),
            "point": train.Residuals(None, lambda m: m - 2.0, 0.5),
        }

    history = fit(jnp.array(0.0), objective, make(3)).history
    assert history.terms["line"][0] == pytest.approx(np.mean(weight))
    assert history.terms["point"][0] == pytest.approx(2.0)
    assert history.loss[0] == pytest.approx(np.mean(weight) + 2.0)


def test_noise_comes_from_the_key_and_the_step():
    def noisy(model, batch, key):
        return jnp.sum((model - jax.random.normal(key)) ** 2)

    one, same, other = (fit(jnp.zeros(1), noisy, key=jax.random.key(k)) for k in (1, 1, 2))
    assert np.array_equal(one.history.loss, same.history.loss)
    assert not np.array_equal(one.history.loss, other.history.loss)
    # every step has its own key
    assert len(set(np.diff(one.history.loss))) == 19
    raw = fit(jnp.zeros(1), noisy, key=jax.random.PRNGKey(1))
    assert raw.result == "completed"


@pytest.mark.float32
def test_a_non_finite_loss_names_the_term_and_keeps_the_model_before():
    def objective(model, batch, key):
        terms = {"good": jnp.sum(model**2), "root": jnp.sum(jnp.log(model))}
        return terms["good"] + terms["root"], terms

    with pytest.warns(UserWarning, match="fit stopped") as caught:
        result = fit(jnp.ones(1), objective, train.sgd(50, 0.15))
    assert caught[0].filename == __file__
    assert result.result == "non_finite"
    assert "term 'root' is nan" in result.reason
    assert "'good'" not in result.reason
    assert "(stage 'sgd', its step" in result.reason
    assert "smaller learning rate" in result.reason
    loss, _ = objective(result.model, None, None)
    assert float(loss) == pytest.approx(result.history.loss[-1], rel=1e-6)
    assert np.isfinite(result.history.loss).all()
    assert np.isnan(result.loss)


@pytest.mark.filterwarnings("ignore:fit stopped")
def test_a_non_finite_residual_names_its_point():
    def objective(model, batch, key):
        x, a = batch
        return {
            "pole": train.Residuals((x, a), lambda m, p: m / p[0]),
            "fine": train.Residuals(x, lambda m, x: m - x),
        }

    x = jnp.array([1.0, 0.5, 0.0, 0.25])
    result = fit(jnp.array(1.0), objective, data=(x, 2 * x))
    assert "term 'pole' is inf; 'pole' is not finite at 1 of 4 points, first point 2: (0.0, 0.0)" in result.reason
    assert result.model == 1.0
    assert result.history.steps == 0


@pytest.mark.filterwarnings("ignore:fit stopped")
def test_non_finite_data_are_named_with_their_row():
    x = jnp.arange(12.0).at[7].set(jnp.inf)
    result = fit(jnp.array(0.0), lambda m, b, k: jnp.mean((m - b["x"]) ** 2), data=train.Batches({"x": x}, 4))
    assert "batch['x'] is not finite at (" in result.reason
    assert "row 7 of the data" in result.reason


@pytest.mark.filterwarnings("ignore:fit stopped")
def test_a_gradient_that_is_not_finite_names_the_array():
    def objective(model, batch, key):
        # the root has a finite value and an infinite slope at zero
        return jnp.sum(jnp.sqrt(model["a"])) + jnp.sum(model["b"] ** 2)

    result = fit({"a": jnp.zeros(1), "b": jnp.ones(1)}, objective)
    assert result.result == "non_finite"
    assert "the gradient is not finite in ['a']" in result.reason
    assert result.model["b"] == 1.0


@pytest.mark.filterwarnings("ignore:fit stopped")
def test_a_last_step_into_nan_is_noticed():
    def objective(model, batch, key):
        return jnp.sum(-model) + jnp.where(model[0] > 0.95, jnp.nan, 0.0)

    result = fit(jnp.zeros(1), objective, train.sgd(10, 0.1))
    assert result.result == "non_finite"
    assert result.step == 10
    assert result.model[0] == pytest.approx(0.9)


@pytest.mark.filterwarnings("ignore:fit stopped")
def test_a_later_stage_that_fails_keeps_what_the_first_one_did():
    result = fit(jnp.zeros(2), square, train.sgd(20, 0.1), train.sgd(500, 5.0))
    assert result.result == "non_finite"
    assert np.isfinite(result.model).all()


def test_a_solve_that_fails_inside_the_objective_is_told_in_few_words(tmp_path):
    def objective(model, batch, key):
        # y' = a y² from 1 is infinite at 1/a, which a reaches 1 on its way
        return -sj.solve_ode(lambda t, y, a: a * y**2, (0.0, 1.0), 1.0, model).y

    with pytest.raises(RuntimeError, match=r"^the objective failed at .*step.* \(stage 'sgd'\): ") as caught:
        fit(jnp.array(0.9), objective, train.sgd(2000, 1e-3), checkpoint=tmp_path)
    text = str(caught.value)
    assert "throw=False" in text
    assert "\n" not in text
    assert "Traceback" not in text
    assert caught.value.__cause__ is not None
    result = caught.value.fit_result
    assert result.result == "interrupted"
    assert np.isfinite(result.history.loss).all()
    assert np.array_equal(train.load_model(tmp_path), result.model)


def test_an_error_of_the_objective_itself_is_raised_as_it_is():
    def objective(model, batch, key):
        raise KeyError("callback")

    with pytest.raises(KeyError, match="callback"):
        fit(jnp.ones(2), objective)


@pytest.mark.parametrize("kind", [train.FitResult, train.Info, train.History, train.StageSpan])
def test_fields_are_described_where_help_shows_them(kind):
    for field in dataclasses.fields(kind):
        assert f"`{field.name}`" in kind.__doc__, field.name


def test_the_result_prints_short():
    text = repr(fit(jnp.zeros(2)))
    assert text.startswith("FitResult(result='completed', step=20, loss=0.000265")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"stages": []}, ValueError, "stages is empty: there is nothing to run.*train.adam"),
        ({"stages": 5}, TypeError, "stages must be a list of stages.*got int"),
        ({"stages": [optax_sgd := __import__("optax").sgd(0.1)]}, TypeError, r"stages\[0\] is .*train.optax_stage\("),
        ({"key": 0}, TypeError, r"key must be a JAX PRNG key; got int 0: pass key=jax.random.key\(0\)"),
        ({"key": jnp.zeros(2)}, TypeError, r"dtype float64 and shape \(2,\)"),
        ({"key": jax.random.split(KEY, 3)}, ValueError, r"an array of keys of shape \(3,\)"),
        ({"model": {"n": jnp.arange(3), "k": 1.5}}, ValueError, r"model has no array to train.*\['k'\]: float"),
        ({"model": Frozen(jnp.ones(2))}, ValueError, "model has no array to train"),
        ({"model": None}, ValueError, "Its leaves: none"),
        ({"model": jnp.arange(3, dtype=jnp.int32)}, ValueError, r"Its leaves: the model itself: int32\[3\]"),
        ({"objective": 1.0}, TypeError, r"objective must be a function objective\(model, batch, key\).*got float"),
        ({"objective": lambda m: m}, TypeError, r"its signature is \(m\): too many.*Take all three"),
        ({"objective": lambda m, b, k: m}, ValueError, r"the loss .* has shape \(2,\).*jnp.mean or jnp.sum"),
        ({"objective": lambda m, b, k: 1}, TypeError, "the loss .* has dtype int64.*real floating-point"),
        ({"objective": lambda m, b, k: m[0] * 1j}, TypeError, "the loss .* has dtype complex128"),
        ({"objective": lambda m, b, k: None}, TypeError, "the loss .* must be a real number; got NoneType"),
        ({"objective": lambda m, b, k: (m[0], m[1])}, TypeError, r"loss, \(loss, dict of terms\).*got \(.*\)"),
        ({"objective": lambda m, b, k: (m[0], {"a": m})}, ValueError, r"term 'a' .* has shape \(2,\)"),
        ({"objective": lambda m, b, k: {"a": m[0]}}, TypeError, "not all train.Residuals.*Got {'a': "),
        ({"objective": lambda m, b, k: {}}, TypeError, "not all train.Residuals"),
        ({"data": "file.csv"}, TypeError, "data must be None, a pytree of arrays.*data is str"),
        ({"callbacks": [3]}, TypeError, "callbacks must be functions of one argument, train.Info; got 3"),
        ({"callbacks": 3}, TypeError, "callbacks must be functions"),
    ],
)
def test_mistakes_are_named(arguments, error, message):
    arguments = {"model": jnp.ones(2), "objective": square, "stages": [train.sgd(1)], "key": KEY} | arguments
    model, objective = arguments.pop("model"), arguments.pop("objective")
    with pytest.raises(error, match=message):
        train.fit(model, objective, progress=False, **arguments)


@pytest.mark.parametrize(
    ("residuals", "message"),
    [
        (lambda: train.Residuals(jnp.zeros((0, 2)), lambda m, x: m), "Residuals 'pde' has no points"),
        (lambda: train.Residuals((), lambda m, x: m), "Residuals 'pde' has no points"),
        (lambda: train.Residuals((jnp.ones(3), jnp.ones(2)), lambda m, x: m), "one common leading axis"),
        (lambda: train.Residuals(jnp.ones(3), lambda m, x: m, jnp.ones(2)), r"weight must be .*shape \(3,\).*\(2,\)"),
    ],
)
def test_residuals_that_cannot_be_are_named(residuals, message):
    with pytest.raises(ValueError, match=message):
        fit(jnp.ones(2), lambda m, b, k: {"pde": residuals()})


def test_fit_under_jit_is_refused():
    with pytest.raises(TypeError, match="cannot run under jit, vmap or grad"):
        jax.jit(lambda key: fit(jnp.ones(2), key=key).model)(KEY)


def test_residual_vector_squares_to_the_loss():
    from sciml_jax.train.batches import Whole
    from sciml_jax.train.loop import Setup, place
    from sciml_jax.train.params import split

    def objective(model, batch, key):
        x = jnp.linspace(0, 1, 4)
        return {
            "complex": train.Residuals(x, lambda m, x: jnp.exp(1j * m * x) - 1, jnp.arange(4.0)),
            "all": train.Residuals(None, lambda m: jnp.outer(m, m), 2.0),
        }

    params, parts = split(jnp.array([0.3, 0.7]))
    source = Whole(None)
    setup = Setup(objective, parts, train.sgd(1), source, KEY, ("all", "complex"), False)
    problem = setup.problem(place(setup.stage, source, 0).draw, ())
    loss, _ = problem.loss(params)
    assert float(jnp.sum(problem.residuals(params) ** 2)) == pytest.approx(float(loss), rel=1e-12)
    plain = Setup(square, parts, train.sgd(1), source, KEY, (), False).problem(jnp.int32(0), ())
    with pytest.raises(TypeError, match="needs the residuals: let the objective return a dict of train.Residuals"):
        plain.residuals(params)


def test_unhashable_parts_of_a_model_are_named():
    class Odd(eqx.Module):
        w: jax.Array
        names: set

    with pytest.raises(TypeError, match="must be hashable"):
        fit(Odd(jnp.ones(2), {1, 2}), lambda m, b, k: jnp.sum(m.w**2))


def test_steps_slow_down_the_pieces(monkeypatch):
    sizes = []
    original = Run._pace

    def pace(self, seconds, count):
        # pretend that a step takes 50 ms from the hundredth on
        sizes.append(count)
        original(self, count * (0.05 if self.at.total > 100 else 1e-5), count)

    monkeypatch.setattr(Run, "_pace", pace)
    fit(jnp.zeros(1), square, train.sgd(800, 0.1))
    assert sizes[:3] == [1, 1, 8]
    assert max(sizes) > 50
    assert set(sizes[-5:-1]) == {5}


def test_nothing_is_printed_or_warned_without_reason(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(jnp.zeros(2), square, train.adam(3), train.lbfgs(3))
    assert capsys.readouterr() == ("", "")
