"""`solve_dde`: exact solutions, breaking points, orders, test sets, gradients, batches, and what is refused."""

from functools import cache
from math import factorial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import sciml_jax as sj

TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def decay(t, y, y_delayed, args):
    return -y_delayed[0]


def pieces(t):
    """The solution of y' = -y(t - 1), y = 1 for t <= 0: a polynomial of degree k + 1 between k and k + 1."""
    return sum((-1) ** k * (t - (k - 1)) ** k / factorial(k) for k in range(int(t) + 2) if t >= k - 1)


# Exact solutions


@pytest.mark.parametrize("method", [sj.Tsit5(), sj.Vern7(), sj.Rodas5P(), sj.Auto()], ids=lambda m: type(m).__name__)
def test_a_solution_in_pieces(method):
    """The step's error is at most its tolerance, and there are fewer than a hundred steps."""
    ts = np.linspace(0.0, 5.3, 24)
    sol = sj.solve_dde(decay, (0.0, 5.3), 1.0, 1.0, method=method, save={"ts": ts, "steps": sj.Steps(150)}, **TIGHT)
    np.testing.assert_allclose(sol.y["ts"], [pieces(t) for t in ts], atol=1e-8)
    # the k-th derivative jumps at k - 1: every one that the method sees is the end of a step, to the last bit
    breaks = np.arange(1.0, min(method.order, 5) + 1)
    assert np.isin(breaks, sol.t["steps"]).all()


def rate(lag):
    """The real root of s = -exp(-s lag): y = exp(s t) solves y' = -y(t - lag)."""
    return brentq(lambda s: s + np.exp(-s * lag), -2.0, 0.0, xtol=1e-15)


@pytest.mark.parametrize("method", [sj.Tsit5(), sj.Vern7(), sj.BDF()], ids=lambda m: type(m).__name__)
def test_lags_far_shorter_than_the_steps(method):
    """Steps look into themselves; 3 / 0.01 of them would be needed otherwise."""
    s = rate(0.01)
    sol = sj.solve_dde(decay, (0.0, 3.0), lambda t, args: jnp.exp(s * t), 0.01, method=method, rtol=1e-8, atol=1e-10)
    # a repeated step may be off by a fiftieth of its tolerance; BDF's error is larger than its tolerance as for ODEs
    np.testing.assert_allclose(sol.y, np.exp(3 * s), rtol=2e-5 if isinstance(method, sj.BDF) else 1e-6)
    assert int(sol.stats["accepted"]) < 150


@pytest.mark.parametrize("method", [sj.Rodas5P(), sj.BDF(), sj.TRBDF2()], ids=lambda m: type(m).__name__)
def test_stiff_equations(method):
    """y = cos t on a slow manifold of rate 1e4; an explicit method would need 1e4 steps."""

    def field(t, y, y_delayed, args):
        return -1e4 * (y - jnp.cos(t)) - jnp.sin(t) + (y_delayed[0] - jnp.cos(t - 1.0))

    sol = sj.solve_dde(field, (0.0, 5.0), lambda t, args: jnp.cos(t), 1.0, method=method, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(sol.y, np.cos(5.0), atol=1e-5)
    assert int(sol.stats["accepted"]) < 300


@pytest.mark.parametrize("method", [sj.Bosh3(), sj.Tsit5(), sj.Rodas4()], ids=lambda m: type(m).__name__)
def test_the_order_of_convergence(method):
    """y = sin 3t, from a quarter and from the whole of a period before; the largest error at the ends of steps."""
    w = 3.0

    def field(t, y, y_delayed, args):
        quarter, whole = y_delayed
        return -w * 0.7 * quarter + w * 0.3 * jnp.cos(w * t) + 0.5 * (whole - y)

    @jax.jit
    def error(dt):
        how = {"method": method, "dt": dt, "save": sj.Steps(200)}
        lags = (np.pi / 2 / w, 2 * np.pi / w)
        sol = sj.solve_dde(field, (0.3, 4.3), lambda t, args: jnp.sin(w * t), lags, **how)
        return jnp.max(jnp.abs(sol.y - jnp.sin(w * sol.t)))

    steps = np.array([48, 68, 96, 136])
    slope = -np.polyfit(np.log(steps), np.log([error(4.0 / n) for n in steps]), 1)[0]
    assert slope == pytest.approx(method.order, abs=0.2)


# Test sets


def method_of_steps(field, history, lag, t1, y0, method="DOP853", rtol=1e-12, atol=1e-13):
    """An independent reference: SciPy from one multiple of the lag to the next, each piece looking up the last."""
    past, t, y = history, 0.0, np.atleast_1d(np.asarray(y0, float))
    while t < t1 - 1e-9:
        end, before = min(t + lag, t1), past
        right = lambda s, y, before=before: np.atleast_1d(field(s, y, before(s - lag)))  # noqa: E731
        out = solve_ivp(right, (t, end), y, method, dense_output=True, rtol=rtol, atol=atol)
        past, t, y = out.sol, end, out.y[:, -1]
    return y


def blood(t, y, y_delayed, args):
    (z,) = y_delayed
    return 0.2 * z / (1 + z**10) - 0.1 * y


def leukemia(t, y, y_delayed, args):
    z, flow = y_delayed[0][0], 10 * y[0] / (1 + 40 * y[1])
    return jnp.stack([1.1 / (1 + jnp.sqrt(10.0) * z**1.25) - flow, 10 * flow - 2.43 * y[1]])


def test_constant_lags_of_the_test_set():
    """A1 (Mackey & Glass) and A2 (Wheldon, Kirk & Finlay), against DOP853 in pieces; the time spans are shortened."""
    sol = sj.solve_dde(blood, (0.0, 100.0), 0.5, 14.0, **TIGHT)
    reference = method_of_steps(lambda s, y, z: 0.2 * z / (1 + z**10) - 0.1 * y, lambda s: 0.5, 14.0, 100.0, 0.5)
    np.testing.assert_allclose(sol.y, reference[0], rtol=1e-7)
    start = np.array([1.05767027 / 3, 1.030713491 / 3])
    sol = sj.solve_dde(leukemia, (0.0, 100.0), start, 20.0, **TIGHT)
    reference = method_of_steps(lambda s, y, z: np.array(leukemia_np(y, z)), lambda s: start, 20.0, 100.0, start)
    np.testing.assert_allclose(sol.y, reference, rtol=1e-7)


def leukemia_np(y, z):
    flow = 10 * y[0] / (1 + 40 * y[1])
    return 1.1 / (1 + np.sqrt(10.0) * z[0] ** 1.25) - flow, 10 * flow - 2.43 * y[1]


def test_a_lag_that_vanishes():
    """B1 (Neves 1975): the lag t - exp(1 - 1/t) is zero at t = 1; y = log t."""
    sol = sj.solve_dde(
        lambda t, y, z, args: 1 - z[0],
        (0.1, 10.0),
        lambda t, args: jnp.log(t),
        lambda t, y, args: t - jnp.exp(1 - 1 / t),
        **TIGHT,
    )
    np.testing.assert_allclose(sol.y, np.log(10.0), rtol=1e-7)


def test_a_lag_that_depends_on_the_state():
    """D1 (Neves 1975): y = (log t, 1 / t), which a perturbation leaves fast; the lag starts beyond the history."""

    def field(t, y, y_delayed, args):
        s = jnp.exp(1 - y[1])
        return jnp.stack([y[1], -y_delayed[0][1] * y[1] ** 2 * s])

    sol = sj.solve_dde(
        field,
        (0.1, 5.0),
        lambda t, args: jnp.stack([jnp.log(t), 1 / t]),
        lambda t, y, args: t - jnp.exp(1 - y[1]),
        **TIGHT,
    )
    np.testing.assert_allclose(sol.y, [np.log(5.0), 0.2], rtol=1e-6)


def test_a_field_that_jumps_with_the_delayed_state():
    """B2 (Neves & Thompson 1992): y' = -1 - y + 2 [y(t / 2) < 0]; its jumps are events, where the method starts
    afresh."""
    event = sj.Event(lambda t, y, args: y, affect=lambda t, y, args: y)
    sol = sj.solve_dde(
        lambda t, y, z, args: jnp.where(z[0] < 0, 1.0, -1.0) - y,
        (0.0, 2 * np.log(66.0)),
        1.0,
        lambda t, y, args: t / 2,
        events=event,
        **TIGHT,
    )
    np.testing.assert_allclose(sol.y, 1 / 66 - 1, atol=1e-8)
    np.testing.assert_allclose(sol.event.t[: sol.event.n], np.log([2.0, 6.0, 66.0])[:3], atol=1e-8)


@cache
def of_paul(name, method, tol):
    """C1 and C2 of Paul (1994): lags 1 + |y| and y_2, to t = 10."""
    if name == "C1":
        field, lag, start = lambda t, y, z, a: -2 * z[0] * (1 - y**2), lambda t, y, a: 1 + jnp.abs(y), 0.5
    else:

        def field(t, y, z, a):
            size = jnp.abs(z[0][0])
            return jnp.stack([-2 * z[0][0], (size - jnp.abs(y[0])) / (1 + size)])

        lag, start = lambda t, y, a: y[1], np.array([1.0, 0.5])
    return np.asarray(sj.solve_dde(field, (0.0, 10.0), start, lag, method=method, rtol=tol, atol=tol).y)


@pytest.mark.parametrize("name", ["C1", "C2"])
def test_state_dependent_lags_of_two_methods(name):
    """No solution is known: an explicit and an implicit method of different interpolants meet as tolerances fall."""
    explicit, implicit = of_paul(name, sj.Tsit5(), 1e-9), of_paul(name, sj.Rodas5P(), 1e-9)
    np.testing.assert_allclose(explicit, implicit, atol=3e-6)


# Breaking points


def test_lags_carry_every_breaking_point_on():
    """Two lags: sums of them up to the order of the method; and a jump of the history, one level earlier."""

    def history(t, args):
        return jnp.where(t < -0.4, 2.0, 1.0)

    sol = sj.solve_dde(
        lambda t, y, z, args: -z[0] - 0.5 * z[1],
        (0.0, 3.0),
        history,
        (1.0, 0.3),
        discontinuities=[-0.4],
        save=sj.Steps(100),
        rtol=1e-6,
    )
    sums = {round(i + 0.3 * j, 12) for i in range(4) for j in range(7) if 0 < i + j <= 3 and i + 0.3 * j < 3}
    ends = np.asarray(sol.t)
    assert all(np.abs(ends - s).min() < 1e-14 for s in sums)
    assert np.abs(ends - 0.6).min() < 1e-14  # -0.4 + 1: where the field jumps
    assert (np.diff(ends[: int(sol.n)]) > 0).all()


def test_a_jump_at_the_start_comes_back_one_lag_later():
    """y(0) = 2 but y = 1 before: y' = -y(t - 1) is -1, then -(2 - t + 1), with a jump at t = 1."""
    sol = sj.solve_dde(decay, (0.0, 1.75), 1.0, 1.0, y0=2.0, save=[0.5, 1.0, 1.5], **TIGHT)
    exact = [1.5, 1.0, 1.0 - (2 * 0.5 - 0.125)]
    np.testing.assert_allclose(sol.y, exact, atol=1e-9)
    assert int(sol.stats["accepted"]) < 15


def test_events_are_those_of_the_user_and_jumps_go_on():
    """A dose at t = 0.5 comes back at 1.5 through the lag."""
    dose = sj.Event(lambda t, y, args: t - 0.5, affect=lambda t, y, args: y + 1.0)
    field = lambda t, y, z, args: z[0]  # noqa: E731
    sol = sj.solve_dde(field, (0.0, 1.75), 0.0, lambda t, y, args: 1.0 + 0 * y, events=dose, save=sj.Steps(50))
    assert int(sol.event.n) == 1 and float(sol.event.t[0]) == pytest.approx(0.5, abs=1e-12)
    # 1 from 0.5 on; its integral from 1.5 on
    np.testing.assert_allclose(sol.state.y, 1.25, atol=1e-8)
    assert np.abs(np.asarray(sol.t) - 1.5).min() < 1e-12


VARYING = {"constant": lambda lag: lag, "function": lambda lag: lambda t, y, args: lag + 0 * y}


@pytest.mark.parametrize("start", [0.0, -0.54, 0.3])
def test_a_start_that_jumps_looked_up_by_a_lag_that_is_a_function(start):
    """y' = -y(t - 0.54) from 1.9 after 1: a polynomial of degree 3, which Tsit5 solves in whatever steps. The jump at
    the start is a step's end a lag later, also where it lies at time zero."""
    span, counts = (start, start + 1.2), {}
    for name, lag in VARYING.items():
        field = lambda t, y, z, args: -z[0]  # noqa: E731
        sol = sj.solve_dde(field, span, 1.0, lag(0.54), y0=1.9, rtol=1e-8, atol=1e-8)
        counts[name] = int(sol.stats["steps"])
        u = 1.2 - 1.08
        exact = 1.36 - 1.9 * 0.54 + 0.54**2 / 2 - 1.36 * u + 1.9 * u**2 / 2 - u**3 / 6
        assert float(sol.y) == pytest.approx(exact, abs=1e-13)
    assert counts["function"] <= counts["constant"] + 1


@pytest.mark.parametrize("dose_at", [0.5, 0.50005, 0.52])
def test_two_breaking_points_within_a_step(dose_at):
    """A lag of 0.54 looks back at a dose, and 0.04 later at where it had come to the start: steps of 0.3 would pass
    both, and none of their ends would show it."""
    dose = sj.Event(lambda t, y, args: t - dose_at, affect=lambda t, y, args: y + 0.9)
    ends = [
        sj.solve_dde(lambda t, y, z, args: -z[0], (0.0, 1.2), 1.0, lag(0.54), events=dose, rtol=1e-8, atol=1e-8).y
        for lag in VARYING.values()
    ]
    # both are exact, but for the rounding of the times
    assert float(ends[1]) == pytest.approx(float(ends[0]), abs=1e-13)


# Gradients

P0 = np.array([1.0, 0.9, 1.2])


def linear(t, y, z, args):
    return -args[0] * z[0] + 0.1 * y * z[-1]


def past(t, args):
    return args[2] * jnp.cos(t)


LOSSES = {
    "two lags": lambda p: {"lags": (p[1], 2 * p[1]), "save": jnp.linspace(0.0, 2.5, 5), "method": sj.Bosh3()},
    "a jump": lambda p: {"lags": p[1], "y0": 2.0 * p[2]},
    # steps would be chosen anew around each breaking point that is found, and differences were not smooth
    "state": lambda p: {"lags": lambda t, y, args: 0.3 * args[1] + y**2, "method": sj.Bosh3(), "dt": 0.01},
    "short": lambda p: {"lags": 0.04 * p[1]},
}
SLOW = ("two lags", "state")


@cache
def derivatives(name):
    """Reverse mode, forward mode, and central differences: their own error is about 1e-9."""

    def loss(p, gradient):
        options = {"rtol": 1e-9, "atol": 1e-10} | LOSSES[name](p)
        sol = sj.solve_dde(linear, (0.0, 2.5), past, args=p, gradient=gradient, **options)
        return jnp.sum(jnp.sin(sol.y))

    @jax.jit
    def all_of_them(p):
        forward = jax.jacfwd(lambda p: loss(p, sj.Forward()))(p)
        reverse = jax.grad(lambda p: loss(p, sj.Recorded()))(p)
        return reverse, forward

    value = jax.jit(jax.vmap(lambda p: loss(p, None)))
    shifts = 1e-5 * np.eye(3)
    differences = (value(P0 + shifts) - value(P0 - shifts)) / 2e-5
    return tuple(map(np.asarray, (*all_of_them(P0), differences)))


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in LOSSES])
def test_gradients(name):
    """To the lag, the history and the field. Tolerance: of the solves (1e-9, amplified by at most a hundred)."""
    reverse, forward, differences = derivatives(name)
    np.testing.assert_allclose(forward, differences, rtol=1e-5, atol=1e-6)
    # with lags that look into steps or find breaking points, rounding may choose other steps: as good as differences
    np.testing.assert_allclose(reverse, forward, rtol=1e-9 if name not in ("short", "state") else 1e-5, atol=1e-6)


FEW = {"Rodas5P": sj.Rodas5P(), "Kvaerno3": sj.Kvaerno3(), "BDF": sj.BDF(), "Radau5": sj.Radau5()}


@pytest.mark.parametrize("name", FEW)
def test_derivatives_by_methods_for_stiff_equations(name):
    r"""y' = -k y(t - lag) from 1: $y = \sum_j (-k)^j (t - (j - 1) \mathrm{lag})^j / j!$; steps as long as the lag."""

    def end(k, lag, gradient):
        options = {"method": FEW[name], "gradient": gradient, "rtol": 1e-7, "atol": 1e-7}
        return sj.solve_dde(lambda t, y, z, k: -k * z[0], (0.0, 2.0), 1.0, lag, k, **options).y

    k, lag, t = 1.2, 0.5, 2.0
    left = [t - (j - 1) * lag for j in range(6)]
    of_k = sum(-((-k) ** (j - 1)) * left[j] ** j / factorial(j - 1) for j in range(1, 5))
    of_lag = sum((-k) ** j * -(j - 1) * left[j] ** (j - 1) / factorial(j - 1) for j in range(1, 5))
    forward = jax.jit(jax.jacfwd(lambda *p: end(*p, sj.Forward()), (0, 1)))(k, lag)
    reverse = jax.jit(jax.grad(lambda *p: end(*p, sj.Recorded()), (0, 1)))(k, lag)
    # BDF's order drops at every breaking point
    np.testing.assert_allclose(forward, (of_k, of_lag), atol=1e-4)
    # of the same steps: but for what Newton's iteration leaves, a hundredth of the tolerance at most
    np.testing.assert_allclose(reverse, forward, atol=1e-7)


def stiff(p, method, gradient):
    """A stiff delayed term, whose lag is a tiny part of the steps; the solution is near p_1 cos t."""
    field = lambda t, y, z, p: -200 * p[0] * (z[0] - p[1] * jnp.cos(t))  # noqa: E731
    options = {"method": method, "gradient": gradient, "rtol": 1e-6, "atol": 1e-6}
    return sj.solve_dde(field, (0.0, 2.0), p[1], 1e-3 * p[2], p, **options).y


def found(p, method, gradient):
    """A lag that depends on the state, and a dose each time it has fallen to one half."""
    dose = sj.Event(lambda t, y, p: y - 0.5, affect=lambda t, y, p: y + p[1])
    field, lag = lambda t, y, z, p: -p[0] * z[0], lambda t, y, p: 0.3 * p[2] + 0.1 * y**2
    options = {"method": method, "gradient": gradient, "rtol": 1e-6, "atol": 1e-6}
    return sj.solve_dde(field, (0.0, 1.5), 1.0, lag, p, events=dose, **options).y


FOUND = [("Radau5", stiff), ("BDF", found)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "solve"), FOUND, ids=[f"{name}-{solve.__name__}" for name, solve in FOUND])
def test_gradients_of_stiff_and_of_found_lags(name, solve):
    """Backwards as forwards: both are derivatives of the same steps."""
    method = getattr(sj, name)()
    reverse = jax.jit(jax.grad(lambda p: solve(p, method, sj.Recorded())))(P0)
    forward = jax.jit(jax.jacfwd(lambda p: solve(p, method, sj.Forward())))(P0)
    # a step that looks into itself has settled to a fiftieth of the tolerance, a root to a hundredth of it
    np.testing.assert_allclose(reverse, forward, rtol=1e-4, atol=1e-6)
    assert np.abs(forward).max() > 1e-2


@pytest.mark.slow
def test_second_derivatives():
    r"""y' = -k y(t - 1/2): $\partial^2 y / \partial k^2 = \sum_j j (j - 1) (-k)^{j - 2} (t - (j - 1) / 2)^j / j!$."""
    field, options = lambda t, y, z, k: -k * z[0], {"method": sj.Kvaerno3(), "rtol": 1e-8, "atol": 1e-8}  # noqa: E731
    end = lambda k: sj.solve_dde(field, (0.0, 1.25), 1.0, 0.5, k, **options).y  # noqa: E731
    exact = sum((-1.2) ** (j - 2) * (1.25 - (j - 1) / 2) ** j / factorial(j - 2) for j in (2, 3))
    # of dense values of order 3: a hundred times the tolerance
    np.testing.assert_allclose(jax.jit(jax.jacfwd(jax.grad(end)))(1.2), exact, atol=1e-6)


@pytest.mark.parametrize("method", [sj.Auto(), sj.ROCK2(), sj.RadauIIA()], ids=lambda m: type(m).__name__)
def test_some_methods_do_not_go_backwards(method):
    end = lambda k: sj.solve_dde(lambda t, y, z, k: -k * z[0], (0.0, 2.0), 1.0, 0.5, k, method=method).y  # noqa: E731
    with pytest.raises(ValueError, match=rf"not by sj.{type(method).__name__}: give .* or gradient=sj.Forward\(\)"):
        jax.grad(end)(1.2)


@pytest.mark.slow
def test_gradients_by_replay():
    """With fewer snapshots than steps these are repeated before they are pulled back."""

    def loss(p, gradient):
        sol = sj.solve_dde(linear, (0.0, 2.5), past, p[1], args=p, gradient=gradient, method=sj.Bosh3(), rtol=1e-5)
        return jnp.sin(sol.y), sol.stats["accepted"]

    few, steps = jax.jit(jax.grad(lambda p: loss(p, sj.Recorded(snapshots=4)), has_aux=True))(P0)
    assert int(steps) > 16
    np.testing.assert_allclose(few, jax.jit(jax.grad(lambda p: loss(p, sj.Recorded())[0]))(P0), rtol=1e-12)


# Ways to run


def test_eager_jitted_and_batched_solves_agree():
    def solve(lag):
        return sj.solve_dde(blood, (0.0, 30.0), 0.5, lag, save=sj.Dense(100), rtol=1e-6)

    lags = np.array([6.0, 9.0, 14.0])
    many = jax.jit(jax.vmap(lambda lag: (solve(lag).y, solve(lag).stats["accepted"])))(lags)
    for lag, y, accepted in zip(lags, *many, strict=True):
        sol = solve(lag)
        np.testing.assert_allclose(y, sol.y, rtol=1e-12)
        assert int(accepted) == int(sol.stats["accepted"])


def test_a_solution_is_a_history():
    """Two solves, one after the other, are one."""
    ts = np.array([12.0, 20.0, 28.0])
    whole = sj.solve_dde(blood, (0.0, 30.0), 0.5, 8.0, save=ts, **TIGHT)
    first = sj.solve_dde(blood, (0.0, 10.0), 0.5, 8.0, save=sj.Dense(), **TIGHT)
    second = sj.solve_dde(blood, (10.0, 30.0), first, 8.0, save=ts, **TIGHT)
    np.testing.assert_allclose(second.y, whole.y, rtol=1e-8)


@pytest.mark.float32
def test_states_of_any_structure_in_either_precision():
    def field(t, y, y_delayed, args):
        (z,) = y_delayed
        return {"a": -jnp.sum(z["b"]), "b": z["a"] * jnp.ones(2)}

    start = {"a": jnp.float32(1.0), "b": jnp.zeros(2, jnp.float32)}
    sol = sj.solve_dde(field, (0.0, 1.0), start, 2.0, rtol=1e-5)
    # looked up in the history alone: a' = 0, b' = 1
    assert sol.y["a"].dtype == jnp.float32
    np.testing.assert_allclose(sol.y["a"], 1.0, rtol=1e-6)
    np.testing.assert_allclose(sol.y["b"], np.ones(2), rtol=1e-5)


def test_a_history_of_whole_numbers_is_one_of_states():
    field = lambda t, y, z, args: -z[0]  # noqa: E731
    whole = sj.solve_dde(field, (0.0, 1.5), np.array([1, 2]), 1.0)
    np.testing.assert_allclose(whole.y, sj.solve_dde(field, (0.0, 1.5), np.array([1.0, 2.0]), 1.0).y, rtol=1e-14)


def test_a_projection_starts_from_the_right_of_a_breaking_point():
    """y(0) = 2 but y = 1 before: what is looked up jumps at t = 1, also where the state is mapped after every step."""
    sol = sj.solve_dde(decay, (0.0, 1.75), 1.0, 1.0, y0=2.0, projection=lambda t, y, args: y, **TIGHT)
    np.testing.assert_allclose(sol.y, 1.0 - (2 * 0.75 - 0.75**2 / 2), atol=1e-9)


def test_only_the_last_steps_are_kept():
    """Sixteen rows are enough for a lag of few steps; for a longer one they are not, and the solve says so."""
    wanted = sj.solve_dde(blood, (0.0, 60.0), 0.5, 2.0).y
    sol = sj.solve_dde(blood, (0.0, 60.0), 0.5, 2.0, capacity=16)
    np.testing.assert_allclose(sol.y, wanted, rtol=1e-12)
    assert int(sol.stats["accepted"]) > 16
    short = sj.solve_dde(blood, (0.0, 60.0), 0.5, 14.0, capacity=8, throw=False)
    assert short.result == sj.RESULT.history_capacity_reached
    with pytest.raises(sj.SolveError, match="Raise capacity= of solve_dde"):
        sj.solve_dde(blood, (0.0, 60.0), 0.5, 14.0, capacity=8)


def test_a_negative_lag_is_no_number():
    sol = sj.solve_dde(decay, (0.0, 2.0), 1.0, lambda t, y, args: 0.5 - t, throw=False)
    assert sol.result == sj.RESULT.non_finite
    assert float(sol.state.t) == pytest.approx(0.5, abs=0.05)


# What is refused

REFUSED = {
    "backwards": ({"t_span": (1.0, 0.0)}, "goes forwards in time"),
    "no lag": ({"lags": ()}, "lags is empty"),
    "zero": ({"lags": (1.0, 0.0)}, "lag 1 must be positive"),
    "infinite": ({"lags": np.inf}, "lag 0 must be positive and finite"),
    "lag of two": ({"lags": lambda t, y, args: jnp.ones(2)}, "lag 0 must be one real number"),
    "lag function": ({"lags": lambda t: 1.0}, r"lag 0 is called as"),
    "field": ({"field": lambda t, y, args: y}, r"field is called as field\(t, y, y_delayed, args\)"),
    "equal steps": ({"steps": 8}, "solve_dde has no steps=.*give dt="),
    "neutral": ({"field": lambda t, y, z, dz, args: y}, "neutral"),
    "history": ({"history": lambda t: 1.0}, r"history is called as history\(t, args\)"),
    "shape": ({"history": lambda t, args: jnp.ones(2), "y0": 1.0}, "history must return states like y0"),
    "gradient": ({"gradient": sj.Backsolve()}, "is not for delay equations"),
    "state": ({"state": 1}, "history=sol"),
    "mass": ({"mass": np.eye(1)}, "has no mass="),
    "capacity": ({"capacity": 0}, "capacity must be a positive int"),
}


@pytest.mark.float32
@pytest.mark.parametrize("name", REFUSED)
def test_mistakes_are_named(name):
    change, message = REFUSED[name]
    given = {"field": decay, "t_span": (0.0, 1.0), "history": 1.0, "lags": 1.0} | change
    with pytest.raises((ValueError, TypeError), match=message):
        sj.solve_dde(**given)


def test_a_history_must_be_dense():
    sol = sj.solve_dde(decay, (0.0, 1.0), 1.0, 1.0)
    with pytest.raises(TypeError, match=r"save=sj.Dense\(\)"):
        sj.solve_dde(decay, (1.0, 2.0), sol, 1.0)
