"""Adjoints along the stored solution: the derivatives of the flow, to the tolerance, stiff problems included."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

GRADIENTS = [sj.Interpolating(), sj.GaussQuadrature()]
BOTH = pytest.mark.parametrize("gradient", GRADIENTS, ids=lambda g: type(g).__name__)
POINT = {"a": jnp.array([1.1, 0.4, 0.1, 0.4]), "y0": jnp.array([2.0, 1.0]), "t": jnp.array([0.0, 5.0])}


NET = sj.nn.MLP(2, 2, 6, 1, key=jax.random.key(0))
STARTS = jnp.array([[1.0, 0.5], [0.1, -2.0]])


def lotka_volterra(t, y, a):
    return jnp.stack([a[0] * y[0] - a[1] * y[0] * y[1], a[2] * y[0] * y[1] - a[3] * y[1]])


def distance(tree, other):
    """The largest difference, relative to the largest entry of `other`."""
    pairs = list(zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True))
    return max(float(jnp.max(jnp.abs(a - b))) for a, b in pairs) / max(float(jnp.max(jnp.abs(b))) for _, b in pairs)


def saved(p, gradient, rtol):
    save = {
        "moving": jnp.linspace(0.5, 5, 4) * p["a"][0] / 1.1,
        "function": sj.Times(jnp.linspace(0.5, 5, 3), lambda t, y, a: y[0] * a[1] * t),
        "end": None,
    }
    options = {"rtol": rtol, "atol": rtol, "gradient": gradient, "save": save, "throw": False}
    sol = sj.solve_ode(lotka_volterra, tuple(p["t"]), p["y0"], p["a"], **options)
    return jnp.sum(sol.y["moving"] ** 2) + jnp.sum(sol.y["function"]) + sol.y["end"][0]


@cache
def recorded_saves():
    return jax.jit(jax.grad(lambda p: saved(p, sj.Recorded(), 1e-11)))(POINT)


@BOTH
def test_they_agree_with_the_discrete_adjoint_to_the_tolerance(gradient):
    """And draw near to it as the tolerance falls by three decades: Tsit5's dense output has order 4."""
    exact = recorded_saves()
    gradients = jax.jit(jax.grad(lambda p, rtol: saved(p, gradient, rtol)))
    coarse, fine = (distance(gradients(POINT, rtol), exact) for rtol in (1e-5, 1e-8))
    assert fine < 1e-6  # the tolerance times the growth of perturbations over the span, about 100
    assert fine < coarse / 50


def stiff(t, y, p):
    """A fast decay, 1e4 times as fast as the span is long, which nothing may run backwards."""
    fast = -p[0] * (y[0] - jnp.cos(p[1] * y[1]))
    return jnp.stack([fast, p[2] * y[0] - 0.3 * y[1]])


@cache
def stiff_gradient(method, gradient, rtol):
    def end(p, y0):
        sol = sj.solve_ode(stiff, (0.0, 1.0), y0, p, method=method, rtol=rtol, atol=rtol, gradient=gradient)
        return jnp.sum(sol.y * jnp.array([1.0, 2.0]))

    return jax.jit(jax.grad(end, argnums=(0, 1)))(jnp.array([1e4, 1.3, 0.7]), jnp.array([0.2, 0.5]))


@pytest.mark.parametrize(
    "method, gradient",
    [(sj.Rodas5P(), GRADIENTS[0]), (sj.Rodas5P(), GRADIENTS[1]), (sj.Kvaerno3(), GRADIENTS[1])],
    ids=lambda x: type(x).__name__,
)
def test_stiff_problems(method, gradient):
    want = stiff_gradient(sj.Rodas5P(), sj.Recorded(), 1e-10)
    # interpolants of these methods are of order 3 and 4
    assert distance(stiff_gradient(method, gradient, 1e-8), want) < 1e-5


@BOTH
def test_a_network_in_the_field_and_a_batch(gradient):
    """Captured parameters, under vmap and jit: rows of a batch are single gradients."""
    # the tolerance, and the growth of perturbations
    assert distance(gradients(gradient, 1e-7)(STARTS), recorded_network_gradient()) < 1e-5


def gradients(gradient, rtol):
    """Those of a loss with respect to the arrays of the network, for a batch of starts."""
    arrays, rest = eqx.partition(NET, eqx.is_array)

    def loss(arrays, y0):
        net = eqx.combine(arrays, rest)
        options = {"rtol": rtol, "atol": rtol, "save": [0.3, 1.0], "gradient": gradient}
        return jnp.sum(sj.solve_ode(lambda t, y, args: net(y) - y, (0.0, 1.0), y0, **options).y ** 2)

    return jax.jit(jax.vmap(lambda y0: jax.grad(loss)(arrays, y0)))


@cache
def recorded_network_gradient():
    return gradients(sj.Recorded(), 1e-9)(STARTS)


def test_heat_runs_nowhere_backwards():
    """Where `Backsolve` gives NaN (see test_exactness.py)."""
    heat = lambda t, u, k: k * 900 * (jnp.roll(u, 1) - 2 * u + jnp.roll(u, -1))  # noqa: E731
    u0 = np.sin(2 * np.pi * np.arange(30) / 30) + 0.1 * np.cos(np.arange(30.0) ** 2)

    def loss(k, gradient):
        return jnp.sum(sj.solve_ode(heat, (0.0, 1.0), u0, k, gradient=gradient, rtol=1e-7, atol=1e-9).y ** 2)

    want = float(jax.grad(loss)(0.05, sj.Recorded()))
    for gradient in GRADIENTS:
        assert float(jax.grad(loss)(0.05, gradient)) == pytest.approx(want, rel=1e-5)


REFUSED = {
    "sj.Dense": {"save": sj.Dense()},
    "events": {"events": sj.Event(lambda t, y, a: y[0] - 9.0)},
    "projection": {"projection": lambda t, y, a: y},
    "equal steps": {"steps": 10},
    "a mass matrix": {"mass": np.diag([1.0, 0.5]), "method": sj.Rodas5P()},
}


@BOTH
@pytest.mark.parametrize("word", REFUSED)
def test_what_the_adjoint_equation_does_not_see_is_refused(word, gradient):
    name = type(gradient).__name__
    with pytest.raises(ValueError, match=rf"{name}\(\) cannot differentiate .*{word}.*use Recorded"):
        sj.solve_ode(lotka_volterra, (0.0, 1.0), jnp.ones(2), POINT["a"], gradient=gradient, **REFUSED[word])


@BOTH
def test_noise_is_refused(gradient):
    drift = lambda t, y, args: -y  # noqa: E731
    with pytest.raises(ValueError, match="is for equations without noise: use Recorded"):
        sj.solve_sde(drift, drift, (0.0, 1.0), 1.0, jax.random.key(0), steps=4, gradient=gradient)


def test_capacities():
    """A solve of more steps than are kept ends there, and says so; one that is no number is refused."""

    def end(k):
        field = lambda t, y, k: -k * y  # noqa: E731
        return sj.solve_ode(field, (0.0, 1.0), 1.0, k, dt=0.01, gradient=sj.Interpolating(capacity=20)).y

    assert float(end(1.0)) == pytest.approx(np.exp(-1), rel=1e-6)  # without derivatives nothing is kept
    with pytest.raises(Exception, match="capacity"):
        jax.grad(end)(1.0)
    with pytest.raises(ValueError, match="capacity of GaussQuadrature must be a positive int; got 0"):
        sj.GaussQuadrature(capacity=0)
