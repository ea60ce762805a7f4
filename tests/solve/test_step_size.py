"""Step sizes, against the formulas of the literature written out in Python."""

import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import decay

ORDER = 3


def roughness(t):
    """How fast the error of a step grows; where it rises suddenly, steps fail."""
    return 4 + 40.0 * (jnp.cos(20 * t) > 0.4) + 3 * jnp.sin(40 * t)


class Prescribed(sj.Method):
    """dy/dt = 0, and an error of (h r)^3 in a step to where the roughness is r; the tolerance is one."""

    @property
    def order(self):
        return ORDER

    def init(self, problem, t, y, dt):
        return sj.MethodState(())

    def restart(self, problem, t, y, state):
        return state

    def step(self, problem, t, y, dt, state):
        error = (jnp.abs(dt) * roughness(t + dt)) ** ORDER
        return sj.Step(y, error * jnp.ones_like(y), state, state, (), True, {"field_evaluations": 0}, ORDER)

    def interpolate(self, dense, t_left, t_right, t):
        return jnp.zeros(())


def simulate(controller, t0, t1, h, dt_max=np.inf):
    """The accepted times and the number of rejections that the documented formulas give."""
    b, s, least, most = controller
    times, errors, rejected, failed, way = [t0], [1.0, 1.0, 1.0], 0, False, np.sign(t1 - t0)
    while times[-1] != t1:
        t = times[-1]
        h = way * min(abs(h), dt_max)
        if way * (t + 1.01 * h - t1) >= 0:  # a sliver of a step is not left over
            h = t1 - t
        e = float((abs(h) * roughness(t + h)) ** ORDER)
        trial = [e, *errors]
        factor = s * np.prod([x ** (-k / ORDER) for x, k in zip(trial, b, strict=False)])
        factor = np.clip(factor, least, most)
        if e <= 1:
            times.append(t1 if h == t1 - t else t + h)
            errors = trial[:3]
            factor = min(factor, 1.0) if failed else factor  # no growth right after a rejection
        else:
            rejected += 1
            factor = min(factor, 0.9)
        failed = e > 1
        h = h * factor
    return np.array(times), rejected


# exponents, safety, smallest and largest factor
CONTROLLERS = {
    "I": (sj.IController(), ((1.0, 0, 0), 0.9, 0.2, 10.0)),
    "I, other limits": (sj.IController(0.8, 0.5, 2.0), ((1.0, 0, 0), 0.8, 0.5, 2.0)),
    "PI of DOPRI5": (sj.PIController(), ((0.85, -0.2, 0), 0.9, 0.2, 10.0)),
    "PI, beta 0.4": (sj.PIController(0.4), ((0.7, -0.4, 0), 0.9, 0.2, 10.0)),
    "PI.4.2": (sj.PIDController(3 / 5, -1 / 5), ((3 / 5, -1 / 5, 0), 0.9, 0.2, 10.0)),
    "PI.3.4": (sj.PIDController(0.7, -0.4), ((0.7, -0.4, 0), 0.9, 0.2, 10.0)),
    "H211 filter": (sj.PIDController(1 / 4, 1 / 4), ((1 / 4, 1 / 4, 0), 0.9, 0.2, 10.0)),
    "H312PID": (sj.PIDController(1 / 18, 1 / 9, 1 / 18), ((1 / 18, 1 / 9, 1 / 18), 0.9, 0.2, 10.0)),
}


def nothing(t, y, args):
    return 0 * y


@pytest.mark.parametrize("name", CONTROLLERS)
@pytest.mark.parametrize("span", [(0.0, 1.0), (0.8, -0.5)])
def test_controllers_follow_their_formulas(name, span):
    controller, numbers = CONTROLLERS[name]
    sol = sj.solve_ode(
        nothing, span, 0.0, method=Prescribed(), controller=controller, dt0=0.05, rtol=0.0, atol=1.0, save=sj.Steps(200)
    )
    times, rejected = simulate(numbers, *span, 0.05 * np.sign(span[1] - span[0]))
    assert rejected > 2
    assert int(sol.stats["rejected"]) == rejected
    # rounding in 200 products of step sizes
    np.testing.assert_allclose(sol.t[: int(sol.n)], times, atol=1e-12)


def test_the_largest_step():
    sol = sj.solve_ode(
        nothing, (0.0, 1.0), 0.0, method=Prescribed(), dt0=0.5, dt_max=0.03, rtol=0.0, atol=1.0, save=sj.Steps(200)
    )
    times, rejected = simulate(CONTROLLERS["PI of DOPRI5"][1], 0.0, 1.0, 0.5, dt_max=0.03)
    np.testing.assert_allclose(sol.t[: int(sol.n)], times, atol=1e-12)
    # but for the last, which may be stretched by a hundredth
    assert np.diff(times)[:-1].max() <= 0.03 + 1e-12


def test_the_smallest_step_is_a_limit_not_a_floor():
    """Steps above dt_min are untouched; where a smaller one is needed, the solve says so."""
    options = {"method": Prescribed(), "dt0": 0.05, "rtol": 0.0, "atol": 1.0, "save": sj.Steps(200)}
    free = sj.solve_ode(nothing, (0.0, 1.0), 0.0, **options)
    smallest = np.diff(free.t[: int(free.n)]).min()
    same = sj.solve_ode(nothing, (0.0, 1.0), 0.0, dt_min=0.1 * smallest, **options)
    np.testing.assert_array_equal(same.t, free.t)
    failed = sj.solve_ode(nothing, (0.0, 1.0), 0.0, dt_min=3 * smallest, throw=False, **options)
    assert failed.result == sj.RESULT.dt_min_reached
    assert float(failed.state.t) < 1


def first_step(f, t0, y0, order, rtol, atol, span):
    """The first step of Hairer, Norsett & Wanner I, II.4, with the root mean square norm."""

    def norm(x):
        return np.sqrt(np.mean((x / (atol + rtol * np.abs(y0))) ** 2))

    f0 = np.asarray(f(t0, y0))
    d0, d1 = norm(y0), norm(f0)
    h0 = 1e-6 if min(d0, d1) < 1e-5 else 0.01 * d0 / d1
    f1 = np.asarray(f(t0 + h0, y0 + h0 * f0))
    d2 = norm(f1 - f0) / h0
    h1 = max(1e-6, 1e-3 * h0) if max(d1, d2) <= 1e-15 else (0.01 / max(d1, d2)) ** (1 / (order + 1))
    return min(100 * h0, h1, span)


@pytest.mark.parametrize(("method", "order"), [(sj.Tsit5(), 5), (sj.Bosh3(), 3), (sj.Vern7(), 7)])
@pytest.mark.parametrize("y0", [[2.0, 0.0], [1.0, -0.5]])
def test_the_first_step(method, order, y0):
    def field(t, y, mu):
        return jnp.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])

    options = {"method": method, "rtol": 1e-5, "atol": 1e-7, "max_steps": 1, "throw": False}
    sol = sj.solve_ode(field, (0.5, 1.5), np.array(y0), 2.0, **options)
    expected = first_step(lambda t, y: field(t, y, 2.0), 0.5, np.array(y0), order, 1e-5, 1e-7, 1.0)
    assert int(sol.stats["accepted"]) == 1
    assert float(sol.t - 0.5) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("t1", [1e-9, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize("y0", [0.0, 1e-30, 1e30])
def test_a_first_step_is_found_at_every_scale(t1, y0):
    """No NaN, no endless start, whatever the scales of time and state."""
    sol = sj.solve_ode(lambda t, y, rate: -rate * y, (0.0, t1), y0, 1 / t1, rtol=1e-6, atol=0 if y0 else 1e-9)
    assert int(sol.stats["steps"]) < 50
    assert float(sol.y) == pytest.approx(y0 * np.exp(-1), rel=1e-4)


@pytest.mark.parametrize(("span", "dt", "steps"), [((0.0, 1.0), 0.3, 4), ((1.0, 0.0), 0.25, 4), ((0.0, 1.0), -0.25, 4)])
def test_constant_steps(span, dt, steps):
    sol = sj.solve_ode(decay, span, 1.0, method=sj.RK4(), dt=dt, save=sj.Steps(8))
    h = abs(dt) * np.sign(span[1] - span[0])
    times = [span[0] + i * h for i in range(steps)] + [span[1]]
    np.testing.assert_allclose(sol.t[: int(sol.n)], times, atol=1e-15)
    assert int(sol.stats["accepted"]) == steps


def test_a_constant_step_leaves_no_sliver():
    # 0.1 is no binary fraction: after ten additions 1e-16 would be left
    sol = sj.solve_ode(decay, (0.0, 1.0), 1.0, method=sj.RK4(), dt=0.1, save=sj.Steps(16))
    assert int(sol.stats["accepted"]) == 10
    assert float(sol.t[10]) == 1.0


def test_equal_steps_with_saved_times():
    """The driver's path of `steps=N`, taken where times are saved, gives the scan's numbers."""
    scan = sj.solve_ode(decay, (0.1, 1.3), 1.0, method=sj.RK4(), steps=7, save=sj.Steps())
    saved = sj.solve_ode(decay, (0.1, 1.3), 1.0, method=sj.RK4(), steps=7, save=scan.t)
    np.testing.assert_allclose(saved.y, scan.y, rtol=1e-14)
    np.testing.assert_allclose(np.diff(scan.t), 1.2 / 7, rtol=1e-14)
    assert float(scan.t[-1]) == 1.3


def test_given_steps_repeat_a_solve():
    first = sj.solve_ode(decay, (0.0, 1.0), 1.0, save=sj.Steps())
    grid = first.t[: int(first.n)]
    again = sj.solve_ode(decay, (0.0, 1.0), 1.0, controller=sj.GivenSteps(grid), save=sj.Steps())
    np.testing.assert_array_equal(again.t[: int(first.n)], grid)
    np.testing.assert_allclose(again.y, first.y, rtol=1e-15)
    longer = sj.solve_ode(decay, (0.0, 2.0), 1.0, controller=sj.GivenSteps(grid), save=sj.Steps())
    assert int(longer.n) == int(first.n)  # the last given time is replaced by t1
    assert float(longer.state.t) == 2.0


@pytest.mark.float32
def test_steps_much_smaller_than_time_end_in_time():
    """In float32 a step near rounding still ends the solve, with a result."""
    sol = sj.solve_ode(
        lambda t, y, a: jnp.cos(50 * t), (1000.0, 1001.0), jnp.float32(0), rtol=1e-3, atol=1e-4, throw=False
    )
    assert bool(sol.success) and sol.t.dtype == jnp.float32
    exact = (np.sin(50 * 1001.0) - np.sin(50 * 1000.0)) / 50
    # the time itself is known to 6e-5, the argument of the cosine to 3e-3
    assert float(sol.y) == pytest.approx(exact, abs=5e-3)
