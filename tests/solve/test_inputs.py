"""Inputs that vary with time, read from a path in `args`: every class of equations, kinks and jumps, ensembles."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.solve.problem import beside

KNOTS = np.array([0.0, 0.37, 0.81, 1.1, 1.63, 2.2])
VALUES = np.array([0.5, 1.5, -1.0, 0.3, 2.0, -0.4])
SPAN = (0.0, 2.0)
PATHS = {"LinearPath": sj.LinearPath(KNOTS, VALUES), "StepPath": sj.StepPath(KNOTS, VALUES)}


def forced(t, y, path):
    return -y + path(t)


def solution(name: str, ts, xs, y=1.0, exp=np.exp):
    """y' = -y + u from 0 to 2, piece by piece: u is p + q s, with q = 0 for steps."""
    for k in range(5):
        h, end = ts[k + 1] - ts[k], (ts[k + 1] if k < 4 else SPAN[1]) - ts[k]
        p, q = xs[k], (xs[k + 1] - xs[k]) / h if name == "LinearPath" else 0.0
        y = exp(-end) * y + p * (1 - exp(-end)) + q * (end - 1 + exp(-end))
    return y


def exact(name: str, values=VALUES, y=1.0) -> float:
    return float(solution(name, KNOTS, values, y))


# the method, its order, and the larger of two steps: both far from rounding
METHODS = {"RK4": (sj.RK4(), 4, 0.05), "Rodas5P": (sj.Rodas5P(), 5, 0.2), "Kvaerno3": (sj.Kvaerno3(), 3, 0.05)}


@cache
def ends(method: str):
    """The end with constant steps, with and without the knots among them."""

    def run(path, dt, stops):
        return sj.solve_ode(forced, SPAN, 1.0, path, method=METHODS[method][0], dt=dt, step_to=stops, max_steps=4000).y

    return jax.jit(run)


# kinks for a method of each kind, and jumps, where more is lost, for all
CROSSED = [(method, name) for method in METHODS for name in PATHS if (method, name) != ("Kvaerno3", "LinearPath")]


@pytest.mark.parametrize("method, name", CROSSED)
def test_steps_to_kinks_and_jumps_keep_the_order(name, method):
    """Steps that go over a kink lose all but order 2, over a jump all but order 1, whatever the method."""
    run, (_, order, dt), path, want = ends(method), METHODS[method], PATHS[name], exact(name)
    off = lambda dt, stops: abs(float(run(path, dt, stops)) - want)
    # steps are cut at the knots, and with other steps elsewhere; an order may be found one too high
    assert np.log2(off(dt, KNOTS[1:-1]) / off(dt / 2, KNOTS[1:-1])) > order - 0.2
    # the error of a step over a knot depends on where it lies in the step: the mean over six halvings
    blind = np.log2(off(0.2, None) / off(0.2 / 64, None)) / 6
    assert blind == pytest.approx({"LinearPath": 2, "StepPath": 1}[name], abs=0.8)
    assert off(0.05, KNOTS[1:-1]) < 0.05 * off(0.05, None)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("method", [sj.Tsit5(), sj.Rodas5P(), sj.BDF()], ids=["Tsit5", "Rodas5P", "BDF"])
def test_adaptive_steps(name, method):
    sol = sj.solve_ode(forced, SPAN, 1.0, PATHS[name], method=method, rtol=1e-8, atol=1e-10, step_to=KNOTS)
    assert float(sol.y) == pytest.approx(exact(name), abs=1e-6)


@pytest.mark.parametrize("name", PATHS)
def test_stochastic_equations(name):
    """Additive noise beside a control: the difference of two paths of the same noise is that without noise."""
    drift, diffusion = forced, lambda t, y, path: jnp.full_like(y, 0.3)
    key, options = jax.random.key(0), {"noise": "additive", "method": sj.SRA1(), "dt": 0.01, "step_to": KNOTS}
    path, zero = PATHS[name], type(PATHS[name])(KNOTS, 0 * VALUES)
    one, two = (sj.solve_sde(drift, diffusion, SPAN, 1.0, key, p, **options).y for p in (path, zero))
    assert float(one - two) == pytest.approx(exact(name, y=0.0), abs=1e-4)  # h^2 of the drift's method, order 2
    assert abs(float(two) - np.exp(-2.0)) > 1e-3


def test_differential_algebraic_equations():
    """x' = -x + z, 0 = z - u(t): with a mass matrix, and as a residual (tolerances of 1e-8, some hundred steps)."""
    path = PATHS["LinearPath"]
    y0, options = np.array([1.0, VALUES[0]]), {"rtol": 1e-8, "atol": 1e-10, "step_to": KNOTS}
    right = lambda t, y, path: jnp.stack([-y[0] + y[1], y[1] - path(t)])
    sol = sj.solve_ode(right, SPAN, y0, path, mass=np.array([1.0, 0.0]), method=sj.Rodas5P(), **options)
    want = [exact("LinearPath"), float(path(2.0))]
    np.testing.assert_allclose(sol.y, want, atol=1e-6)
    residual = lambda t, y, dy, path: jnp.stack([dy[0] + y[0] - y[1], y[1] - path(t)])
    slope = np.array([-1.0 + VALUES[0], (VALUES[1] - VALUES[0]) / KNOTS[1]])
    sol = sj.solve_dae(residual, SPAN, y0, slope, path, **options)
    np.testing.assert_allclose(sol.y, want, atol=1e-5)


MANY = np.stack([VALUES, 2 * VALUES, VALUES[::-1], 1 - VALUES])


@pytest.mark.parametrize("name, backend", [("LinearPath", "lanes"), ("StepPath", "lanes"), ("StepPath", "vmap")])
def test_ensembles_over_paths(name, backend):
    paths = jax.vmap(lambda xs: type(PATHS[name])(KNOTS, xs))(MANY)
    options = {"rtol": 1e-8, "atol": 1e-10, "step_to": KNOTS, "backend": backend}
    many = sj.solve_ensemble(forced, SPAN, 1.0, paths, in_axes=(None, 0), **options)
    want = [exact(name, xs) for xs in MANY]
    np.testing.assert_allclose(many.y, want, atol=1e-6)


def test_ensembles_with_times_in_common():
    kind = sj.LinearPath(KNOTS, VALUES)
    field = lambda t, y, args: -y + args["u"](t) * args["gain"]
    paths = {"u": kind, "gain": jnp.asarray([1.0, 2.0, 0.5])}
    many = sj.solve_ensemble(
        field, SPAN, 1.0, paths, in_axes=(None, {"u": None, "gain": 0}), rtol=1e-8, atol=1e-10, step_to=KNOTS
    )
    np.testing.assert_allclose(many.y, [exact("LinearPath", g * VALUES) for g in (1.0, 2.0, 0.5)], atol=1e-6)


ADAPTIVE, CONSTANT = {"rtol": 1e-9, "atol": 1e-11}, {"dt": 0.05}


@pytest.mark.parametrize("name, options", [("LinearPath", ADAPTIVE), ("StepPath", ADAPTIVE), ("StepPath", CONSTANT)])
def test_gradients_to_times_and_values_of_an_input(name, options):
    """Against the exact solution, of which the derivatives are known: times of steps are where the input jumps."""
    make = type(PATHS[name])

    def end(ts, xs):
        method = {"method": sj.RK4()} if "dt" in options else {}
        stops = {"step_to": ts[1:-1], "max_steps": 512}
        return sj.solve_ode(forced, SPAN, 1.0, make(ts, xs), **options, **method, **stops).y

    by_times, by_values = jax.jit(jax.grad(end, (0, 1)))(KNOTS, VALUES)

    want = jax.jit(jax.grad(lambda ts, xs: solution(name, ts, xs, exp=jnp.exp), (0, 1)))(KNOTS, VALUES)
    np.testing.assert_allclose(by_values, want[1], atol=1e-6)
    # the start of the span is fixed here, that of the formula moves with the first knot
    np.testing.assert_allclose(by_times[1:], want[0][1:], atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_number_beside_a_time(dtype):
    """Each is told from its time by a compiled program."""
    t = jnp.array([-1.5, -1e-30, 0.0, 1e-30, 2.0], dtype)
    for direction in (-1, 1):
        near, side = jax.jit(lambda t, d=direction: (beside(t, d), jnp.sign(beside(t, d) - t)))(t)
        assert np.all(np.asarray(side) == direction), near
        assert np.abs(np.asarray(near) - t).max() <= 4 * np.finfo(dtype).eps
