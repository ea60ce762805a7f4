"""Adaptive steps of stochastic methods: errors, rejections, gradients, and what is refused."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

SPAN = (0.0, 1.0)
START = np.array([1.0, 0.5])
SIZES = np.array([0.5, 0.3])
KEY = jax.random.key(5)
PATHS = 40


def geometric(t, y, args):
    return 0.1 * y


def proportional(t, y, args):
    return SIZES * y


def exact(w):
    """Of dy = 0.1 y dt + s y dW in Itô's sense."""
    return START * jnp.exp(0.1 - 0.5 * SIZES**2 + SIZES * w)


def pulled(t, y, args):
    """The drift of y = cos(3 t) + (1 + t) (y0 - 1 + W)."""
    return -3 * jnp.sin(3 * t) + (y - jnp.cos(3 * t)) / (1 + t)


def growing(t, y, args):
    return (1 + t) * jnp.ones(2)


@cache
def solved(name):
    """Squared errors, their sum of components, and the steps taken, for many paths at a tolerance."""
    additive = name in ("SOSRA", "SRA1", "ShARK", "SKenCarp")

    def one(key, rtol):
        path = sj.BrownianTree(SPAN, (2,), key, depth=24, area=True)
        method = getattr(sj, name)()
        options = {"path": path, "method": method, "rtol": rtol, "atol": rtol, "throw": False}
        w = path.increment(jnp.zeros(()), jnp.ones(()))
        if additive:
            sol = sj.solve_sde(pulled, growing, SPAN, START, None, noise="additive", **options)
            want = jnp.cos(3.0) + 2 * (START - 1 + w)
        else:
            sol = sj.solve_sde(geometric, proportional, SPAN, START, None, **options)
            want = exact(w)
        gap = sol.y - want
        done = sol.result == sj.RESULT.successful
        return jnp.sum(gap**2), jnp.sum(gap), sol.stats["accepted"], sol.stats["rejected"], done

    return jax.jit(jax.vmap(one, (0, None)))


METHODS = ["SRIW1", "SOSRI", "StratonovichHeun", "SPaRK", "SOSRA", "ShARK", "SKenCarp"]


@pytest.mark.parametrize("name", [METHODS[0], *(pytest.param(n, marks=pytest.mark.slow) for n in METHODS[1:])])
def test_errors_follow_the_tolerance(name):
    """Two decades of the tolerance: 1 to 2/3 of them, or 4/3 where the drift's error of order 2 is the larger one."""
    keys, errors, steps = jax.random.split(KEY, PATHS), [], []
    tolerances = (1e-3, 1e-4, 1e-5) if name not in ("StratonovichHeun", "SPaRK") else (1e-2, 1e-3, 1e-4)
    for rtol in tolerances:
        squares, _, accepted, rejected, done = solved(name)(keys, rtol)
        assert bool(jnp.all(done))
        assert 0 < float(rejected.sum()) < 0.6 * float(accepted.sum())
        errors.append(float(jnp.sqrt(squares.mean())))
        steps.append(float(accepted.mean()))
    # the local error estimate, of the method half an order lower, is tol: so is the error but for some constant
    assert all(0.05 * tol < e < 10 * tol for tol, e in zip(tolerances, errors, strict=True))
    slope = np.log10(errors[0] / errors[2]) / 2
    assert 0.6 < slope < 1.4, (errors, steps)
    # and the number of steps grows with the inverse root of the tolerance that error_order says
    root = 1 / getattr(sj, name).error_order
    assert abs(np.log10(steps[2] / steps[1]) - root) < 0.2, (errors, steps)


def test_rejections_do_not_change_the_path():
    """Steps that are too long at first, many rejections, and short steps from the start: one solution."""
    path = sj.BrownianTree(SPAN, (2,), KEY, depth=24, area=True)
    run = lambda **o: sj.solve_sde(geometric, proportional, SPAN, START, None, path=path, method=sj.SRIW1(), **o)  # noqa: E731
    want = exact(path.increment(jnp.zeros(()), jnp.ones(())))
    careful = run(rtol=1e-6, atol=1e-6, dt0=1e-3)
    bold = run(rtol=1e-6, atol=1e-6, dt0=1.0, controller=sj.IController(safety=1.0, factor_max=20.0))
    assert int(bold.stats["rejected"]) > 1.5 * int(careful.stats["rejected"]) > 0
    for sol in (careful, bold):
        np.testing.assert_allclose(sol.y, want, atol=5e-5)
    # and the grid it found, walked again without step control, gives the same solution
    steps = run(rtol=1e-4, atol=1e-4, save=sj.Steps(2000))
    grid = sj.GivenSteps(steps.t[: int(steps.n)])
    again = run(controller=grid)
    np.testing.assert_allclose(again.y, steps.y[-1], rtol=1e-12)
    assert int(again.stats["rejected"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SRIW1", "SOSRA"])
def test_moments_are_those_of_the_process(name):
    """Mean and variance of geometric Brownian motion, or of an Ornstein-Uhlenbeck process, at a coarse tolerance."""
    n, rtol = 1000, 1e-3
    if name == "SRIW1":
        fields, noise = (lambda t, y, args: 0.5 * y, lambda t, y, args: 0.4 * y), "diagonal"
        mean, variance = np.exp(0.5), np.exp(1.0) * (np.exp(0.16) - 1)
    else:
        fields, noise = (lambda t, y, args: -2 * y, lambda t, y, args: 0.6 + 0 * y), "additive"
        mean, variance = np.exp(-2.0), 0.36 * (1 - np.exp(-4.0)) / 4
    options = {"noise": noise, "method": getattr(sj, name)(), "rtol": rtol, "atol": rtol}
    solve = jax.jit(jax.vmap(lambda key: sj.solve_sde(*fields, SPAN, 1.0, key, **options).y))
    y = np.asarray(solve(jax.random.split(KEY, n)))
    fourth = ((y - y.mean()) ** 4).mean()
    # Monte-Carlo errors of 1,000 paths, and the solve's own error, which may be a bias
    assert abs(y.mean() - mean) < 4.5 * y.std() / np.sqrt(n) + rtol
    assert abs(y.var() - variance) < 4.5 * np.sqrt((fourth - variance**2) / n) + 2 * y.std() * rtol


def damped(t, y, args):
    return -args[0] * y + jnp.cos(t)


def wavy(t, y, args):
    return args[1] * jnp.sin(1 + y)


def end(p, key, gradient=None, **options):
    """An end that depends on drift, diffusion and start."""
    options = {"rtol": 1e-4, "atol": 1e-4, "max_steps": 400, "gradient": gradient, "method": sj.SRIW1()} | options
    return sj.solve_sde(damped, wavy, SPAN, p[2:], key, p[:2], **options)


def test_gradients_are_those_of_the_computed_path():
    """Against differences on the grid that the solve chose: h^2 f''' / 6 and rounding over h are below 1e-9."""
    p, h = np.array([0.7, 0.6, 1.0, 0.3]), 1e-5
    steps = end(p, KEY, save=sj.Steps(400))
    grid = sj.GivenSteps(steps.t[: int(steps.n)])
    path = sj.BrownianTree(SPAN, (2,), KEY, area=True, depth=24)
    on_grid = jax.jit(lambda p: jnp.sum(end(p, None, path=path, controller=grid).y ** 2))
    value, found = jax.jit(jax.value_and_grad(lambda p: jnp.sum(end(p, KEY, sj.Recorded()).y ** 2)))(p)
    assert float(on_grid(p)) == pytest.approx(float(value), rel=1e-12)
    wanted = [(on_grid(p + h * d) - on_grid(p - h * d)) / (2 * h) for d in np.eye(4)]
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-8)


def test_jitted_batched_and_eager_solves_agree():
    p, keys = np.array([0.7, 0.6, 1.0, 0.3]), jax.random.split(KEY, 4)
    many = jax.jit(jax.vmap(lambda key: end(p, key)))(keys)
    for i, key in enumerate(keys):
        one = end(p, key)
        np.testing.assert_allclose(many.y[i], one.y, rtol=1e-10)
        assert int(many.stats["accepted"][i]) == int(one.stats["accepted"])
        assert int(many.stats["rejected"][i]) == int(one.stats["rejected"])


def test_ensembles_take_adaptive_steps():
    field = sj.Stochastic(geometric, proportional)
    keys = jax.random.split(KEY, 3)
    options = {"method": sj.SRIW1(), "rtol": 1e-3, "atol": 1e-3}
    many = sj.solve_ensemble(field, SPAN, START, key=keys, in_axes=(None, None), **options)
    for i, key in enumerate(keys):
        one = sj.solve_sde(geometric, proportional, SPAN, START, key, **options)
        np.testing.assert_allclose(many.y[i], one.y, rtol=1e-10)


class Unjudged(sj.SRIW1):
    """The same method without an error estimate."""

    error_order = None

    def advance(self, problem, t, y, dt):
        return super().advance(problem, t, y, dt)[0], None


@pytest.mark.parametrize("steps", [{"steps": 8}, {"dt": 1 / 8}], ids=["steps", "dt"])
def test_constant_steps_estimate_no_errors(steps):
    """The compiled solve has as many operations as that of the same method without an estimate."""

    def solve(key, method):
        sol = sj.solve_sde(geometric, proportional, SPAN, START, key, method=method, throw=False, **steps)
        return sol.y, sol.stats

    judged, unjudged = (
        jax.jit(solve, static_argnums=1).lower(KEY, method).compile() for method in (sj.SRIW1(), Unjudged())
    )
    assert str(judged.as_text()).count(" = ") == str(unjudged.as_text()).count(" = ")
    y, stats = judged(KEY)
    assert int(stats["rejected"]) == 0
    assert (int(stats["field_evaluations"]), int(stats["diffusion_evaluations"])) == (16, 32)
    np.testing.assert_allclose(unjudged(KEY)[0], y, rtol=1e-13)


def test_a_path_that_is_too_coarse_ends_the_solve():
    path = sj.BrownianTree(SPAN, (2,), KEY, depth=6, area=True)
    options = {"path": path, "method": sj.SRIW1(), "rtol": 1e-6, "atol": 1e-6}
    sol = sj.solve_sde(geometric, proportional, SPAN, START, None, throw=False, **options)
    assert sol.result == sj.RESULT.dt_min_reached
    assert int(sol.stats["accepted"] + sol.stats["rejected"]) < 500
    with pytest.raises(sj.SolveError, match="The step size fell below the smallest one"):
        sj.solve_sde(geometric, proportional, SPAN, START, None, **options)


BAD = {
    "a method without estimate": ({}, "EulerMaruyama has constant steps: give dt="),
    "a path read once": (
        {"method": sj.SRIW1(), "path": sj.IncrementPath},
        "steps that are chosen by tolerances may be rejected, and sj.IncrementPath cannot be read again",
    ),
    "a path read in cells": (
        {"method": sj.SRIW1(), "path": sj.IncrementPath(SPAN, (2,), KEY, resolution=64)},
        "give dt= or steps=, or path=sj.BrownianTree",
    ),
    "a tree without areas": (
        {"method": sj.SRIW1(), "path": sj.BrownianTree},
        "needs the space-time area of its noise, which this sj.BrownianTree does not know",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_messages(case):
    options, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        sj.solve_sde(geometric, proportional, SPAN, START, KEY, **options)


def test_a_span_of_no_length():
    """The start, as with constant steps."""
    sol = sj.solve_sde(
        lambda t, y, args: -y, lambda t, y, args: y, (1.0, 1.0), 0.5, jax.random.key(0), method=sj.SRIW1()
    )
    assert float(sol.y) == 0.5 and bool(sol.success)


def test_eager_solves_are_compiled_once():
    traces = []

    def drift(t, y, args):
        traces.append(t)
        return -args * y

    def diffusion(t, y, args):
        return 0.1 * y

    options = {"method": sj.SRIW1(), "atol": 1e-2}
    for k in range(3):
        sj.solve_sde(drift, diffusion, (0.0, 1.0 + k), 1.0, jax.random.key(k), 0.5 + k, rtol=1e-2 / (k + 1), **options)
        first = first if k else len(traces)  # noqa: F821
    assert len(traces) == first
