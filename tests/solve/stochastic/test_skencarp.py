"""SKenCarp: conditions of its noise, stiff equations, steps that leave out small fluctuations, parts, gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.solve.implicit.kencarp3 import KenCarp3
from sciml_jax.solve.stochastic.skencarp import STAGE_NOISE

KEY = jax.random.key(8)
SPAN = (0.0, 1.0)
SIZES = np.array([0.1, 0.3])


def fast_and_slow(t, y, args):
    """Fast decay to cos 3 t, at the rate `args`, which drives a slow equation."""
    return jnp.stack([-args * (y[0] - jnp.cos(3 * t)), jnp.sin(2 * y[0]) - y[1]])


def constant(t, y, args):
    return SIZES + 0 * y


def test_the_conditions_of_strong_order_three_halves():
    """What the stages see of the noise has the mean X over the step, and the mean square h / 2 of the path; the last
    stage sees what the solution does. Covariances of (dW, X) are h (1, 1/2; 1/2, 1/3)."""
    b, rows = np.asarray(KenCarp3.tableau.b), STAGE_NOISE
    squares = rows[:, 0] ** 2 + rows[:, 0] * rows[:, 1] + rows[:, 1] ** 2 / 3
    np.testing.assert_allclose(b @ rows, [0.0, 1.0], atol=1e-15)
    assert b @ squares == pytest.approx(0.5, abs=1e-15)
    np.testing.assert_allclose(rows[-1], [1.0, 0.0], atol=1e-15)
    np.testing.assert_array_equal(rows[0], 0.0)
    # near the means of the path at the nodes, whose conditional variance there is c (1 - c) (1 - 3 c (1 - c)) h
    c = KenCarp3.tableau.nodes
    away = rows - np.stack([c - 3 * c * (1 - c), 6 * c * (1 - c)], axis=1)
    assert np.all(away[:, 0] ** 2 + away[:, 0] * away[:, 1] + away[:, 1] ** 2 / 3 < 0.1 * c * (1 - c) + 1e-15)


def test_without_noise_it_is_kencarp3():
    options = {"steps": 10, "rtol": 1e-12, "atol": 1e-12}
    none, kind = lambda t, y, args: 0 * y, {"noise": "additive", "method": sj.SKenCarp()}  # noqa: E731
    noisy = sj.solve_sde(fast_and_slow, none, SPAN, np.ones(2), KEY, 5.0, **kind, **options)
    plain = sj.solve_ode(fast_and_slow, SPAN, np.ones(2), 5.0, method=sj.KenCarp3(), **options)
    np.testing.assert_allclose(noisy.y, plain.y, rtol=1e-12)


@jax.jit
@partial(jax.vmap, in_axes=(0, None, None))
def paths(key, rate, tolerance):
    """The error of a solve with tolerances, on one path, its steps, and whether it succeeded."""
    tree = sj.BrownianTree(SPAN, (2,), key, depth=24, area=True)
    given = (fast_and_slow, constant, SPAN, np.array([1.0, 0.0]), None, rate)
    options = {"noise": "additive", "path": tree, "throw": False}
    sol = sj.solve_sde(*given, method=sj.SKenCarp(), rtol=tolerance, atol=tolerance, **options)
    fine = sj.solve_sde(*given, method=sj.ShARK(), steps=2048, **options)
    return sol.y - fine.y, sol.stats["accepted"], sol.result == sj.RESULT.successful


def test_steps_resolve_fluctuations_above_the_tolerance_only():
    """Those of the fast component are of the size 0.1 / sqrt(2 rate) = 2.2e-3."""
    keys = jax.random.split(KEY, 20)
    steps = []
    for tolerance in (1e-2, 3e-4):
        gaps, accepted, done = paths(keys, 1000.0, tolerance)
        assert bool(jnp.all(done))
        # the tolerance is that of a step, of which components share the root mean square
        assert np.all(np.sqrt(np.mean(np.asarray(gaps) ** 2, axis=0)) < 3 * tolerance)
        steps.append(float(accepted.mean()))
    # explicit steps are at most 2 / rate
    assert steps[0] < 20 and steps[1] > 400


def test_stationary_variance_of_a_stiff_equation():
    """Steps far longer than the decay leave nothing of those before: the variance is that of the noise of the last one,
    through its stages."""
    rate, size, n, steps = 1e6, 1e3, 4000, 10
    options = {"noise": "additive", "method": sj.SKenCarp(), "steps": steps}
    pull = lambda t, y, args: -rate * (y - jnp.cos(t))  # noqa: E731
    solve = lambda key: sj.solve_sde(pull, lambda t, y, args: size + 0 * y, SPAN, 1.0, key, **options).y  # noqa: E731
    y = np.asarray(jax.jit(jax.vmap(solve))(jax.random.split(KEY, n)))
    tableau, z, h = KenCarp3.tableau, rate / steps, 1 / steps
    a = np.array([[*row, *[0.0] * (4 - len(row))] for row in tableau.a])
    # the stages of y' = -rate y from 0 solve (I + z A) H = N, and y1 is the last
    weights = np.linalg.solve(np.eye(4) + z * a, STAGE_NOISE)[-1]
    variance = size**2 * h * (weights[0] ** 2 + weights[0] * weights[1] + weights[1] ** 2 / 3)
    assert abs(y.var() - variance) < 4.5 * variance * np.sqrt(2 / n)
    assert abs(y.mean() - np.cos(1.0)) < 4.5 * np.sqrt(variance / n) + 1 / rate
    # that of the process itself
    assert variance < size**2 / (2 * rate)


def test_parts_of_the_drift():
    """The stiff part alone is implicit: the other one may have an undefined Jacobian."""
    stiff = lambda t, y, args: -args * (y - jnp.cos(t))  # noqa: E731

    @jax.custom_jvp
    def smooth(t, y):
        return jnp.sin(y) + t

    @smooth.defjvp
    def _(primals, tangents):
        return smooth(*primals), jnp.full_like(primals[1], jnp.nan)

    split = sj.Split(lambda t, y, args: smooth(t, y), stiff)
    whole = lambda t, y, args: jnp.sin(y) + t + stiff(t, y, args)  # noqa: E731
    tree = sj.BrownianTree(SPAN, (2,), KEY, area=True, depth=12)
    ends = {}
    for name, drift in (("split", split), ("whole", whole)):
        for n in (64, 256):
            options = {"noise": "additive", "method": sj.SKenCarp(), "path": tree, "steps": n}
            ends[name, n] = sj.solve_sde(drift, constant, SPAN, np.ones(2), None, 10.0, **options).y
    # both converge to one solution, with the order 1.5
    far, near = (np.abs(ends["split", n] - ends["whole", n]).max() for n in (64, 256))
    assert 0 < near < far / 4 < 1e-4
    euler = sj.solve_sde(split, constant, SPAN, np.ones(2), None, 10.0, noise="additive", path=tree, steps=4096)
    np.testing.assert_allclose(ends["split", 256], euler.y, atol=3e-3)


@pytest.mark.parametrize("how", [{"steps": 30}, {"rtol": 1e-3, "atol": 1e-3}], ids=["steps", "adaptive"])
def test_gradients_are_those_of_the_path(how):
    """Against central differences on the same grid: h^2 f''' / 6, and what Newton's iteration leaves over h."""
    p, h = np.array([3.0, 0.4, 1.0]), 1e-4
    method = sj.SKenCarp(newton_tolerance=1e-6)

    def end(p, **options):
        drift = lambda t, y, a: {"u": -a[0] * (y["u"] ** 3 - jnp.cos(t)), "v": y["u"] - y["v"]}  # noqa: E731
        sizes = lambda t, y, a: {"u": a[1] * (1 + t) + 0 * y["u"], "v": 0.1 + 0 * y["v"]}  # noqa: E731
        tree = sj.BrownianTree(SPAN, {"u": (), "v": ()}, KEY, area=True, depth=16)
        y0 = {"u": p[2], "v": 0.5 * p[2]}
        options = {"noise": "additive", "method": method, "path": tree, "max_steps": 200} | options
        return sj.solve_sde(drift, sizes, SPAN, y0, None, (p[0], p[1]), **options)

    def loss(p):
        y = end(p, **how).y
        return y["u"] ** 2 + y["v"]

    grid = end(p, save=sj.Steps(200), **how)
    given = sj.GivenSteps(grid.t[: int(grid.n)])
    value = jax.jit(lambda p: (lambda y: y["u"] ** 2 + y["v"])(end(p, controller=given).y))
    wanted = [(value(p + h * d) - value(p - h * d)) / (2 * h) for d in np.eye(3)]
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(p), wanted, rtol=1e-6)


def test_messages():
    with pytest.raises(ValueError, match="SKenCarp is for noise='additive', not 'diagonal'"):
        sj.solve_sde(fast_and_slow, constant, SPAN, np.ones(2), KEY, 1.0, method=sj.SKenCarp(), steps=4)
    with pytest.raises(ValueError, match="newton_tolerance of sj.SKenCarp"):
        sj.SKenCarp(newton_tolerance=2.0)
    with pytest.raises(TypeError, match="SKenCarp is for stochastic equations: call sj.solve_sde"):
        sj.solve_ode(fast_and_slow, SPAN, np.ones(2), 1.0, method=sj.SKenCarp())
