"""Adams methods: coefficients, orders from exact histories, choice of order, work, gradients, restarts, failures."""

import itertools
from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import sciml_jax as sj
from sciml_jax.data import problems
from sciml_jax.solve.multistep.modified_differences import advanced, factors, integrals, lengths
from sciml_jax.solve.multistep.vcabm import Carry

from ..problems import differences as central

# Modified differences


def modified(ts, fs):
    """Rows f[t_0, ..., t_j] (t_0 - t_1) ... (t_0 - t_j) from the definition of divided differences; newest first."""
    ts, column, rows = np.asarray(ts), np.asarray(fs), []
    for j in range(len(ts)):
        rows.append(column[0] * np.prod(ts[0] - ts[1 : j + 1]))
        if j + 1 < len(ts):
            width = (ts[: len(ts) - j - 1] - ts[j + 1 :])[:, None]
            column = (column[:-1] - column[1:]) / width
    return np.stack(rows)


def test_coefficients_of_equal_steps():
    """Those of the Adams-Bashforth formulas (Hairer, Norsett & Wanner I, table III.1.1)."""
    g = integrals(lengths(jnp.full(8, 0.3), 0.3), 1.0)
    published = [1, 1 / 2, 5 / 12, 3 / 8, 251 / 720, 95 / 288, 19087 / 60480, 5257 / 17280, 1070017 / 3628800]
    np.testing.assert_allclose(g, published, rtol=1e-14)
    np.testing.assert_allclose(factors(lengths(jnp.full(8, 0.3), 0.3)), np.ones(9), rtol=1e-14)


def test_coefficients_of_unequal_steps():
    """The recursion c_{j,q} = c_{j-1,q} - c_{j-1,q+1} h / (t_{n+1} - t_{n+1-j}), g_j = c_{j,1} (ibid., eq. III.5.9)."""
    steps, h = np.random.default_rng(0).uniform(0.5, 1.5, 12), 0.8
    c = 1 / np.arange(1.0, 15.0)
    back = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = [c[0]]
    for j in range(1, 13):
        c = c[:-1] - c[1:] * h / (h + back[j - 1])
        wanted.append(c[0])
    # the recursion subtracts numbers of size 1 twelve times
    np.testing.assert_allclose(integrals(lengths(jnp.asarray(steps), h), 1.0), wanted, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("degree", [0, 3, 8])
def test_polynomials_are_exact(degree):
    """Advancing the rows and integrating the interpolant, over unequal steps back and a step of any length."""
    rng = np.random.default_rng(degree)
    f = np.polynomial.Polynomial(rng.normal(size=degree + 1))
    steps, h = rng.uniform(0.05, 0.15, degree + 1), 0.12
    ts = 0.4 - np.concatenate([[0.0], np.cumsum(steps)])

    @jax.jit
    def progressed(steps, rows, new):
        r = lengths(steps, h)
        stars = factors(r)[:, None] * rows
        return advanced(stars, new), [h * jnp.sum(integrals(r, s) * stars[:, 0]) for s in (0.3, 1.0)]

    after, areas = progressed(steps, modified(ts, f(ts)[:, None]), np.array([f(0.4 + h)]))
    again = modified(np.append(0.4 + h, ts[:-1]), f(np.append(0.4 + h, ts[:-1]))[:, None])
    np.testing.assert_allclose(after, again, atol=1e-12)
    for s, area in zip((0.3, 1.0), areas, strict=True):
        assert float(area) == pytest.approx(f.integ()(0.4 + s * h) - f.integ()(0.4), abs=1e-13)


# Order k + 1, from exact histories

PHASES = np.array([0.0, 1.0, 2.5])


def riccati(t, y, args):
    return jnp.cos(t + args) * y**2


def riccati_exact(t):
    """Components out of phase, so that the errors of no order vanish all at once."""
    return 1 / (2 - np.sin(np.asarray(t)[..., None] + PHASES))


def riccati_slope(t):
    return np.cos(np.asarray(t)[..., None] + PHASES) * riccati_exact(t) ** 2


GRID = 200


@cache
def marching(k):
    """Solves over a given grid (padded with its end) that begin with a given history."""
    method = sj.VCABM(max_order=k)

    @jax.jit
    def run(grid, ts, rows, steps):
        y0 = jnp.asarray(riccati_exact(0.0))
        first = sj.solve_ode(riccati, (-1.0, 0.0), y0, PHASES, method=method, steps=1)
        carry = Carry(rows, steps, jnp.int32(k), jnp.int32(k))
        state = eqx.tree_at(lambda s: (s.t, s.y, s.method.carry), first.state, (jnp.asarray(0.0), y0, carry))
        # tolerances play no part in the choice between orders
        options = {"method": method, "controller": sj.GivenSteps(grid), "save": {"end": None, "ts": ts}, "state": state}
        return sj.solve_ode(riccati, (grid[0], grid[-1]), y0, PHASES, **options)

    return run


def march(k, h, n, pattern, ts):
    """n steps of sizes h pattern[0], h pattern[1], ..., after exact ones of the same pattern."""
    sizes = h * np.resize(pattern, n)
    past = h * np.resize(pattern[::-1], k)
    before = -np.concatenate([[0.0], np.cumsum(past)])
    grid = np.concatenate([[0.0], np.cumsum(sizes)])
    padded = np.append(grid, np.full(GRID - len(grid), grid[-1]))
    rows = modified(before, riccati_slope(before))
    return marching(k)(padded, ts, jnp.asarray(rows), jnp.asarray(past))


@pytest.mark.parametrize("pattern", [(1.0,), (4 / 3, 2 / 3)], ids=["constant", "alternating"])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 6, 8])
def test_order(k, pattern):
    # errors of order 8 reach rounding soon
    counts, ts = (64, 90, 128, 180) if k < 8 else (56, 64, 76, 90), np.linspace(0.1, 1.99, 20)
    errors = []
    for n in counts:
        sol = march(k, 2.0 / n, n, pattern, ts)
        assert int(sol.state.method.carry.order) == k
        errors.append(np.abs(sol.y["ts"] - riccati_exact(ts)).max())
    slope = np.polyfit(np.log(1 / np.array(counts)), np.log(errors), 1)[0]
    assert slope == pytest.approx(k + 1, abs=0.25)


@pytest.mark.parametrize("k", [1, 2, 4, 6])
def test_order_between_steps(k):
    """In one step from exact data, of another length than those before, the polynomial errs by h^(k + 2)."""
    sizes, errors = np.array([0.07, 0.05, 0.035]), []
    for h in sizes:
        ts = 2 / 3 * h * np.linspace(0.05, 0.95, 20)
        sol = march(k, h, 1, (2 / 3, 4 / 3), ts)
        errors.append(np.abs(sol.y["ts"] - riccati_exact(ts)).max())
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] == pytest.approx(k + 2, abs=0.35)


def test_the_polynomials_join_the_states():
    options = {"method": sj.VCABM(), "rtol": 1e-9}
    sol = sj.solve_ode(riccati, (0.0, 3.0), riccati_exact(0.0), PHASES, save=sj.Dense(200), **options)
    steps = sj.solve_ode(riccati, (0.0, 3.0), riccati_exact(0.0), PHASES, save=sj.Steps(200), **options)
    n, ts = int(steps.n), np.linspace(0.0, 3.0, 77)
    inner = np.asarray(steps.t[1 : n - 1])
    before, after, between = np.split(
        jax.jit(jax.vmap(sol))(np.concatenate([inner - 1e-13, inner + 1e-13, ts])), [n - 2, 2 * n - 4]
    )
    for values in (before, after):
        np.testing.assert_allclose(values, steps.y[1 : n - 1], rtol=1e-12)
    # the tolerance of a step times their number
    np.testing.assert_allclose(between, riccati_exact(ts), rtol=n * 1e-9)


# Choice of order, and work


def test_the_order_rises_with_the_accuracy():
    def order(tolerance, **options):
        options = {
            "method": sj.VCABM(),
            "rtol": tolerance,
            "atol": tolerance,
            "save": {"end": None, "ts": ts},
        } | options
        sol = sj.solve_ode(riccati, (0.0, 30.0), riccati_exact(0.0), PHASES, **options)
        # 150 to 500 steps on a stable problem
        np.testing.assert_allclose(sol.y["ts"], riccati_exact(ts), atol=200 * tolerance)
        return int(sol.state.method.carry.order)

    ts = np.linspace(0.0, 30.0, 101)
    assert order(1e-12) >= 9
    assert order(1e-8, method=sj.VCABM(max_order=3)) <= 3


def test_fewer_evaluations_than_runge_kutta():
    """Pleiades: a smaller error with two thirds of the evaluations."""
    p = problems.pleiades()

    def run(method, tolerance):
        sol = sj.solve_ode(p.field, p.t_span, p.y0, p.args, method=method, rtol=tolerance, atol=tolerance)
        return np.abs(sol.y - p.reference).max(), int(sol.stats["field_evaluations"]), int(sol.stats["steps"])

    error, evaluations, steps = run(sj.VCABM(), 1e-12)
    # the start, two for the first step size, and two an attempt
    assert evaluations == 3 + 2 * steps
    for method, tolerance in ((sj.Dopri8(), 1e-10), (sj.Vern9(), 1e-9)):
        other = run(method, tolerance)
        assert error < other[0] and evaluations < 0.75 * other[1]


def test_constant_steps_find_their_order():
    sol = sj.solve_ode(riccati, (0.0, 3.0), riccati_exact(0.0), PHASES, method=sj.VCABM(), steps=300)
    # from the first step, Heun's method with h = 0.01, there remains h^3 y''' / 12
    np.testing.assert_allclose(sol.y, riccati_exact(3.0), atol=1e-6)
    assert int(sol.state.method.carry.order) >= 8


def test_a_field_that_jumps():
    field = lambda t, y, args: jnp.where(t < 1.0, jnp.cos(t), -3.0 * y)  # noqa: E731
    options = {"method": sj.VCABM(), "rtol": 1e-8, "atol": 1e-8}
    exact = np.sin(1.0) * np.exp(-3.0)
    # the estimate at order k is h gamma_k times the jump, with gamma_12 = 0.004, and the jump stays behind for 12 steps
    unannounced = sj.solve_ode(field, (0.0, 2.0), 0.0, **options)
    assert float(unannounced.y) == pytest.approx(exact, abs=1e3 * 1e-8)
    announced = sj.solve_ode(field, (0.0, 2.0), 0.0, step_to=np.array([1.0]), **options)
    assert float(announced.y) == pytest.approx(exact, abs=1e-7)


# Gradients

P = np.array([1.1, 0.4, 0.1, 0.4, 10.0, 5.0, 0.1, 6.0])
SAVED = np.array([1.3, 4.1])
WEIGHTS = np.array([[1.0, 0.3], [-0.5, 0.8], [0.7, -1.1]])  # of the saved states and the last
LOW = sj.VCABM(max_order=3)


def lotka_volterra(t, y, args):
    a, b, c, d = args
    return jnp.stack([a * y[0] - b * y[0] * y[1], c * y[0] * y[1] - d * y[1]])


def loss(p, method, gradient=None, grid=None, rtol=1e-8):
    how = {} if grid is None else {"controller": sj.GivenSteps(grid)}
    save = {"end": None, "ts": jnp.asarray(SAVED), "steps": sj.Steps(400)}
    options = {"method": method, "rtol": rtol, "atol": rtol, "max_steps": 400, "save": save, **how}
    args = (p[0], p[1], p[2], p[3])
    sol = sj.solve_ode(lotka_volterra, (p[6], p[7]), p[4:6], args, gradient=gradient, **options)
    return jnp.sum(WEIGHTS * jnp.concatenate([sol.y["ts"], sol.y["end"][None]])), sol


@jax.jit
def on_grid(p, grid):
    return loss(p, LOW, grid=grid)[0]


@pytest.mark.parametrize("snapshots", [None, 4], ids=["snapshots", "replayed"])
def test_gradients_are_those_of_the_computed_solution(snapshots):
    """Through the history, rejected steps and moving ends of the span; of low order, so that the choice between two
    orders is never so close that differences see it change."""
    gradient, sol = jax.jit(jax.grad(lambda p: loss(p, LOW, sj.Recorded(snapshots)), has_aux=True))(P)
    grid = np.asarray(sol.t["steps"][: int(sol.n["steps"])])
    assert int(sol.state.method.carry.order) == 3
    wanted = central(lambda p: on_grid(jnp.asarray(p), jnp.asarray([p[6], *grid[1:-1], p[7]])), P, 3e-4)
    # h^4 f^(5) / 30 in c = 0.1, and rounding of numbers of size 10 over h
    np.testing.assert_allclose(gradient, wanted, rtol=1e-8, atol=1e-8)


def exact_gradient():
    """By complex steps through SciPy's DOP853; each piece between two times, which may be complex, on (0, 1)."""

    def exact(p):
        (a, b, c, d), y, rows = p[:4], p[4:6], []
        for start, end in itertools.pairwise([p[6], *SAVED, p[7]]):

            def right(s, y, h=end - start):
                return h * np.array([a * y[0] - b * y[0] * y[1], c * y[0] * y[1] - d * y[1]])

            y = solve_ivp(right, (0.0, 1.0), y, "DOP853", rtol=3e-14, atol=1e-15).y[:, -1]
            rows.append(y)
        return np.sum(rows * WEIGHTS)

    return np.array([exact(P + 1e-30j * e).imag / 1e-30 for e in np.eye(8)])


def test_gradients_converge_to_those_of_the_exact_solution():
    """Of high and changing order; in forward mode too."""
    gradient, sol = jax.jit(jax.grad(lambda p: loss(p, sj.VCABM(), rtol=1e-10), has_aux=True))(P)
    assert int(sol.state.method.carry.order) >= 6
    # the tolerance of a step times their number, times what the derivatives grow by
    np.testing.assert_allclose(gradient, exact_gradient(), rtol=3e-7, atol=3e-7)
    forward = jax.jit(lambda d: jax.jvp(lambda p: loss(p, sj.VCABM(), sj.Forward(), rtol=1e-10)[0], (P,), (d,))[1])
    # rounding, seen through differences of order up to 12
    np.testing.assert_allclose(gradient, [forward(d) for d in np.eye(8)], rtol=1e-7, atol=1e-7)


def test_gradients_through_a_restart():
    """y' = -a y jumps up by b where it reaches 1/2, at t = log(2 y0) / a: y(T) = (1/2 + b) 2 y0 exp(-a T).

    The first steps after it are a hundred thousand times shorter than the rest: they move with it.
    """
    jump = sj.Event(lambda t, y, args: y - 0.5, lambda t, y, args: y + args[1], direction=-1)

    def end(p):
        options = {"method": sj.VCABM(), "events": jump, "rtol": 1e-10, "atol": 1e-10, "max_steps": 200}
        return sj.solve_ode(lambda t, y, args: -args[0] * y, (0.0, p[3]), p[2], (p[0], p[1]), **options).y

    exact = lambda p: (0.5 + p[1]) * 2 * p[2] * jnp.exp(-p[0] * p[3])  # noqa: E731
    got, wanted = jax.jit(jax.value_and_grad(end)), jax.jit(jax.value_and_grad(exact))
    for p in np.array([1.0, 0.9, 1.1, 1.5]) * (1 + 0.05 * np.random.default_rng(0).uniform(-1, 1, (24, 4))):
        (value, gradient), (exact_value, exact_gradient) = got(p), wanted(p)
        np.testing.assert_allclose(value, exact_value, rtol=1e-8)
        np.testing.assert_allclose(gradient, exact_gradient, rtol=1e-7)


# One solve, many ways


def test_vmap_agrees_with_a_loop():
    ps = P * np.array([[1.0], [1.05], [0.9]])
    lanes = jax.jit(jax.vmap(lambda p: loss(p, sj.VCABM())[1]))(ps)
    for i, p in enumerate(ps):
        one = loss(jnp.asarray(p), sj.VCABM())[1]
        assert {n: int(v) for n, v in one.stats.items()} == {n: int(v[i]) for n, v in lanes.stats.items()}
        # rounding, seen through the choice of steps at a tolerance of 1e-7
        np.testing.assert_allclose(lanes.y["end"][i], one.y["end"], rtol=1e-7)


def test_events_restart_at_order_one():
    kick = sj.Event(lambda t, y, args: t - 1.0, lambda t, y, args: y + 1.0)
    decay, options = lambda t, y, args: -y, {"method": sj.VCABM(), "events": kick, "rtol": 1e-9, "atol": 1e-9}
    sol = sj.solve_ode(decay, (0.0, 1.0), 1.0, **options)
    carry = sol.state.method.carry
    assert (int(carry.order), int(carry.known)) == (1, 0)
    np.testing.assert_allclose(carry.differences[:, 0], np.append(-sol.y, np.zeros(12)))
    sol = sj.solve_ode(decay, (0.0, 3.0), 1.0, **options)
    assert float(sol.y) == pytest.approx(np.exp(-3.0) + np.exp(-2.0), abs=1e-8)


def test_it_goes_on_from_a_solution():
    options = {"method": sj.VCABM(), "rtol": 1e-9, "atol": 1e-9}
    first = sj.solve_ode(riccati, (0.0, 3.0), riccati_exact(0.0), PHASES, **options)
    second = sj.solve_ode(riccati, (3.0, 6.0), first.y, PHASES, state=first.state, **options)
    fresh = sj.solve_ode(riccati, (3.0, 6.0), first.y, PHASES, **options)
    np.testing.assert_allclose(second.y, riccati_exact(6.0), rtol=1e-7)
    assert int(second.stats["steps"]) < int(fresh.stats["steps"])


def test_backwards_float32_and_complex():
    options = {"method": sj.VCABM(), "rtol": 1e-9, "atol": 1e-9}
    back = sj.solve_ode(riccati, (4.0, -1.0), riccati_exact(4.0), PHASES, **options)
    np.testing.assert_allclose(back.y, riccati_exact(-1.0), rtol=1e-7)
    single = sj.solve_ode(
        riccati, (0.0, 4.0), jnp.asarray(riccati_exact(0.0), jnp.float32), jnp.asarray(PHASES, jnp.float32),
        method=sj.VCABM(), rtol=1e-5, atol=1e-6,
    )  # fmt: skip
    assert single.y.dtype == single.t.dtype == np.float32
    np.testing.assert_allclose(single.y, riccati_exact(4.0), rtol=1e-3)
    y0 = {"z": jnp.asarray([1.0 + 0.5j, 2.0]), "x": jnp.asarray(1.0)}
    field = lambda t, y, args: {"z": 1j * y["z"] * y["x"], "x": -y["x"]}  # noqa: E731
    sol = sj.solve_ode(field, (0.0, 2.0), y0, **options)
    np.testing.assert_allclose(sol.y["z"], y0["z"] * np.exp(1j * (1 - np.exp(-2.0))), rtol=1e-7)


def test_failures_say_what_is_wrong():
    with pytest.raises(ValueError, match="max_order of sj.VCABM is 1 to 12; got 13"):
        sj.VCABM(max_order=13)
    with pytest.raises(ValueError, match="mass= is for"):
        sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), jnp.ones(2), method=sj.VCABM(), mass=np.diag([1.0, 0.0]))
    with pytest.raises(sj.SolveError, match="at t = ") as failure:
        nan = lambda t, y, args: jnp.where(t < 0.5, -y, jnp.nan)  # noqa: E731
        sj.solve_ode(nan, (0.0, 1.0), 1.0, method=sj.VCABM())
    assert failure.value.solution.result == sj.RESULT.non_finite
    assert 0.4 < float(failure.value.solution.t) <= 0.5
    # y = 1 / (1 - t) ends at t = 1
    sol = sj.solve_ode(lambda t, y, args: y**2, (0.0, 2.0), 1.0, method=sj.VCABM(), max_steps=2000, throw=False)
    assert sol.result in (sj.RESULT.dt_min_reached, sj.RESULT.non_finite)
    assert float(sol.t) == pytest.approx(1.0, abs=1e-4)
