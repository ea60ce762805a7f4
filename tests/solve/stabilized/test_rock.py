"""ROCK2 and ROCK4: stability, order, parabolic problems, gradients, and the spectral radius that sets the stages.

Interpolant, backwards time, pytrees and complex states are the registry's.
"""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import sciml_jax as sj
from sciml_jax.solve import Problem
from sciml_jax.solve.stabilized.spectral_radius import SAFETY, first_vector, spectral_radius

from ..problems import differences, tight

METHODS = (sj.ROCK2, sj.ROCK4)
each = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)


def slow_linear(t, y, rates):
    """dy/dt = rate y, entry by entry."""
    return rates * y


def laplacian(y):
    """Second differences, zero outside."""
    return jnp.convolve(y, jnp.array([1.0, -2.0, 1.0], y.dtype), mode="same")


N = 100


def heat(t, y, k):
    return k * (N + 1) ** 2 * laplacian(y)


def bump():
    x = np.arange(1, N + 1) / (N + 1)
    return x * (1 - x) ** 3


# Stability and order


@cache
def one_step(method):
    """One step of length 1 for every rate at once, with the radius as a traced number."""

    @jax.jit
    def run(rates, radius):
        how: dict[str, Any] = {"method": method(spectral_radius=radius), "steps": 1}
        return sj.solve_ode(slow_linear, (0.0, 1.0), jnp.ones_like(rates), rates, **how)

    return run


@each
def test_every_polynomial_is_stable_as_far_as_the_step_trusts_it(method):
    """The step has as many stages as the radius needs, and |R(z)| <= 1 on the whole interval, its ends included."""
    table = method().table
    for stages, limit in zip(table.stages, table.limits, strict=True):
        z = -limit * np.linspace(0, 1, 4001)
        sol = one_step(method)(z, limit)
        assert int(sol.stats["field_evaluations"]) == stages + 1
        # rounding, amplified by up to s^2 inside a step
        assert np.abs(sol.y).max() <= 1 + 4 * np.finfo(float).eps * stages**2
        assert abs(float(sol.y[0]) - 1) == 0.0


@each
def test_every_polynomial_has_the_order(method):
    """R(z) = exp(z) up to the order, by Cauchy's integral on a circle of radius 1; and not beyond."""
    table, n = method().table, 32
    z = np.exp(2j * np.pi * np.arange(n) / n)
    factorials = np.cumprod([1, *range(1, 6)])
    for limit in table.limits:
        powers = np.fft.fft(np.asarray(one_step(method)(z, limit).y)).real / n
        wrong = np.abs(powers[:6] * factorials - 1)
        # coefficients of 13 to 16 digits
        assert wrong[: table_order(method) + 1].max() < 1e-11
        assert wrong[table_order(method) + 1] > 0.01


def table_order(method):
    return method().order


def oscillator(t, y, args):
    """Van der Pol's equation, not stiff, with a clock."""
    return jnp.stack([y[1], (1 - y[0] ** 2) * y[1] - y[0] + 0.5 * jnp.cos(t)])


@each
def test_order_on_a_nonlinear_problem(method):
    """Local extrapolation excluded: the solution that is carried on has the order in its name."""
    exact = tight(lambda t, y, args: np.asarray(oscillator(t, y, args)), (0.0, 2.0), [1.0, 0.5])[0]
    errors, ns = [], (40, 80, 160)
    for n in ns:
        y = sj.solve_ode(oscillator, (0.0, 2.0), jnp.array([1.0, 0.5]), method=method(), steps=n).y
        errors.append(np.abs(y - exact).max())
    assert np.polyfit(np.log(ns), np.log(errors), 1)[0] == pytest.approx(-method().order, abs=0.2)


# Parabolic problems


@cache
def heat_matrix():
    return (N + 1) ** 2 * (np.diag(np.full(N, -2.0)) + np.diag(np.ones(N - 1), 1) + np.diag(np.ones(N - 1), -1))


@each
def test_heat(method):
    """Against the matrix exponential, with a tenth of the evaluations of Tsit5, whose steps stability sets."""
    exact = expm(0.5 * heat_matrix()) @ bump()
    how: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-6}
    sol = sj.solve_ode(heat, (0.0, 0.5), bump(), 1.0, method=method(), **how)
    # some ten tolerances
    np.testing.assert_allclose(sol.y, exact, rtol=0, atol=1e-5)
    tsit5 = sj.solve_ode(heat, (0.0, 0.5), bump(), 1.0, method=sj.Tsit5(), **how)
    assert 10 * int(sol.stats["field_evaluations"]) < int(tsit5.stats["field_evaluations"])


def brusselator(t, y, args):
    """The one-dimensional Brusselator, u = 1 and v = 3 at the ends (Hairer & Wanner II, IV.10); the state is a dict."""
    a, b, diffusion = args
    u, v = y["u"], y["v"]
    n = u.shape[0]
    at_ends = jnp.zeros(n).at[jnp.array([0, n - 1])].set(1.0)
    spread = diffusion * (n + 1) ** 2
    return {
        "u": a + u**2 * v - (b + 1) * u + spread * (laplacian(u) + 1.0 * at_ends),
        "v": b * u - u**2 * v + spread * (laplacian(v) + 3.0 * at_ends),
    }


@each
def test_brusselator(method):
    n, args = 60, (1.0, 3.0, 0.02)
    x = np.arange(1, n + 1) / (n + 1)
    y0 = {"u": 1 + np.sin(2 * np.pi * x), "v": np.full(n, 3.0)}

    def flat(t, y):
        dy = compiled(t, {"u": y[:n], "v": y[n:]}, args)
        return np.concatenate([dy["u"], dy["v"]])

    compiled = jax.jit(brusselator)
    start = np.concatenate([y0["u"], y0["v"]])
    exact = solve_ivp(flat, (0.0, 4.0), start, "LSODA", rtol=1e-10, atol=1e-11).y[:, -1]
    how: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-5}
    sol = sj.solve_ode(brusselator, (0.0, 4.0), y0, args, method=method(), **how)
    # a hundred tolerances: the reaction has a cycle, along which errors stay
    np.testing.assert_allclose(np.concatenate([sol.y["u"], sol.y["v"]]), exact, rtol=0, atol=1e-3)
    tsit5 = sj.solve_ode(brusselator, (0.0, 4.0), y0, args, method=sj.Tsit5(), **how)
    assert 1.5 * int(sol.stats["field_evaluations"]) < int(tsit5.stats["field_evaluations"])


@each
def test_few_stages_keep_the_steps_short(method):
    """A loose tolerance would allow longer steps: they stay stable, and few are rejected."""
    m, true = method(max_stages=12), 4 * (N + 1) ** 2 * np.cos(np.pi / 2 / (N + 1)) ** 2
    sol = sj.solve_ode(heat, (0.0, 0.1), bump(), 1.0, method=m, rtol=1e-2, atol=1e-2, save=sj.Steps())
    ts = np.asarray(sol.t[: int(sol.n)])
    limit = float(m.members().limits[-1])
    assert np.diff(ts).max() * true < limit
    # four tenths of the longest on average: 1.2 on the radius, and a controller that keeps its distance
    assert len(ts) - 1 < 0.1 * true / (0.4 * limit)
    assert int(sol.stats["rejected"]) <= 0.05 * len(ts)
    np.testing.assert_allclose(sol.y[int(sol.n) - 1], expm(0.1 * heat_matrix()) @ bump(), rtol=0, atol=1e-3)


# Gradients


P = np.array([0.7, 1.3])


# Diffusion that makes h rho about 30. Rounding grows with its square or fourth power in a step, and is divided by the
# differences' h: at 1e-16 * 0.01 * 30^4 / 1e-3 gradients can be compared to nine digits.
DIFFUSION = {sj.ROCK2: 0.4, sj.ROCK4: 0.06}


def reaction(t, y, args):
    """Diffusion that is stiff, a reaction that is not; the parameter hardly moves the spectrum."""
    p, diffusion = args
    return diffusion * 31**2 * laplacian(y) + p * y * (1 - y) * (1 + 0.3 * jnp.sin(3 * t))


def end(method, p, gradient=None, **how):
    y0 = p[1] * jnp.sin(jnp.pi * jnp.arange(1, 31) / 31)
    save = {"end": None, "ts": jnp.array([0.13, 0.61])}
    how = {"rtol": 1e-3, "atol": 1e-4, "max_steps": 200, "save": save} | how
    args = (p[0], DIFFUSION[type(method)])
    return sj.solve_ode(reaction, (0.0, 1.0), y0, args, method=method, gradient=gradient, **how)


def loss(method, p, gradient=None, **how):
    y = end(method, p, gradient, **how).y
    return jnp.sum(y["end"] ** 2) + jnp.sum(jnp.sin(y["ts"]))


@each
def test_gradients(method):
    """Reverse and forward mode against differences on the recorded grid, with and without replayed segments."""
    m = method()
    steps = end(m, jnp.asarray(P), save=sj.Steps())
    assert int(steps.stats["field_evaluations"]) > 8 * int(steps.stats["steps"])  # the recurrence takes part
    grid = sj.GivenSteps(np.asarray(steps.t[: int(steps.n)]))
    on_the_grid = jax.jit(lambda p: loss(m, p, controller=grid))
    wanted = differences(on_the_grid, P, 1e-3)
    got = jax.jit(jax.grad(lambda p: loss(m, p, sj.Recorded())))(jnp.asarray(P))
    # differences: h^4 f^(5) / 30, and rounding over h
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)
    # few snapshots: the steps between them are repeated, and must have the same stages
    thinned = jax.jit(jax.grad(lambda p: loss(m, p, sj.Recorded(snapshots=2))))(jnp.asarray(P))
    np.testing.assert_allclose(thinned, got, rtol=1e-12)
    forward = jax.jit(jax.jacfwd(lambda p: loss(m, p, sj.Forward())))(jnp.asarray(P))
    # the same derivative, summed in another order
    np.testing.assert_allclose(forward, got, rtol=1e-11)


def test_derivatives_of_equal_steps():
    """JAX's own rules through the steps."""
    m, how = sj.ROCK2(), {"save": {"end": None, "ts": sj.Steps()}, "steps": 12}
    derive = jax.jit(jax.value_and_grad(lambda p: loss(m, p, **how)))
    np.testing.assert_allclose(derive(P)[1], differences(lambda p: derive(p)[0], P, 1e-3), rtol=1e-9)


@pytest.mark.slow
def test_second_derivatives():
    """Forward over reverse, against differences of gradients."""
    m, how = sj.ROCK2(), {"controller": sj.GivenSteps(np.linspace(0, 1, 13))}
    gradient = jax.grad(lambda p: loss(m, p, **how))
    # in one program: the Jacobian of the gradient, and the gradient
    both = jax.jit(jax.jacfwd(lambda p: (gradient(p),) * 2, has_aux=True))
    np.testing.assert_allclose(both(P)[0], differences(lambda p: both(p)[1], P, 1e-3), rtol=1e-8)


SMOOTH = np.sin(np.pi * np.arange(1, N + 1) / (N + 1)) + 0.3 * np.sin(3 * np.pi * np.arange(1, N + 1) / (N + 1))


def smooth_heat(k, method):
    """Without rough components, whose error would set the steps, with rounding in it."""
    return sj.solve_ode(heat, (0.0, 0.05), SMOOTH, k, method=method, rtol=1e-4, atol=1e-6)


@each
def test_lanes_of_different_stiffness(method):
    """vmap = loop: lanes with steps of different numbers of stages step together, each with its own."""
    ks = np.array([0.03, 0.3, 1.0])
    lanes = jax.jit(jax.vmap(lambda k: smooth_heat(k, method())))(ks)
    evaluations = lanes.stats["field_evaluations"] / lanes.stats["steps"]
    assert evaluations[2] > 1.05 * evaluations[0]
    for i, k in enumerate(ks):
        sol = smooth_heat(k, method())  # eager: jit = eager too
        assert {name: int(n[i]) for name, n in lanes.stats.items()} == {name: int(n) for name, n in sol.stats.items()}
        # steps follow an error estimate that holds rounding: 1e-16 * 0.01 * 100^4 over a tolerance of 1e-6
        np.testing.assert_allclose(lanes.y[i], sol.y, rtol=1e-4)


@pytest.mark.slow
def test_gradients_of_lanes():
    """vmap of reverse mode, with steps of different numbers of stages, = loop."""
    total = jax.grad(lambda k: jnp.sum(smooth_heat(k, sj.ROCK2()).y ** 2))
    ks = jnp.array([0.001, 0.03, 0.3])
    # rounding in the steps that are chosen, a hundredth of the tolerance
    np.testing.assert_allclose(jax.jit(jax.vmap(total))(ks), [jax.jit(total)(k) for k in ks], rtol=1e-6)


@pytest.mark.float32
@each
def test_float32(method):
    """Rounding keeps the steps short, and they are worth it all the same: a third of Tsit5's evaluations at least."""
    how: dict[str, Any] = {"rtol": 1e-2, "atol": 1e-3}
    y0 = jnp.asarray(SMOOTH, jnp.float32)
    sol = sj.solve_ode(heat, (0.0, 0.1), y0, jnp.float32(1.0), method=method(), **how)
    assert sol.y.dtype == sol.t.dtype == np.float32
    np.testing.assert_allclose(sol.y, expm(0.1 * heat_matrix()) @ SMOOTH, rtol=0, atol=1e-2)
    tsit5 = sj.solve_ode(heat, (0.0, 0.1), y0, jnp.float32(1.0), method=sj.Tsit5(), **how)
    assert 3 * int(sol.stats["field_evaluations"]) < int(tsit5.stats["field_evaluations"])


# The spectral radius


def linear(t, y, matrix):
    return matrix @ y


@jax.jit
def power_method(matrix, y):
    problem, t = Problem(linear, matrix, 1e-3, 1e-6), jnp.zeros((), y.dtype)
    f0 = problem.evaluate(t, y)
    return spectral_radius(problem, t, y, f0, first_vector(f0))


def estimate(matrix, y, dtype=float):
    rate, vector, evaluations = power_method(jnp.asarray(matrix, dtype), jnp.asarray(y, dtype))
    return float(rate), float(jnp.sqrt(jnp.mean(vector**2))), int(evaluations)


def plane_laplacian(n):
    line = np.diag(np.full(n, -2.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    return np.kron(line, np.eye(n)) + np.kron(np.eye(n), line)


@pytest.mark.float32
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_estimate_of_the_radius(dtype):
    """An upper bound within 1.2 of the truth, also from the slowest eigenvector, and where y is zero."""
    if dtype == np.float64 and jnp.result_type(float) != np.float64:
        pytest.skip("needs float64")
    rng = np.random.default_rng(0)
    symmetric = rng.normal(size=(30, 30))
    symmetric = -symmetric @ symmetric.T
    cases = [(plane_laplacian(10), np.ones(N)), (symmetric, rng.normal(size=30)), (symmetric, np.zeros(30))]
    cases += [(heat_matrix(), np.sin(np.pi * np.arange(1, N + 1) / (N + 1)))]  # an eigenvector, the slowest
    for matrix, y in cases:
        rate, size, evaluations = estimate(matrix, y, dtype)
        true = np.abs(np.linalg.eigvals(matrix)).max()
        assert true <= rate <= 1.001 * SAFETY * true
        assert size == pytest.approx(1.0, abs=1e-3)
        assert evaluations <= 30


def test_the_estimate_of_special_fields():
    # the factors of successive products alternate between 1 and 100; their geometric mean is the radius
    assert estimate([[0.0, 1.0], [-100.0, 0.0]], [1.0, 0.3])[0] == pytest.approx(SAFETY * 10, rel=1e-5)
    assert estimate(np.zeros((3, 3)), np.ones(3)) == (0.0, pytest.approx(1.0), 3)


@each
def test_the_users_radius(method):
    """As a number, traced too, and as a function: the same steps, and no evaluation for an estimate."""
    true = 0.3 * 4.0 * (N + 1) ** 2

    def solve(radius):
        return smooth_heat(0.3, method(spectral_radius=radius))

    number, function, traced = solve(true), solve(lambda t, y, args: true), jax.jit(solve)(true)
    assert int(number.stats["field_evaluations"]) == int(function.stats["field_evaluations"])
    # the same but for rounding in the choice of steps
    np.testing.assert_allclose(function.y, number.y, rtol=1e-4)
    np.testing.assert_allclose(traced.y, number.y, rtol=1e-4)
    estimated = solve(None)
    assert int(number.stats["field_evaluations"]) < int(estimated.stats["field_evaluations"])
    # a step of 1.2 times the radius takes sqrt(1.2) = 1.1 times the stages, and the estimates cost some more
    assert int(estimated.stats["field_evaluations"]) < 1.35 * int(number.stats["field_evaluations"])


def test_the_users_radius_sees_the_users_arguments():
    def field(t, y, args):
        return -args["rate"] * y

    m = sj.ROCK2(spectral_radius=lambda t, y, args: args["rate"])
    sol = sj.solve_ode(field, (0.0, 1.0), jnp.ones(2), {"rate": 1e4, "name": "text"}, method=m, steps=20)
    # z = 500 takes 26 stages
    assert int(sol.stats["field_evaluations"]) == 20 * 26 + 1


# What is refused


@each
def test_messages(method):
    least, most = int(method().table.stages[0]), int(method().table.stages[-1])
    for wrong in (least - 1, most + 1, 10.0, True, "many"):
        with pytest.raises(ValueError, match=f"max_stages of {method.__name__} must be a whole number from {least} to"):
            method(max_stages=wrong)

    def solve(radius):
        return sj.solve_ode(slow_linear, (0.0, 1.0), jnp.ones(2), -1.0, method=method(spectral_radius=radius))

    with pytest.raises(TypeError, match=f"spectral_radius of {method.__name__}.*signature"):
        solve(lambda y: 1.0)
    with pytest.raises(ValueError, match=f"spectral_radius of {method.__name__} must be one real number"):
        solve(jnp.ones(2))
    with pytest.raises(ValueError, match=r"spectral_radius\(t, y, args\) must return one number; its shape is \(2,\)"):
        solve(lambda t, y, args: abs(y))


@each
def test_an_infinite_field_ends_the_solve(method):
    sol = sj.solve_ode(
        lambda t, y, args: y / jnp.where(t > 0.5, 0.0, 1.0), (0.0, 1.0), jnp.ones(2), method=method(), throw=False
    )
    assert sol.result == sj.RESULT.non_finite
    assert 0.3 < float(sol.t) < 0.51
    assert np.all(np.isfinite(sol.y))
