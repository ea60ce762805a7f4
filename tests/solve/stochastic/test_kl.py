"""The divergence along a path: exact values, means over paths, every form of diffusion, gradients."""

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest

import sciml_jax as sj

KEYS = jax.random.split(jax.random.key(2), 4000)
AWAY = jnp.array([0.3, -0.8])
MATRIX = jnp.array([[0.5, 0.2], [-0.1, 0.4]])


def prior(t, y, args):
    return -y


def posterior(t, y, args):
    return -y + AWAY


def end(noise, diffusion, key, steps=10, to=posterior):
    drift, spread = sj.with_kl(to, prior, diffusion, noise)
    start = (jnp.array([0.5, 0.1]), 0.0)
    return sj.solve_sde(drift, spread, (0.0, 2.0), start, key, noise=noise, steps=steps).y


# the diffusion, and |u|^2 with g u = AWAY
FORMS = {
    "diagonal": (lambda t, y, args: jnp.array([0.5, 0.4]), (0.3 / 0.5) ** 2 + (0.8 / 0.4) ** 2),
    "scalar": (lambda t, y, args: 2.0 * AWAY, 0.25),
    "additive": (lambda t, y, args: MATRIX, float(np.sum(np.linalg.solve(MATRIX, AWAY) ** 2))),
    "general": (
        lambda t, y, args: jnp.concatenate([MATRIX, MATRIX], axis=1),
        float(np.sum(np.linalg.solve(MATRIX, AWAY) ** 2)) / 2,
    ),
}


@pytest.mark.parametrize("noise", FORMS)
def test_where_the_drifts_differ_by_a_constant_it_is_exact(noise):
    diffusion, squares = FORMS[noise]
    y, kl = end(noise, diffusion, KEYS[0])
    np.testing.assert_allclose(kl, 0.5 * squares * 2.0, rtol=1e-12)
    assert y.shape == (2,)


def test_the_state_is_that_of_the_posterior():
    """On the same increments: the path that drives y has the same numbers with and without the divergence."""
    diffusion = lambda t, y, args: 0.3 * jnp.cos(y)  # noqa: E731
    plain = sj.solve_sde(posterior, diffusion, (0.0, 2.0), jnp.array([0.5, 0.1]), KEYS[0], steps=10).y
    np.testing.assert_array_equal(end("diagonal", diffusion, KEYS[0])[0], plain)


def test_its_mean_is_the_divergence_of_two_processes():
    """Ornstein-Uhlenbeck processes y' = -2 y and y' = -y with the same noise: u = -y / sigma, and E y^2 is known."""
    sigma, t1, start = 0.5, 2.0, np.array([0.5, 0.1])
    faster, diffusion = (lambda t, y, args: -2 * y), (lambda t, y, args: sigma * jnp.ones_like(y))
    kl = np.asarray(jax.jit(jax.vmap(lambda key: end("diagonal", diffusion, key, 200, faster)[1]))(KEYS))
    decay = (1 - np.exp(-4 * t1)) / 4  # the integral of exp(-4 t)
    squares = start**2 * decay + sigma**2 / 4 * (t1 - decay)
    want = np.sum(squares) / (2 * sigma**2)
    # the error of Euler's method is of first order in h = 0.01
    assert abs(kl.mean() - want) < 4.5 * kl.std() / np.sqrt(len(kl)) + 4 * 0.01 * want


def test_gradients():
    """Of divergence and state with respect to the posterior, against differences on the same path."""

    def total(a):
        to = lambda t, y, args: -a * y  # noqa: E731
        y, kl = end("general", lambda t, y, args: MATRIX * (1 + 0.1 * y[0]), KEYS[1], 20, to)
        return kl + jnp.sum(y)

    total = jax.jit(total)
    h = 1e-5
    np.testing.assert_allclose(jax.grad(total)(1.7), (total(1.7 + h) - total(1.7 - h)) / (2 * h), rtol=1e-8)


def test_an_operator_is_refused():
    operator = lambda t, y, args: lx.MatrixLinearOperator(MATRIX)  # noqa: E731
    with pytest.raises(TypeError, match="with_kl needs the entries of the diffusion, not a lineax operator"):
        end("general", operator, KEYS[0])
