"""Population models: the field, the solve in logarithms, and the universal model's start."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax import train
from sciml_jax.models import (
    GeneralizedLotkaVolterra,
    LotkaVolterra,
    Standardize,
    UniversalField,
    UniversalLotkaVolterra,
    rest,
)

RATES, Y0 = [0.55, 0.028, 0.8, 0.024], [30.0, 4.0]
TS = np.linspace(1900.0, 1920.0, 11)


@pytest.fixture(scope="module")
def model():
    return LotkaVolterra(RATES, Y0, t0=1900.0)


def universal(model, seed=0):
    return UniversalLotkaVolterra(model, [3.3, 2.8], [0.7, 0.9], key=jax.random.key(seed))


def bent(model):
    """A universal model whose network does something."""
    made = universal(model)
    layer = made.network.layers[-1]
    weight = 0.5 * jnp.cos(jnp.arange(layer.weight.size, dtype=layer.weight.dtype)).reshape(layer.weight.shape)
    replace = lambda m: m.network.layers[-1].weight
    return eqx.tree_at(replace, made, weight)


def test_the_field_is_lotka_volterra(model):
    u, v = y = jnp.array([21.0, 13.0])
    a, b, c, d = RATES
    np.testing.assert_allclose(model(0.0, y), [a * u - b * u * v, -c * v + d * u * v], rtol=1e-12)
    np.testing.assert_allclose(model(0.0, model.equilibrium), 0.0, atol=1e-12)
    np.testing.assert_allclose(y * (model.growth + model.interaction @ y), model(0.0, y), rtol=1e-12)


def test_predict_agrees_with_a_tight_solve_of_the_field_itself(model):
    sol = sj.solve_ode(model, (1900.0, 1920.0), model.y0, save=TS, rtol=1e-11, atol=1e-11, method=sj.Dopri8())
    # local errors of 1e-6 in the logarithm, added up over two cycles
    np.testing.assert_allclose(model.predict(TS), sol.y, rtol=1e-4)


def test_predict_at_any_times_from_t0_on(model):
    there, back = model.predict([1900.0, 1910.0]), model.predict([1910.0, 1900.0])
    np.testing.assert_allclose(there[0], Y0, rtol=1e-12)
    np.testing.assert_allclose(back, there[::-1], rtol=1e-5)
    with pytest.raises(ValueError, match="times in save="):
        model.predict([1899.0, 1905.0])


def test_a_deep_trough_stays_positive():
    predicted = LotkaVolterra([2.0, 0.5, 2.0, 0.5], [200.0, 100.0]).predict(np.linspace(0.0, 30.0, 400))
    assert bool(jnp.all(predicted > 0))
    assert float(jnp.min(predicted)) < 1e-12


@pytest.mark.parametrize(
    ("rates", "y0", "words"),
    [
        ([1.0, 1.0, 1.0], Y0, r"rates must have shape \(4,\)"),
        (RATES, [1.0, 2.0, 3.0], r"y0 must have shape \(2,\)"),
        ([1.0, -1.0, 1.0, 1.0], Y0, "rates must be positive"),
        (RATES, [0.0, 1.0], "y0 must be positive"),
        (RATES, [np.nan, 1.0], "y0 must be positive"),
    ],
)
def test_what_is_no_model(rates, y0, words):
    with pytest.raises(ValueError, match=words):
        LotkaVolterra(rates, y0)


def test_the_generalised_model_contains_the_other(model):
    scale = {"rate": 0.3, "scale": [30.0, 5.0]}
    general = GeneralizedLotkaVolterra(model.growth, model.interaction, Y0, t0=1900.0, **scale)
    np.testing.assert_allclose(general.predict(TS), model.predict(TS), rtol=1e-6)
    np.testing.assert_allclose(general.interaction, model.interaction, rtol=1e-12)
    with pytest.raises(ValueError, match=r"growth must have shape \(2,\) and interaction \(2, 2\)"):
        GeneralizedLotkaVolterra([1.0], [[1.0]], Y0)


def test_the_universal_model_starts_at_the_mechanistic_one(model):
    made = universal(model)
    np.testing.assert_allclose(made.predict(TS), model.predict(TS), rtol=1e-6)
    np.testing.assert_allclose(made.factors(jnp.array([10.0, 20.0])), [1.0])
    np.testing.assert_allclose(made(0.0, jnp.array(Y0)), model(0.0, jnp.array(Y0)), rtol=1e-12)


def test_one_factor_multiplies_what_the_prey_lose_and_what_the_predators_gain(model):
    made, y = bent(model), jnp.array([21.0, 13.0])
    (factor,) = made.factors(y)
    assert abs(float(factor) - 1) > 0.05
    a, b, c, d = RATES
    u, v = y
    np.testing.assert_allclose(made(0.0, y), [a * u - b * factor * u * v, -c * v + d * factor * u * v], rtol=1e-10)
    # whatever the network says, the factor stays between e**-2 and e**2
    far = jnp.array([made.factors(jnp.array([10.0**k, 10.0**-k]))[0] for k in range(-30, 31, 10)])
    assert bool(jnp.all((far > np.exp(-2.01)) & (far < np.exp(2.01))))


def test_pairs_that_do_not_interact_get_no_network():
    chain = GeneralizedLotkaVolterra([1.0, -0.2, -0.3], [[-0.1, -0.2, 0], [0.3, 0, -0.1], [0, 0.2, 0]], [1.0, 1.0, 1.0])
    made = UniversalLotkaVolterra(chain, jnp.zeros(3), jnp.ones(3), key=jax.random.key(0))
    assert made.output.pairs == ((0, 0), (0, 1), (1, 2))
    y = jnp.array([3.0, 2.0, 1.0])
    np.testing.assert_allclose(made(0.0, y), chain(0.0, y), rtol=1e-12)
    alone = GeneralizedLotkaVolterra([1.0, 1.0], jnp.zeros((2, 2)), [1.0, 1.0])
    with pytest.raises(ValueError, match="no interaction"):
        UniversalLotkaVolterra(alone, jnp.zeros(2), jnp.ones(2), key=jax.random.key(0))


@pytest.mark.parametrize("make", [lambda m: m, bent], ids=["mechanistic", "universal"])
def test_a_saved_model_predicts_the_same(model, make, tmp_path):
    saved = make(model)
    train.save_model(tmp_path / "model", saved)
    loaded = train.load_model(tmp_path / "model")
    assert type(loaded) is type(saved)
    np.testing.assert_array_equal(loaded.predict(TS), saved.predict(TS))


def test_gradients_agree_with_differences(model):
    def loss(z0):
        return jnp.sum(jnp.log(eqx.tree_at(lambda m: m.log_y0, model, z0).predict(TS)) ** 2)

    gradient, step = jax.grad(loss)(model.log_y0), 1e-4
    for i in range(2):
        above, below = (float(loss(model.log_y0.at[i].add(s * step))) for s in (1, -1))
        # the difference sees other step sequences: errors of the solve, 1e-6, over the step of the difference
        assert float(gradient[i]) == pytest.approx((above - below) / (2 * step), rel=1e-2, abs=1e-2)


def test_a_universal_field_of_ones_own():
    net = rest(sj.nn.MLP(2, 1, 8, 1, key=jax.random.key(0)))
    field = UniversalField(
        lambda t, y, args: {"x": -args * y["x"]},
        net,
        inputs=lambda t, y, args: Standardize(jnp.ones(2), 2.0)(t, y["x"]),
        output=lambda value, t, y, args: {"x": value * y["x"]},
    )
    sol = sj.solve_ode(field, (0.0, 1.0), {"x": jnp.array([1.0, 2.0])}, 0.5)
    np.testing.assert_allclose(sol.y["x"], np.exp(-0.5) * np.array([1.0, 2.0]), rtol=1e-5)
    with pytest.raises(ValueError, match="they must agree"):
        UniversalField(lambda t, y, args: -y, net)(0.0, jnp.ones(2))
