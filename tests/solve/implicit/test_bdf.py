"""Backward differentiation formulas: orders from exact histories, choice of order, kept matrices, gradients."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import sciml_jax as sj
from sciml_jax.solve.implicit.bdf import Carry
from sciml_jax.solve.implicit.differences import advanced, evaluate, rescaled

from ..problems import differences as central

# Differences


def backward_differences(values):
    """Row j: the j-th difference at the newest value; `values` newest first."""
    rows = [np.asarray(values)]
    while len(rows[-1]) > 1:
        rows.append(rows[-1][:-1] - rows[-1][1:])
    return np.stack([r[0] for r in rows])


def history(f, t, h, rows=8):
    return backward_differences([f(t - j * h) for j in range(rows)])


def cubic(t):
    return np.array([1 + t - 2 * t**2 + 0.3 * t**3, 0.5 - t**3])


@jax.jit
def changed(rows, k, correction):
    return rescaled(rows, k, 1.7, 5), evaluate(rows, k, 0.1, 0.7, 0.63), advanced(rows, k, correction)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_differences_of_polynomials(order):
    """On a polynomial of degree `order`: rescaling, advancing and evaluating are exact; rows beyond are untouched."""
    rng = np.random.default_rng(order)
    coefficients = rng.normal(size=(order + 1, 3))
    f = lambda t: (t ** np.arange(order + 1)) @ coefficients  # noqa: E731
    rows = history(f, 0.7, 0.1)
    new, inside, after = changed(rows, jnp.int32(order), f(0.8) - np.sum(rows[: order + 1], axis=0))
    np.testing.assert_allclose(new[: order + 1], history(f, 0.7, 0.17)[: order + 1], atol=1e-12)
    np.testing.assert_array_equal(new[order + 1 :], rows[order + 1 :])
    np.testing.assert_allclose(inside, f(0.63), atol=1e-12)
    np.testing.assert_allclose(after[: order + 2], history(f, 0.8, 0.1)[: order + 2], atol=1e-12)


# Order, from an exact history of the order in question


def riccati(t, y, args):
    return jnp.cos(t) * y**2


def riccati_exact(t):
    return 1 / (2 - np.sin(t))


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_order(order):
    """Constant steps from differences of the exact solution, which are those of the method's order."""
    method = sj.BDF(max_order=order, newton_tolerance=1.0)

    def run(n):
        h = 2.0 / n
        first = sj.solve_ode(riccati, (0.0, h), jnp.full(1, 0.5), method=method, steps=1)
        rows = history(lambda t: np.array([riccati_exact(t)]), 0.0, h)
        state = eqx.tree_at(
            lambda s: (s.t, s.y, s.method.carry),
            first.state,
            (
                jnp.asarray(0.0),
                jnp.full(1, 0.5),
                Carry(jnp.asarray(rows), jnp.asarray(h), jnp.int32(order), jnp.int32(0)),
            ),
        )
        # tolerances far below the errors, so that no lower order looks better
        options = {"rtol": 1e-12, "atol": 1e-12, "save": sj.Steps(200)}
        sol = sj.solve_ode(riccati, (0.0, 2.0), state.y, method=method, dt=h, state=state, **options)
        return np.abs(sol.y[:, 0] - riccati_exact(np.asarray(sol.t))).max(), int(sol.state.method.carry.order)

    steps = np.array([56, 80, 112, 160])
    errors, orders = zip(*[run(int(n)) for n in steps], strict=True)
    assert set(orders) == {order}
    slope = float(np.polyfit(np.log(2 / steps), np.log(errors), 1)[0])
    assert slope == pytest.approx(order, abs=0.25)


def test_the_order_rises():
    def field(t, y, args):
        return -50.0 * (y - jnp.cos(t))

    sol = sj.solve_ode(field, (0.0, 4.0), 1.0, method=sj.BDF(), rtol=1e-8, atol=1e-10)
    assert int(sol.state.method.carry.order) >= 4
    relaxed = (2500 * np.cos(4.0) + 50 * np.sin(4.0)) / 2501
    np.testing.assert_allclose(sol.y, relaxed, atol=1e-6)


def test_max_order():
    sol = sj.solve_ode(riccati, (0.0, 2.0), 0.5, method=sj.BDF(max_order=2), rtol=1e-7, atol=1e-9)
    assert int(sol.state.method.carry.order) <= 2
    np.testing.assert_allclose(sol.y, riccati_exact(2.0), rtol=1e-4)
    with pytest.raises(ValueError, match="max_order of sj.BDF is 1 to 5; got 6"):
        sj.BDF(max_order=6)


# Stiff problems


def rober(t, y, k):
    a, b, c = k[0] * y[0], k[2] * y[1] * y[2], k[1] * y[1] ** 2
    return jnp.stack([b - a, a - b - c, c])


RATES, START = np.array([0.04, 3e7, 1e4]), np.array([1.0, 0.0, 0.0])
# at t = 1e5, with 12 digits
ROBER = np.array([1.786592114232e-2, 7.27475146853e-8, 0.98213400611])


def test_rober_and_its_work():
    errors = []
    for rtol in (1e-4, 1e-7):
        sol = sj.solve_ode(rober, (0.0, 1e5), START, RATES, method=sj.BDF(), rtol=rtol, atol=1e-4 * rtol)
        errors.append(np.max(np.abs(np.asarray(sol.y) / ROBER - 1)))
    # local errors add up over some hundred steps
    assert errors[0] < 1e-2 and errors[1] < 1e-4
    stats = {name: int(n) for name, n in sol.stats.items()}
    # matrices are kept: far fewer than steps; about two evaluations a step
    assert stats["jacobians"] < stats["steps"] / 10
    assert stats["factorisations"] < stats["steps"] / 4
    assert stats["field_evaluations"] == 3 + stats["linear_solves"]
    assert stats["field_evaluations"] < 2.6 * stats["steps"]


def test_eleven_decades():
    sol = sj.solve_ode(rober, (0.0, 1e11), START, RATES, method=sj.BDF(), rtol=1e-6, atol=1e-14)
    # the published digits of the test set for initial value problem solvers
    np.testing.assert_allclose(sol.y, [2.08334015e-8, 8.33336077e-14, 0.99999997916], rtol=1e-2)


def test_saved_times_have_the_accuracy_of_steps():
    ts = np.linspace(0.1, 9.9, 50)
    field = lambda t, y, a: -1e4 * (y - jnp.cos(t)) - jnp.sin(t)  # noqa: E731
    sol = sj.solve_ode(field, (0.0, 10.0), 1.0, method=sj.BDF(), rtol=1e-6, atol=1e-6, save=ts)
    np.testing.assert_allclose(sol.y, np.cos(ts), atol=2e-5)


def test_large_systems_keep_their_band():
    """Heat on a line of 200 points: the pattern is found, and the answer is that of the matrix exponential."""
    n = 200
    x = np.arange(1, n + 1) / (n + 1)

    def heat(t, u, args):
        padded = jnp.pad(u, 1)
        return (padded[2:] - 2 * u + padded[:-2]) * (n + 1) ** 2

    sol = sj.solve_ode(heat, (0.0, 0.1), np.sin(np.pi * x), method=sj.BDF(), rtol=1e-7, atol=1e-9)
    rate = 4 * (n + 1) ** 2 * np.sin(np.pi / 2 / (n + 1)) ** 2
    np.testing.assert_allclose(sol.y, np.exp(-0.1 * rate) * np.sin(np.pi * x), atol=1e-5)
    kept = sol.state.method.cache.factors
    assert max(leaf.size for leaf in jax.tree.leaves(kept)) <= 3 * n


# Gradients


P = np.array([0.04, 3e3, 1e2, 0.9, 0.1])


def loss(p, rtol, gradient=None, grid=None):
    how = {} if grid is None else {"controller": sj.GivenSteps(grid)}
    save = {"end": None, "ts": jnp.array([1.3, 7.7]), "steps": sj.Steps(1000)}
    sol = sj.solve_ode(
        rober, (0.0, 20.0), jnp.stack([p[3], 0.0 * p[3], p[4]]), p[:3], method=sj.BDF(newton_tolerance=1e-4), rtol=rtol,
        atol=1e-4 * rtol, gradient=gradient, save=save, max_steps=2000, **how
    )  # fmt: skip
    values = jnp.sum(sol.y["end"] * END) + jnp.sum(sol.y["ts"] * SAVED)
    return values, sol


END, SAVED = np.array([1.0, 30.0, 0.3]), np.array([0.5, 2.0, -1.0])


@cache
def reverse():
    return jax.jit(jax.grad(loss, has_aux=True))


def test_gradients_are_those_of_the_computed_solution():
    gradient, sol = reverse()(P, 1e-5)
    grid = sol.t["steps"][: int(sol.n["steps"])]
    on_grid = jax.jit(lambda p: loss(p, 1e-5, grid=grid)[0])
    wanted = np.array(
        [central(lambda x, i=i: on_grid(jnp.asarray(P).at[i].set(x)), P[i], 1e-4 * P[i]) for i in range(5)]
    )
    # what Newton's iteration leaves, 1e-9 of the solution, over differences of 1e-4
    np.testing.assert_allclose(gradient, wanted.ravel(), rtol=2e-4, atol=1e-6)
    forward = jax.jit(lambda d: jax.jvp(lambda p: loss(p, 1e-5, sj.Forward())[0], (P,), (d,))[1])
    # the replay starts Newton's iteration with other matrices
    np.testing.assert_allclose([forward(d) for d in np.eye(5)], gradient, rtol=1e-5)


def test_gradients_converge_to_those_of_the_exact_solution():
    """Those of the equation with its variational equation, by SciPy."""
    weights = {1.3: SAVED, 7.7: SAVED, 20.0: END}

    def right(t, z):
        y, s, (a, b, c) = z[:3], z[3:].reshape(3, 5), P[:3]
        f = np.array([-a * y[0] + c * y[1] * y[2], 0.0, b * y[1] ** 2])
        f[1] = -f[0] - f[2]
        jac = np.array([[-a, c * y[2], c * y[1]], [a, -c * y[2] - 2 * b * y[1], -c * y[1]], [0, 2 * b * y[1], 0]])
        by_rates = np.array([[-y[0], 0, y[1] * y[2]], [y[0], -(y[1] ** 2), -y[1] * y[2]], [0, y[1] ** 2, 0]])
        return np.concatenate([f, (jac @ s + np.pad(by_rates, ((0, 0), (0, 2)))).ravel()])

    s0 = np.zeros((3, 5))
    s0[0, 3] = s0[2, 4] = 1
    start = np.concatenate([[P[3], 0.0, P[4]], s0.ravel()])
    z = solve_ivp(right, (0.0, 20.0), start, "LSODA", t_eval=list(weights), rtol=1e-10, atol=1e-14).y
    wanted = sum(w @ row[3:].reshape(3, 5) for w, row in zip(weights.values(), z.T, strict=True))
    np.testing.assert_allclose(reverse()(P, 1e-8)[0], wanted, rtol=1e-4)


def test_vmap_agrees_with_a_loop():
    rates = RATES * np.linspace(0.7, 1.3, 3)[:, None]
    run = lambda k: sj.solve_ode(rober, (0.0, 1e3), START, k, method=sj.BDF(), rtol=1e-6, atol=1e-10)  # noqa: E731
    lanes = jax.jit(jax.vmap(run))(rates)
    for i, k in enumerate(rates):
        one = run(k)
        assert {n: int(v) for n, v in one.stats.items()} == {n: int(v[i]) for n, v in lanes.stats.items()}
        np.testing.assert_allclose(lanes.y[i], one.y, rtol=1e-9)


def bouncing(method):
    """Times of impact of a ball in a viscous fluid, and the exact ones."""

    def field(t, y, drag):
        return jnp.stack([y[1], -9.81 - drag * y[1]])

    event = sj.Event(lambda t, y, d: y[0], affect=lambda t, y, d: jnp.stack([y[0], -0.8 * y[1]]), direction=-1)
    options = {"method": method, "rtol": 1e-9, "atol": 1e-11, "events": event}
    sol = sj.solve_ode(field, (0.0, 2.0), jnp.array([1.0, 0.0]), 0.3, **options)
    t, y, v, limit, exact = 0.0, 1.0, 0.0, 9.81 / 0.3, []
    for _ in range(3):
        height = lambda s, y=y, v=v: y + (v + limit) * (1 - np.exp(-0.3 * s)) / 0.3 - limit * s  # noqa: E731
        s = brentq(height, 0.1, 2.0, xtol=1e-14)
        t, y, v = t + s, 0.0, -0.8 * ((v + limit) * np.exp(-0.3 * s) - limit)
        exact.append(t)
    return sol.event.t[:3], exact


def test_restarts_at_events():
    """After each impact the history is new, and the times of impact are right."""
    got, exact = bouncing(sj.BDF())
    np.testing.assert_allclose(got, exact, atol=1e-6)


def test_float32_and_backwards():
    forwards = sj.solve_ode(riccati, (0.0, 2.0), jnp.float32(0.5), method=sj.BDF(), rtol=1e-4, atol=1e-5)
    assert forwards.y.dtype == forwards.t.dtype == np.float32
    back = sj.solve_ode(riccati, (2.0, 0.0), forwards.y, method=sj.BDF(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(back.y, 0.5, rtol=2e-2)
