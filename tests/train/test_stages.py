"""Every stage, from a registry: agreement with optax, dtypes, frozen arrays, compilation, resuming, failing."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sciml_jax import train
from sciml_jax.core import Frozen

KEY = jax.random.key(0)
PLATEAU = optax.chain(optax.sgd(0.2), optax.contrib.reduce_on_plateau())
BACKTRACKING = optax.chain(optax.sgd(1.0), optax.scale_by_backtracking_linesearch(10))
NOISE = optax.chain(optax.add_noise(0.1, 0.5, jax.random.key(7)), optax.sgd(0.1))
LION = optax.lion(1e-2)


class Row(NamedTuple):
    """A stage as `make(steps)`, the optax transformation it should agree with, and whether it searches along a line."""

    name: str
    make: Callable
    optax: optax.GradientTransformation | None
    searches: bool = False


ROWS = [
    Row("adam", lambda n: train.adam(n, 1e-2), optax.adam(1e-2)),
    Row(
        "adam with a schedule",
        lambda n: train.adam(n, SCHEDULE, b1=0.8, b2=0.99, eps=1e-6),
        optax.adam(optax.cosine_decay_schedule(0.1, 50), 0.8, 0.99, 1e-6),
    ),
    Row(
        "adam with clipping",
        lambda n: train.adam(n, 1e-2, clip=0.1),
        optax.chain(optax.clip_by_global_norm(0.1), optax.adam(1e-2)),
    ),
    Row("adamw", lambda n: train.adamw(n, 1e-2, weight_decay=0.1), optax.adamw(1e-2, weight_decay=0.1)),
    Row("sgd", lambda n: train.sgd(n, 0.2), optax.sgd(0.2)),
    Row("momentum", lambda n: train.sgd(n, 0.1, momentum=0.9, nesterov=True), optax.sgd(0.1, 0.9, nesterov=True)),
    Row("lion", lambda n: train.optax_stage(LION, n), LION),
    Row("plateau", lambda n: train.optax_stage(PLATEAU, n), PLATEAU),
    Row("backtracking", lambda n: train.optax_stage(BACKTRACKING, n), BACKTRACKING, True),
    Row("noise", lambda n: train.optax_stage(NOISE, n), NOISE),
    Row("lbfgs", lambda n: train.lbfgs(n), optax.lbfgs(linesearch=optax.scale_by_zoom_linesearch(20)), True),
]
SCHEDULE = optax.cosine_decay_schedule(0.1, 50)
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)

TARGET = np.array([1.0, -2.0, 0.5])
CURVATURE = np.array([0.5, 1.0, 2.0])


def quadratic(model, batch, key):
    """One half of sum a (x - b)^2: minimum at TARGET, condition number 4."""
    return 0.5 * jnp.sum(jnp.asarray(CURVATURE) * (model["x"] - jnp.asarray(TARGET)) ** 2)


def start(dtype=jnp.float64):
    return {"x": jnp.zeros(3, dtype)}


def run(row, steps, model=None, objective=quadratic, **options):
    model = start() if model is None else model
    return train.fit(model, objective, stages=[row.make(steps)], key=KEY, progress=False, **options)


@every_row
def test_agrees_with_a_plain_loop_of_optax(row):
    result = run(row, 30)
    params, transform = start(), optax.with_extra_args_support(row.optax)
    state, losses = transform.init(params), []

    def value_fn(p):
        return quadratic(p, None, None)

    @jax.jit
    def step(params, state):
        loss, grad = jax.value_and_grad(value_fn)(params)
        updates, state = transform.update(grad, state, params, value=loss, grad=grad, value_fn=value_fn)
        return optax.apply_updates(params, updates), state, loss

    for _ in range(30):
        params, state, loss = step(params, state)
        losses.append(float(loss))
    losses = np.array(losses[: result.step])
    # rounding differs between one compiled loop and single operations; at the minimum of L-BFGS only the square counts
    slack = 1e-25 if row.searches else 0
    assert np.allclose(result.history.loss, losses, rtol=1e-9, atol=slack)
    assert np.allclose(result.model["x"], params["x"], rtol=1e-9, atol=1e-12)
    assert result.result == "completed"
    assert result.history.stages == (train.StageSpan(result.history.stages[0].name, 0, result.step),)


@every_row
def test_keeps_dtypes_and_leaves_frozen_and_integers_alone(row):
    class Mixed(eqx.Module):
        single: jax.Array
        double: jax.Array
        number: jax.Array
        count: jax.Array
        mean: Frozen
        label: str

    def objective(model, batch, key):
        square = jnp.sum((model.single - 1.0) ** 2) + jnp.sum((model.double - model.mean) ** 2)
        return square + jnp.sum(jnp.abs(model.number - (1 + 2j)) ** 2) * model.count

    model = Mixed(
        jnp.zeros(2, jnp.float32), jnp.zeros(3), jnp.zeros(2, complex), jnp.array(1), Frozen(jnp.arange(3.0)), "kept"
    )
    result = run(row, 40, model, objective)
    new = result.model
    assert jax.tree.map(lambda x: x.dtype, eqx.filter(new, eqx.is_array)) == jax.tree.map(
        lambda x: x.dtype, eqx.filter(model, eqx.is_array)
    )
    assert np.array_equal(new.mean, model.mean)
    assert new.count == 1
    assert new.label == "kept"
    assert result.loss < result.history.loss[0]
    # a complex number moves in both of its parts, towards 1 + 2i
    assert (new.number.real > 0).all()
    assert (new.number.imag > 0).all()


@every_row
def test_compiles_once_and_not_again_for_other_numbers(row):
    calls = []

    def counted(model, batch, key):
        calls.append(1)
        return quadratic(model, batch, key)

    run(row, 300, objective=counted)
    first = len(calls)
    again = train.fit(start(), counted, stages=[row.make(77)], key=jax.random.key(5), progress=False)
    # the second call traces the objective once, to see what it returns, and compiles nothing
    assert len(calls) - first == 1
    assert again.result == "completed"


def test_another_learning_rate_does_not_recompile():
    calls = []

    def counted(model, batch, key):
        calls.append(1)
        return quadratic(model, batch, key)

    def traces(*stages):
        calls.clear()
        train.fit(start(), counted, stages=stages, key=KEY, progress=False)
        return len(calls)

    traces(train.adam(5, 1e-2, clip=1.0), train.lbfgs(5, gtol=1e-9))
    assert traces(train.adam(50, 3e-2, b1=0.8, clip=2.0), train.lbfgs(9, gtol=1e-3)) == 1


@every_row
def test_zero_steps_give_the_model_back(row):
    result = run(row, 0)
    assert np.array_equal(result.model["x"], np.zeros(3))
    assert result.step == 0
    assert result.history.steps == 0
    assert result.loss == pytest.approx(float(quadratic(start(), None, None)))


def edge(model, batch, key):
    """Finite at the start, NaN where the first step leads."""
    x = model["x"][0]
    return -x + jnp.where(x > 0, jnp.nan, 0.0)


@pytest.mark.parametrize("row", [r for r in ROWS if not r.searches], ids=lambda row: row.name)
def test_stops_at_a_loss_that_is_not_finite(row):
    with pytest.warns(UserWarning, match="fit stopped: at step . .* the loss became nan"):
        result = run(row, 20, objective=edge)
    assert result.result == "non_finite"
    assert np.isfinite(result.history.loss).all()
    assert np.isfinite(edge(result.model, None, None))


@pytest.mark.parametrize("row", [r for r in ROWS if r.searches], ids=lambda row: row.name)
def test_a_line_search_steps_back_from_what_is_not_finite(row):
    result = run(row, 20, objective=edge)
    assert result.result == "completed"
    assert np.array_equal(result.history.loss, np.zeros(result.step))
    assert np.array_equal(result.model["x"], np.zeros(3))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: train.adam(-1), ValueError, "adam: steps must be an integer of at least 0; got -1"),
        (lambda: train.adam(2.5), ValueError, "steps must be an integer of at least 0; got 2.5"),
        (lambda: train.adam(True), ValueError, "steps must be an integer"),
        (lambda: train.adam(10, 0.0), ValueError, "lr must be positive and finite; got 0.0"),
        (lambda: train.sgd(10, np.nan), ValueError, "lr must be positive and finite; got nan"),
        (lambda: train.adam(10, "fast"), TypeError, "lr must be a number or an optax schedule step -> lr; got str"),
        (lambda: train.adam(10, clip=0), ValueError, "clip bounds the norm of the gradient and must be positive"),
        (lambda: train.adam(10, resample=0), ValueError, "resample must be None or at least 1; got 0"),
        (
            lambda: train.optax_stage(optax.adam, 10),
            TypeError,
            r"must be an optax.GradientTransformation.*got function",
        ),
        (lambda: train.lbfgs(-1), ValueError, "lbfgs: steps must be"),
        (lambda: train.lbfgs(5, memory=0), ValueError, "memory and line_search must be at least 1; got memory=0"),
        (lambda: train.lbfgs(5, gtol=-1.0), ValueError, "gtol .* must not be negative; got -1"),
        (lambda: train.lbfgs(5, resample=0), ValueError, "resample must be None .*got 0"),
    ],
)
def test_mistakes_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_stage_of_ones_own_from_public_names():
    """Gauss-Newton, which needs the residuals: the contract is enough for a least-squares method."""

    class GaussNewton(train.AbstractStage):
        name: str
        steps: int
        damping: float
        resample: int | None = None
        float64: bool = True

        def init(self, problem, params):
            return ()

        def step(self, problem, params, state, fresh):
            flat, unravel = jax.flatten_util.ravel_pytree(params)

            def residuals(v):
                return problem.residuals(unravel(v))

            r, jacobian = residuals(flat), jax.jacfwd(residuals)(flat)
            normal = jacobian.T @ jacobian + self.damping * jnp.eye(len(flat))
            (loss, terms), _ = problem.value_and_grad(params)
            return train.StageStep(
                unravel(flat - jnp.linalg.solve(normal, jacobian.T @ r)), state, loss, terms, loss < 1e-24
            )

    t = jnp.linspace(0.0, 2.0, 9)

    def objective(model, batch, key):
        y = 2.0 * jnp.exp(-1.5 * t)
        return {
            "decay": train.Residuals((t, y), lambda m, p: m["a"] * jnp.exp(-m["k"] * p[0]) - p[1]),
            "start": train.Residuals(None, lambda m: m["a"] - 2.0, 3.0),
        }

    model = {"a": jnp.array(1.0), "k": jnp.array(1.0)}
    result = train.fit(model, objective, stages=[GaussNewton("gauss-newton", 50, 0.0)], key=KEY, progress=False)
    # quadratic convergence: far fewer than 50 steps, to rounding
    assert result.step < 12
    assert float(result.model["k"]) == pytest.approx(1.5, rel=1e-10)
    assert set(result.history.terms) == {"decay", "start"}
    assert result.history.stages[0].name == "gauss-newton"
