"""Drift-implicit methods on stiff equations: stability, stationary variances, gradients, failures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

KEY = jax.random.key(3)
RATE, SIZE = 1e4, 100.0


def decay(t, y, args):
    return -args * (y - jnp.cos(t))


def noise(t, y, args):
    return SIZE + 0 * y


def ends(theta, steps, n=4000):
    """Ends of a stiff Ornstein-Uhlenbeck process around cos(t)."""
    method = sj.ImplicitEulerMaruyama(theta)
    options = {"noise": "additive", "method": method, "steps": steps}
    solve = lambda key: sj.solve_sde(decay, noise, (0.0, 1.0), 1.0, key, RATE, **options).y  # noqa: E731
    return np.asarray(jax.jit(jax.vmap(solve))(jax.random.split(KEY, n)))


@pytest.mark.parametrize("theta", [0.5, 1.0])
def test_stationary_variance_of_a_stiff_equation(theta):
    """Of y1 = R y0 + sigma dW / (1 + theta z): sigma^2 h / ((1 + theta z)^2 - (1 - (1 - theta) z)^2), z = rate h; for
    theta = 1/2 that is sigma^2 / (2 rate), exactly. The mean follows cos(t) to first order, h."""
    steps, n = 400, 4000
    y, z = ends(theta, steps, n), RATE / steps
    variance = SIZE**2 / steps / ((1 + theta * z) ** 2 - (1 - (1 - theta) * z) ** 2)
    if theta == 0.5:
        assert variance == pytest.approx(SIZE**2 / (2 * RATE), rel=1e-12)
    assert abs(y.var() - variance) < 4.5 * variance * np.sqrt(2 / n)
    assert abs(y.mean() - np.cos(1.0)) < 4.5 * np.sqrt(variance / n) + 1 / RATE


def test_explicit_steps_of_that_length_are_unstable():
    options = {"noise": "additive", "steps": 400, "throw": False}
    sol = sj.solve_sde(decay, noise, (0.0, 1.0), 1.0, KEY, RATE, **options)
    assert sol.result == sj.RESULT.non_finite or abs(float(sol.y)) > 1e10


def cubic(t, y, args):
    return {"a": -args[0] * y["a"] ** 3, "b": y["a"][0] - y["b"]}


def spread(t, y, args):
    return {"a": args[1] * y["a"], "b": 0.1 * jnp.cos(y["b"])}


def end(p, method, interpretation="ito", **options):
    y0 = {"a": jnp.stack([p[2], p[3]]), "b": p[4]}
    options = {"steps": 16, "method": method, "interpretation": interpretation} | options
    return sj.solve_sde(cubic, spread, (0.0, 1.0), y0, KEY, (p[0], p[1]), **options)


@pytest.mark.parametrize("interpretation", ["ito", "stratonovich"])
def test_gradients_are_those_of_the_path(interpretation):
    """Against central differences: h^2 f''' / 6 and rounding over h are below 1e-8."""
    method = sj.ImplicitEulerMaruyama(0.7, newton_tolerance=1e-7)
    p, h = np.array([3.0, 0.3, 1.0, 2.0, 0.5]), 1e-5

    def loss(p):
        y = end(p, method, interpretation).y
        return jnp.sum(y["a"] ** 2) + y["b"]

    value = jax.jit(loss)
    wanted = [(value(p + h * d) - value(p - h * d)) / (2 * h) for d in np.eye(5)]
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(p), wanted, rtol=1e-7, atol=1e-7)


def test_both_loops_and_batches_agree():
    p, method = np.array([3.0, 0.3, 1.0, 2.0, 0.5]), sj.ImplicitEulerMaruyama()
    one, two = end(p, method), end(p, method, steps=None, dt=1 / 16)
    many = jax.vmap(lambda p: end(p, method).y)(np.stack([p, 1.1 * p]))
    # Newton's iteration stops at 0.01 of the tolerance, 1e-6
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10), one.y, two.y)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-8), many, one.y)
    assert int(one.stats["jacobians"]) == int(one.stats["factorisations"]) == 16
    assert 32 <= int(one.stats["field_evaluations"]) < 160


def test_failures_and_messages():
    jump = lambda t, y, args: jnp.where(y > 0, -1e6, 1e6)  # noqa: E731 (no root of the step's equation)
    sol = sj.solve_sde(
        jump,
        lambda t, y, args: 1 + 0 * y,
        (0.0, 1.0),
        1.0,
        KEY,
        method=sj.ImplicitEulerMaruyama(),
        steps=3,
        throw=False,
    )
    assert sol.result == sj.RESULT.step_failed
    with pytest.raises(ValueError, match="theta of sj.ImplicitEulerMaruyama is from 0.5 to 1; got 0.2"):
        sj.ImplicitEulerMaruyama(0.2)
    with pytest.raises(ValueError, match="newton_tolerance of sj.ImplicitEulerMaruyama"):
        sj.ImplicitEulerMaruyama(newton_tolerance=0.0)
    with pytest.raises(ValueError, match="ImplicitEulerMaruyama has constant steps"):
        sj.solve_sde(decay, noise, (0.0, 1.0), 1.0, KEY, RATE, method=sj.ImplicitEulerMaruyama())
