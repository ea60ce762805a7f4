"""Langevin splittings: exact laws in a harmonic potential, gradients, and what is refused.

A linear equation takes a Gaussian law to a Gaussian law, and so does a step: its matrices are read off from steps with
given noise, and all that is said of laws is exact, without samples.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import sciml_jax as sj

STIFFNESS, FRICTION, TEMPERATURE, MASS = 4.0, 1.5, 0.7, 2.0
METHODS = {"BAOAB": sj.BAOAB(), "OBABO": sj.OBABO()}
KEY = jax.random.key(1)
HARMONIC = sj.Langevin(lambda t, q, args: -STIFFNESS * q, FRICTION, TEMPERATURE, MASS)


@cache
def stepper(name):
    """The end of a step of length h, from (q, p), where the noise is `early` and `late` over its halves."""

    @jax.jit
    def run(y, h, early, late):
        value = lambda t: early * jnp.minimum(t, h / 2) + late * jnp.maximum(t - h / 2, 0.0)  # noqa: E731
        path = sj.GivenPath(function=value, shape=())
        sol = sj.solve_sde(HARMONIC, None, (0.0, h), (y[0], y[1]), None, method=METHODS[name], path=path, steps=1)
        return jnp.stack(sol.y)

    return run


def law(name, h):
    """The matrices M and N of a step: y1 = M y0 + N N(0, 1)^2."""
    run, zero = stepper(name), np.zeros(2)
    m = np.stack([run(e, h, 0.0, 0.0) for e in np.eye(2)], axis=1)
    size = np.sqrt(2 / h)  # slopes that give half a step's increment the size of its standard deviation
    n = np.stack([run(zero, h, size, 0.0), run(zero, h, 0.0, size)], axis=1)
    return np.asarray(m), np.asarray(n)


@pytest.mark.parametrize("h", [0.2, 0.8, 1.2])
@pytest.mark.parametrize("name", METHODS)
def test_stationary_law_of_an_oscillator(name, h):
    """BAOAB: exact positions; OBABO: exact momenta, and positions as its docstring says. Rounding is left."""
    m, n = law(name, h)
    covariance = scipy.linalg.solve_discrete_lyapunov(m, n @ n.T)
    square = h**2 * STIFFNESS / MASS / 4
    q, p = TEMPERATURE / STIFFNESS, TEMPERATURE * MASS
    wanted = (q, p * (1 - square)) if name == "BAOAB" else (q / (1 - square), p)
    np.testing.assert_allclose(np.diag(covariance), wanted, rtol=1e-12)
    np.testing.assert_allclose(covariance[0, 1], 0, atol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_laws_converge_with_order_two(name):
    """Mean and covariance at t = 1, against matrix exponentials."""
    a = np.array([[0, 1 / MASS], [-STIFFNESS, -FRICTION]])
    kick = np.diag([0, 2 * FRICTION * MASS * TEMPERATURE])
    big = scipy.linalg.expm(np.block([[-a, kick], [np.zeros((2, 2)), a.T]]))  # C. Van Loan, 1978
    exact, spread = big[2:, 2:].T, big[2:, 2:].T @ big[:2, 2:]
    errors, counts = [], (10, 20, 40, 80)
    for steps in counts:
        m, n = law(name, 1 / steps)
        mean, covariance = np.eye(2), np.zeros((2, 2))
        for _ in range(steps):
            mean, covariance = m @ mean, m @ covariance @ m.T + n @ n.T
        errors.append((np.abs(mean - exact).max(), np.abs(covariance - spread).max()))
    slopes = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    np.testing.assert_allclose(slopes, 2, atol=0.1)


def solve(p, method, key: jax.Array | None = KEY, **options):
    """A double well, with everything that can be differentiated."""
    force = lambda t, q, args: jax.tree.map(lambda x: args * x - x**3, q)  # noqa: E731
    field = sj.Langevin(force, p[1], p[2], p[3])
    y0 = ({"x": p[4] * jnp.ones(2)}, {"x": p[5] * jnp.ones(2)})
    options = {"steps": 16, "method": method} | options
    return sj.solve_sde(field, None, (0.0, 2.0), y0, key, p[0], **options)


P = np.array([1.2, 0.8, 0.5, 1.3, 0.3, -0.2])


@pytest.mark.parametrize("name", METHODS)
def test_gradients_are_those_of_the_path(name):
    """Against central differences: h^2 f''' / 6 and rounding over h are below 1e-9."""
    loss = lambda p: jnp.sum(solve(p, METHODS[name]).y[0]["x"] ** 2)  # noqa: E731
    value, h = jax.jit(loss), 1e-5
    wanted = [(value(P + h * d) - value(P - h * d)) / (2 * h) for d in np.eye(6)]
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(P), wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", METHODS)
def test_both_loops_and_batches_agree(name):
    keys = jax.random.split(KEY, 3)
    many = jax.jit(jax.vmap(lambda key: solve(P, METHODS[name], key).y))(keys)
    for i, key in enumerate(keys):
        one = solve(P, METHODS[name], key)
        again = solve(P, METHODS[name], key, steps=None, dt=1 / 8)
        lane = jax.tree.map(lambda x, i=i: x[i], many)
        jax.tree.map(lambda a, b, c: np.testing.assert_allclose((a, c), (b, b), rtol=1e-12), lane, one.y, again.y)
    assert int(one.stats["field_evaluations"]) == 17  # one more than steps
    path = sj.BrownianTree((0.0, 2.0), {"x": (2,)}, KEY, depth=10)
    ends = [solve(P, METHODS[name], None, path=path, steps=n).y[0]["x"] for n in (64, 128)]
    # strong order 1: two step lengths on one path, h and h / 2
    np.testing.assert_allclose(*ends, atol=2 / 64)


STIFF = np.array([1.0, 4.0, 9.0])
BEGIN = (np.array([1.0, -0.5]), np.zeros(2))


def springs(friction):
    return sj.Langevin(lambda t, q, k: -k * q, friction, TEMPERATURE, MASS)


def in_ensemble(friction, backend, **options):
    options = {"in_axes": (None, 0), "key": KEY, "steps": 6, "backend": backend} | options
    return sj.solve_ensemble(springs(friction), (0.0, 1.0), BEGIN, STIFF, **options)


@pytest.mark.parametrize("backend", ["vmap", "lanes", "kernel"])
@pytest.mark.parametrize("options", [{}, {"method": sj.OBABO(), "save": [0.4, 1.0]}], ids=["end", "saved"])
def test_ensembles_are_loops_of_solves(backend, options):
    many = in_ensemble(FRICTION, backend, **options)
    for i, key in enumerate(jax.random.split(KEY, 3)):
        one = sj.solve_sde(springs(FRICTION), None, (0.0, 1.0), BEGIN, key, STIFF[i], steps=6, **options)
        # sums in another order
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-11), many.y, one.y)


def test_ensembles_have_derivatives():
    """In the friction, which belongs to the field and to all trajectories."""
    loss = lambda friction, backend: jnp.sum(in_ensemble(friction, backend).y[0] ** 2)
    lanes, batch = (jax.grad(loss)(FRICTION, backend) for backend in ("lanes", "vmap"))
    h = 1e-5
    slope = (loss(FRICTION + h, "vmap") - loss(FRICTION - h, "vmap")) / (2 * h)
    np.testing.assert_allclose(lanes, batch, rtol=1e-10)
    np.testing.assert_allclose(batch, slope, rtol=1e-7)  # differences of numbers near 1: h squared and eps / h


@pytest.mark.slow
def test_temperature_of_a_double_well():
    """The mean of p^2 / m, T, and that of q^2 against quadrature, over 4,000 paths: Monte-Carlo errors and h^2."""
    n, h = 4000, 0.1
    double = lambda t, q, args: q - q**3  # noqa: E731
    field = sj.Langevin(double, 1.0, 0.5)
    run = lambda key: sj.solve_sde(field, None, (0.0, 20.0), (1.0, 0.0), key, steps=200).y  # noqa: E731
    q, p = (np.asarray(x) for x in jax.jit(jax.vmap(run))(jax.random.split(KEY, n)))
    x = np.linspace(-4, 4, 8001)
    weight = np.exp(-(x**4 / 4 - x**2 / 2) / 0.5)
    square = (x**2 * weight).sum() / weight.sum()
    assert abs((p**2).mean() - 0.5) < 4.5 * (p**2).std() / np.sqrt(n) + h**2
    assert abs((q**2).mean() - square) < 4.5 * (q**2).std() / np.sqrt(n) + h**2


BAD = {
    "no pair": (HARMONIC, None, 1.0, {}, TypeError, r"sj.Langevin needs y0 = \(q, p\)"),
    "different shapes": (HARMONIC, None, (np.ones(2), 1.0), {}, ValueError, "q and p of sj.Langevin look alike"),
    "a diffusion": (HARMONIC, lambda t, y, args: y, (1.0, 0.0), {}, TypeError, "None where the drift is a sj.Langevin"),
    "no diffusion": (lambda t, y, args: y, None, 1.0, {}, TypeError, "None where the drift is a sj.Langevin"),
    "another method": (
        HARMONIC,
        None,
        (1.0, 0.0),
        {"method": sj.EulerMaruyama()},
        TypeError,
        "is for stochastic equations",
    ),
    "another field": (
        *(lambda t, y, args: y, lambda t, y, args: y, 1.0, {"method": sj.BAOAB()}, TypeError),
        "BAOAB is for the Langevin equation",
    ),
    "a path of another shape": (
        *(HARMONIC, None, (1.0, 0.0), {"path": sj.IncrementPath((0.0, 1.0), (3,), KEY)}, ValueError),
        r"has the shape \(\), but path= that of \(3,\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_messages(case):
    drift, diffusion, y0, options, error, message = BAD[case]
    with pytest.raises(error, match=message):
        sj.solve_sde(drift, diffusion, (0.0, 1.0), y0, KEY, **({"steps": 4} | options))


@pytest.mark.float32
def test_bad_numbers():
    with pytest.raises(ValueError, match="mass of sj.Langevin must be positive; got 0"):
        sj.Langevin(lambda t, q, args: q, 1.0, 1.0, 0.0)
    with pytest.raises(ValueError, match="friction of sj.Langevin must be zero or more; got -1"):
        sj.Langevin(lambda t, q, args: q, -1.0, 1.0)
