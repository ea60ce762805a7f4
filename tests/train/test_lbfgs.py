"""L-BFGS: convergence, resampling, the end of a stage, float64 in a float32 program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax import nn, train
from sciml_jax.core import Frozen

KEY = jax.random.key(0)


def fit(model, objective, *stages, **options):
    return train.fit(model, objective, stages=stages, key=KEY, progress=False, **options)


def rosenbrock(x, batch, key):
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def test_rosenbrock_to_rounding():
    result = fit(jnp.array([-1.2, 1.0, -1.2, 1.0, 1.0]), rosenbrock, train.lbfgs(500))
    # the condition number at the minimum is about 1e3: half the digits of the loss's zero are those of x
    assert np.allclose(result.model, 1.0, atol=1e-10)
    # it ends by itself, long before 500 steps
    assert result.step < 120
    assert result.result == "completed"


def test_ends_where_nothing_lower_can_be_found():
    # a minimum of 2.19...: the values cannot fall below rounding, the stage notices
    def objective(model, batch, key):
        return (model[0] - 1) ** 4 + jnp.sum(jnp.cosh(model))

    result = fit(jnp.array([3.0, -2.0]), objective, train.lbfgs(500))
    assert result.step < 40
    gradient = jax.grad(objective)(result.model, None, KEY)
    # a quadratic bowl with rounded values shows its minimum to sqrt(eps) at worst
    assert np.abs(gradient).max() < 1e-7


def test_gtol_ends_the_stage():
    def objective(x, batch, key):
        return jnp.sum(jnp.array([1.0, 10.0]) * x**2)

    result = fit(jnp.ones(2), objective, train.lbfgs(100, gtol=1e-2))
    assert result.step < 20
    assert 0 < np.abs(jax.grad(objective)(result.model, None, KEY)).max() <= 1e-2
    assert fit(jnp.zeros(2), objective, train.lbfgs(100)).step == 1


def test_resampling_keeps_the_curvature_and_not_the_value():
    # batches that differ by a linear term: one curvature, other gradients
    curvature = jnp.array([1.0, 10.0, 100.0])

    def objective(x, batch, key):
        return 0.5 * jnp.sum(curvature * x**2) + jnp.sum(batch * x)

    def sample(key):
        return jax.random.normal(key, (3,))

    result = fit(jnp.ones(3), objective, train.lbfgs(60, resample=20), data=sample)
    losses = result.history.loss
    # within a batch the loss falls to its own minimum; a new batch starts anew, from a point that is near to it
    for start in (0, 20, 40):
        part = losses[start : start + 20]
        assert (np.diff(part) <= 1e-12).all()
        assert part[1] < part[0]
    # with the pairs of the first batch the later ones converge at once: a quadratic and its exact inverse
    assert abs(losses[23] - losses[39]) < 1e-3 * abs(losses[20] - losses[39])
    assert abs(losses[43] - losses[59]) < 1e-3 * abs(losses[40] - losses[59])


def test_one_batch_for_the_stage_is_all_rows_of_batches():
    x = jnp.arange(10.0)

    def objective(model, batch, key):
        return jnp.mean((model - batch) ** 2)

    result = fit(jnp.array(0.0), objective, train.adam(3), train.lbfgs(10), data=train.Batches(x, 2))
    assert float(result.model) == pytest.approx(4.5)
    assert result.loss == pytest.approx(np.var(np.arange(10.0)))


def test_a_float32_model_is_trained_in_float64_and_cast_back():
    seen = []

    def objective(model, batch, key):
        seen.append((model["x"].dtype, model["scale"].dtype, batch.dtype))
        return jnp.sum(((model["x"] - batch) / model["scale"]) ** 2)

    with jax.enable_x64(False):
        model = {"x": jnp.zeros(2), "scale": Frozen(jnp.full(2, 0.1))}
        result = train.fit(
            model, objective, stages=[train.lbfgs(20)], data=jnp.array([1 / 3, 0.1]), key=KEY, progress=False
        )
        assert (result.model["x"].dtype, result.model["scale"].dtype) == ("float32", "float32")
        assert jnp.ones(1).dtype == jnp.float32
    assert {tuple(map(str, dtypes)) for dtypes in seen} == {("float32",) * 3, ("float64",) * 3}
    # in float32 the loss would not get under 1e-12
    assert result.history.loss[-1] < 1e-20
    assert np.allclose(result.model["x"], np.float32([1 / 3, 0.1]), rtol=1e-7)


def test_float64_data_keep_their_digits_in_a_float32_program():
    data = np.array([1 / 3, 1 / 7])
    dtypes = []

    def objective(model, batch, key):
        dtypes.append(batch.dtype.name)
        return jnp.sum((model - batch) ** 2)

    def keep(info):
        finest.append(np.asarray(info.model))

    finest = []
    with jax.enable_x64(False):
        train.fit(
            jnp.zeros(2),
            objective,
            stages=[train.adam(2), train.lbfgs(20)],
            data=data,
            key=KEY,
            progress=False,
            callbacks=keep,
        )
    assert dtypes[0] == "float32"
    assert dtypes[-1] == "float64"
    assert finest[-1].dtype == np.float32


def test_an_objective_that_closes_over_float32_arrays_still_gains_from_float64():
    with jax.enable_x64(False):
        target = jnp.array([1 / 3, 1 / 7])
        result = train.fit(
            jnp.zeros(2), lambda m, b, k: jnp.sum((m - target) ** 2), stages=[train.lbfgs(20)], key=KEY, progress=False
        )
    assert result.history.loss[-1] < 1e-20
    assert np.array_equal(result.model, target)


def test_an_objective_that_cannot_be_traced_in_float64_runs_in_its_own_precision():
    with jax.enable_x64(False):
        zero = jnp.zeros(())

        def objective(model, batch, key):
            # the carry of this loop is float32, whatever the model is
            total, _ = jax.lax.scan(lambda carry, x: (carry + x**2, None), zero, model - 1)
            return total

        with pytest.warns(UserWarning, match=r"runs in the dtypes of the model and not in float64.*through data="):
            result = train.fit(jnp.zeros(3), objective, stages=[train.lbfgs(20)], key=KEY, progress=False)
    assert result.model.dtype == jnp.float32
    assert np.allclose(result.model, 1.0, atol=1e-3)


def test_an_objective_that_rounds_is_warned_of():
    with (
        jax.enable_x64(False),
        pytest.warns(UserWarning, match="objective returns float32: something in it rounds"),
    ):
        result = train.fit(
            jnp.zeros(3),
            lambda m, b, k: jnp.sum((m.astype(jnp.float32) - 1) ** 2),
            stages=[train.lbfgs(20)],
            key=KEY,
            progress=False,
        )
    assert np.allclose(result.model, 1.0)


def test_float64_can_be_declined():
    def objective(model, batch, key):
        assert model.dtype == jnp.float32
        return jnp.sum((model - 1) ** 2)

    with jax.enable_x64(False):
        result = train.fit(jnp.zeros(3), objective, stages=[train.lbfgs(20, float64=False)], key=KEY, progress=False)
    assert np.allclose(result.model, 1.0, atol=1e-6)


def test_mixed_dtypes_train_together():
    dtypes = {"single": "float32", "half": "bfloat16", "complex": "complex64"}
    model = {name: jnp.zeros(2, dtype) for name, dtype in dtypes.items()}

    def objective(model, batch, key):
        return sum(jnp.sum(jnp.abs(x - (1 if x.dtype.kind != "c" else 1j)) ** 2) for x in jax.tree.leaves(model))

    result = fit(model, objective, train.lbfgs(20))
    assert {name: x.dtype.name for name, x in result.model.items()} == dtypes
    assert np.allclose(result.model["single"], 1)
    assert np.allclose(result.model["half"].astype(float), 1)
    assert np.allclose(result.model["complex"], 1j)


def test_a_stage_in_float64_between_two_in_float32():
    x = jnp.linspace(-1, 1, 20, dtype=jnp.float32)[:, None]

    def objective(model, batch, key):
        return jnp.mean((jax.vmap(model)(batch) - batch**2) ** 2)

    with jax.enable_x64(False):
        net = nn.MLP(1, 1, 8, 1, key=KEY)
        stages = [train.adam(50, 1e-2), train.lbfgs(50), train.adam(5, 1e-6)]
        result = train.fit(net, objective, stages=stages, data=x, key=KEY, progress=False)
    assert result.model.layers[0].weight.dtype == jnp.float32
    last = result.history.stages[-1].start
    # casting back to float32 costs no more than roundings of the outputs
    assert result.history.loss[last] < 1.01 * result.history.loss[last - 1] + 1e-12
