"""Elementary functions of the lanes against extended precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.ensemble.rules.functions import log_in_vectors

RANDOM = np.random.default_rng(1)
NUMBERS = np.concatenate(
    [
        np.exp(RANDOM.uniform(-708, 709, 20_000)),
        RANDOM.uniform(0.5, 2.0, 20_000),
        1 + RANDOM.uniform(-1e-6, 1e-6, 5_000),
        1 + np.arange(-60, 60) * np.finfo(float).eps,
        np.sqrt(0.5) + np.arange(-9, 9) * 1e-16,
        [np.finfo(float).tiny, np.finfo(float).max],
    ]
)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="NumPy has no wider numbers here")
def test_logarithm_has_an_error_below_one_unit_in_the_last_place():
    exact = np.log(NUMBERS.astype(np.longdouble))
    got = np.asarray(jax.jit(log_in_vectors)(NUMBERS))
    nonzero = exact != 0
    units = np.abs(got - exact)[nonzero] / np.spacing(np.abs(exact[nonzero].astype(float)))
    assert np.max(units) < 1
    assert not np.any(got[~nonzero])


def test_logarithm_of_what_is_no_positive_number():
    got = jax.jit(log_in_vectors)(np.array([0.0, -0.0, -1.0, np.inf, -np.inf, np.nan]))
    np.testing.assert_array_equal(got, [-np.inf, -np.inf, np.nan, np.inf, np.nan, np.nan])


def test_a_field_with_a_logarithm():
    """Gompertz's growth: y' = -a y log y, y = exp(log(y0) exp(-a t)); and its derivatives, both ways."""
    rates, y0 = jnp.linspace(0.5, 2.0, 9), 0.1
    field = lambda t, y, a: -a * y * jnp.log(y)

    def end(rates, **options):
        options = {"in_axes": (None, 0), "rtol": 1e-9, "atol": 1e-12, "backend": "lanes", "chunk": 4} | options
        return sj.solve_ensemble(field, (0.0, 1.0), y0, rates, **options).y

    exact = lambda rates: jnp.exp(jnp.log(y0) * jnp.exp(-rates))
    slope = jax.vmap(jax.grad(exact))(rates)
    # some 40 steps of a relative error of 1e-9; derivatives with respect to the rate are as large as the values
    np.testing.assert_allclose(end(rates), exact(rates), rtol=5e-8)
    np.testing.assert_allclose(jax.grad(lambda r: end(r).sum())(rates), slope, rtol=1e-7)
    forward = jax.jvp(lambda r: end(r, gradient=sj.Forward()), (rates,), (jnp.ones(9),))[1]
    np.testing.assert_allclose(forward, slope, rtol=1e-7)
