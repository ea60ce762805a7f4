"""Events against closed forms: bouncing balls, doses, crossings of known functions."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import decay

G = 10.0


def fall(t, y, args):
    """Free fall; args = (restitution,)."""
    return jnp.stack([y[1], -G + 0 * y[1]])


def height(t, y, args):
    return y[0]


def rebound(t, y, args):
    return jnp.stack([y[0], -args[0] * y[1]])


BALL = sj.Event(height, rebound, direction=-1)
DROP = jnp.array([5.0, 0.0])


def bounces(h0, r, t1):
    """Times of impact of a ball dropped from h0, and its speed after each."""
    times, speeds = [np.sqrt(2 * h0 / G)], [r * np.sqrt(2 * G * h0)]
    while times[-1] + 2 * speeds[-1] / G < t1:
        times.append(times[-1] + 2 * speeds[-1] / G)
        speeds.append(r * speeds[-1])
    return np.array(times), np.array(speeds)


def drop(r, t1, **options):
    return sj.solve_ode(fall, (0.0, t1), DROP, (r,), events=[BALL], **options)


def test_a_ball_bounces_at_the_exact_times():
    times, speeds = bounces(5.0, 0.8, 4.95)
    sol = drop(0.8, 4.95, save={"end": None, "ts": np.append(times, 4.95), "steps": sj.Steps(64)})
    n = int(sol.event.n)
    assert n == len(times) == 4
    # the interpolant is exact for parabolas: rounding, which every bounce passes on
    np.testing.assert_allclose(sol.event.t[:n], times, rtol=1e-14)
    np.testing.assert_array_equal(sol.event.which[:n], 0)
    np.testing.assert_allclose(sol.event.y[:n], np.stack([0 * times, -speeds / 0.8], -1), atol=1e-12)
    # at the impact a saved state is the one after it (to rounding of the time, before or after)
    end, s = sol.y["end"], 4.95 - times[-1]
    np.testing.assert_allclose(end, [speeds[-1] * s - G / 2 * s**2, speeds[-1] - G * s], atol=1e-11)
    assert np.all(sol.y["ts"][:, 0] > -1e-12)
    assert np.all(np.isin(np.asarray(sol.event.t[:n]), np.asarray(sol.t["steps"])))


def test_saved_values_at_an_event_are_those_after_it():
    """`affect` first, then saving; also where the event is the last thing that happens."""
    jump = sj.Event(lambda t, y, args: t - 0.5, lambda t, y, args: y + 10.0)
    save = {"ts": [0.25, 0.5, 0.75], "dense": sj.Dense(64), "steps": sj.Steps(64)}
    sol = sj.solve_ode(lambda t, y, args: 0 * y, (0.0, 1.0), 1.0, events=jump, save=save)
    assert float(sol.event.t[0]) == 0.5 and float(sol.event.y[0]) == 1.0
    assert sol.y["ts"].tolist() == [1.0, 11.0, 11.0]
    assert float(sol(0.5)) == 11.0 and float(sol(np.nextafter(0.5, 0))) == 1.0
    at = int(np.flatnonzero(np.asarray(sol.t["steps"]) == 0.5)[0])
    assert float(sol.y["steps"][at]) == 11.0
    last = sj.solve_ode(lambda t, y, args: 0 * y, (0.0, 0.5), 1.0, events=jump, save=save | {"ts": [0.5]})
    assert last.result == sj.RESULT.successful
    assert last.y["ts"].tolist() == [11.0] and float(last(0.5)) == 11.0


@pytest.mark.parametrize("r", [0.05, 0.3, 0.5, 0.8])
def test_an_endless_ball_ends_where_its_impacts_accumulate(r):
    sol = drop(r, 20.0, throw=False)
    assert sol.result == sj.RESULT.events_accumulate
    assert np.all(np.diff(sol.event.t[: int(sol.event.n)]) >= 0)
    # flights of 2 r, 2 r^2, ... after the fall of length 1
    assert float(sol.t) == pytest.approx(1 + 2 * r / (1 - r), rel=1e-12)
    with pytest.raises(sj.SolveError, match="again and again") as failure:
        drop(r, 20.0)
    assert failure.value.solution.event.n == sol.event.n


def test_more_events_than_are_allowed():
    sol = drop(0.5, 10.0, throw=False, max_events=8)
    assert sol.result == sj.RESULT.max_events_reached
    assert int(sol.event.n) == 8
    assert np.all(np.diff(sol.event.t) > 0)
    with pytest.raises(sj.SolveError, match="Raise max_events=") as failure:
        drop(0.5, 10.0, max_events=8)
    assert int(failure.value.solution.event.n) == 8


def test_as_many_events_as_the_log_holds():
    times, _ = bounces(5.0, 0.8, 3.0)
    sol = drop(0.8, 3.0, max_events=len(times))
    assert int(sol.event.n) == len(times) and sol.event.t.shape == (len(times),)


DOSES = (0.2, 0.5, 0.8)


def dosing(times=DOSES, amounts=(1.0, 2.0, 0.5)):
    return [
        sj.Event(lambda t, y, args, at=at: t - at, lambda t, y, args, d=amount: y + d)
        for at, amount in zip(times, amounts, strict=True)
    ]


def dosed(t):
    """The exact concentration; doses act at their times."""
    return sum(d * np.exp(-(t - at)) * (t >= at) for at, d in zip(DOSES, (1.0, 2.0, 0.5), strict=True))


@pytest.mark.parametrize("method", [sj.Vern7(), sj.Bosh3()], ids=lambda m: type(m).__name__)
def test_doses_at_given_times(method):
    ts = np.linspace(0, 1, 11)
    sol = sj.solve_ode(decay, (0.0, 1.0), 0.0, events=dosing(), save=ts, method=method, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(sol.event.which[:3], [0, 1, 2])
    np.testing.assert_allclose(sol.event.t[:3], DOSES, rtol=1e-15)
    off = ~np.isin(np.round(ts, 6), DOSES)  # at a dose the side depends on the last bit of the time
    np.testing.assert_allclose(sol.y[off], dosed(ts[off]), atol=1e-7)
    assert float(sol.y[0]) == 0.0


def value(t, y, args):
    return y


def cosine(t, y, args):
    """dy/dt of cos t."""
    return -jnp.sin(t)


@pytest.mark.parametrize(("direction", "count"), [(0, 4), (1, 2), (-1, 2)])
def test_directions(direction, count):
    """cos t over two turns: four zeros, falling first."""
    event = sj.Event(value, direction=direction, terminate=False)
    sol = sj.solve_ode(cosine, (0.0, 4 * np.pi), 1.0, events=event, rtol=1e-10, atol=1e-10)
    assert int(sol.event.n) == count
    zeros = np.pi / 2 + np.pi * np.arange(4)
    wanted = zeros if direction == 0 else zeros[1::2] if direction == 1 else zeros[::2]
    np.testing.assert_allclose(sol.event.t[:count], wanted, atol=1e-7)


def test_simultaneous_events_happen_in_list_order():
    double = sj.Event(lambda t, y, args: t - 0.3337, lambda t, y, args: 2 * y)
    add = sj.Event(lambda t, y, args: y - y + t - 0.3337, lambda t, y, args: y + 1)
    for events, end in (([double, add], 3.0), ([add, double], 4.0)):
        sol = sj.solve_ode(lambda t, y, args: 0 * y, (0.0, 1.0), 1.0, events=events)
        assert float(sol.y) == end
        assert sol.event.which[:2].tolist() == [0, 1] and int(sol.event.n) == 2
        np.testing.assert_allclose(sol.event.t[:2], 0.3337, rtol=1e-15)


def test_a_jump_that_takes_another_condition_through_zero():
    """A ball's energy is constant in flight and changes at impacts only: its event happens at the impact."""
    spent = sj.Event(lambda t, y, args: G * y[0] + y[1] ** 2 / 2 - 10.0, direction=-1)  # 50, 32, 20.48, 13.1, 8.4
    times, speeds = bounces(5.0, 0.8, 5.0)
    save = {"end": None}
    for events, ball in (([BALL, spent], 0), ([spent, BALL], 1)):
        sol = sj.solve_ode(fall, (0.0, 9.0), DROP, (0.8,), events=events, save=save)
        assert sol.result == sj.RESULT.event_occurred
        assert int(sol.event.n) == 5
        assert sol.event.which[:5].tolist() == [ball] * 4 + [1 - ball]
        np.testing.assert_allclose(sol.event.t[:5], np.append(times[:4], times[3]), rtol=1e-13)
        np.testing.assert_allclose(sol.y["end"], [0.0, speeds[3]], atol=1e-11)
        assert float(sol.t["end"]) == float(sol.event.t[3])
    # the direction still decides: nothing gains energy
    never = sj.Event(spent.condition, direction=1)
    assert int(sj.solve_ode(fall, (0.0, 5.0), DROP, (0.8,), events=[BALL, never]).event.n) == 4


def test_jumps_that_bring_about_each_other():
    """A dose that fills a tank, whose overflow valve opens at once, and saved values after both."""
    fill = sj.Event(lambda t, y, args: t - 0.5, lambda t, y, args: y + 2.0)
    valve = sj.Event(lambda t, y, args: y - 1.5, lambda t, y, args: 0.25 * y, direction=1)
    sol = sj.solve_ode(lambda t, y, args: 0 * y, (0.0, 1.0), 1.0, events=[fill, valve], save=[0.25, 0.5, 0.75])
    assert sol.event.t[:2].tolist() == [0.5, 0.5] and sol.event.which[:2].tolist() == [0, 1]
    assert sol.event.y[:2].tolist() == [1.0, 3.0]
    assert sol.y.tolist() == [1.0, 0.75, 0.75]


def test_the_earliest_of_several_events_comes_first():
    late = sj.Event(lambda t, y, args: t - 0.52, terminate=False)
    early = sj.Event(lambda t, y, args: t - 0.51, terminate=False)
    sol = sj.solve_ode(decay, (0.0, 1.0), 1.0, events=[late, early], dt0=1.0, rtol=1e-2, atol=1e-2)
    assert sol.event.which[:2].tolist() == [1, 0]
    np.testing.assert_allclose(sol.event.t[:2], [0.51, 0.52], rtol=1e-15)


def test_a_terminating_event_ends_the_solve():
    ground = sj.Event(height)
    sol = sj.solve_ode(fall, (0.0, 9.0), DROP, (0.8,), events=ground, save={"end": None, "dense": sj.Dense(16)})
    assert sol.result == sj.RESULT.event_occurred and bool(sol.success)
    assert float(sol.t["end"]) == pytest.approx(1.0, rel=1e-14)
    np.testing.assert_allclose(sol.y["end"], [0.0, -G], atol=1e-13)
    with pytest.raises(ValueError, match="but the solve covers"):
        sol(1.1)


def test_an_effect_and_an_end():
    last = sj.Event(height, rebound, direction=-1, terminate=True)
    sol = sj.solve_ode(fall, (0.0, 9.0), DROP, (0.5,), events=last)
    assert sol.result == sj.RESULT.event_occurred
    np.testing.assert_allclose(sol.y, [0.0, 0.5 * G], atol=1e-13)
    np.testing.assert_allclose(sol.event.y[0], [0.0, -G], atol=1e-13)


def test_an_event_at_the_end_of_the_span():
    half = sj.Event(lambda t, y, args: t - 0.5)
    for t1 in (0.5, 1.0):
        sol = sj.solve_ode(decay, (0.0, t1), 1.0, events=half)
        assert sol.result == sj.RESULT.event_occurred
        assert float(sol.t) == pytest.approx(0.5, rel=1e-15) and int(sol.event.n) == 1


def test_a_condition_that_starts_at_zero():
    """It counts from the sign of its derivative along the flow: sin t leaves zero upwards, and comes back at pi."""
    event = sj.Event(lambda t, y, args: y)
    sol = sj.solve_ode(lambda t, y, args: jnp.cos(t), (0.0, 5.0), 0.0, events=event, rtol=1e-10, atol=1e-10)
    assert float(sol.t) == pytest.approx(np.pi, abs=1e-8)
    assert int(sol.event.n) == 1


def test_conditions_without_a_sign_change():
    """Zero for ever, never zero, and NaN: no event."""
    conditions = (lambda t, y, args: 0 * y, lambda t, y, args: y + 5, lambda t, y, args: jnp.log(y - 9))
    sol = sj.solve_ode(decay, (0.0, 1.0), 1.0, events=[sj.Event(condition) for condition in conditions])
    assert sol.result == sj.RESULT.successful and int(sol.event.n) == 0


def test_a_condition_that_leaves_its_domain():
    """sqrt is NaN once its argument is negative; times stay finite."""
    event = sj.Event(lambda t, y, args: jnp.sqrt(y) - 0.5, terminate=False)
    sol = sj.solve_ode(lambda t, y, args: -1.0 + 0 * y, (0.0, 2.0), 1.0, events=event, dt_max=0.05)
    assert sol.event.t[: int(sol.event.n)].tolist() == [pytest.approx(0.75, rel=1e-10)]
    assert float(sol.t) == 2.0


def test_a_flight_inside_one_step_is_not_stepped_over():
    """The error of a parabola is zero, and steps grow: the conditions are sampled inside them."""
    event = sj.Event(lambda t, y, args: y[0] - 4.0, terminate=False)
    sol = sj.solve_ode(fall, (0.0, 2.0), jnp.array([0.1, 9.0]), (1.0,), events=event)
    roots = np.roots([-G / 2, 9.0, 0.1 - 4.0])
    assert int(sol.event.n) == 2
    np.testing.assert_allclose(sol.event.t[:2], np.sort(roots), rtol=1e-13)


def test_backwards_in_time():
    """A ball thrown back in time bounces at the mirrored times."""
    sol = sj.solve_ode(fall, (0.0, -4.95), DROP, (0.8,), events=sj.Event(height, rebound, direction=-1))
    times, _ = bounces(5.0, 0.8, 4.95)
    np.testing.assert_allclose(sol.event.t[: int(sol.event.n)], -times, rtol=1e-13)


@pytest.mark.parametrize("t1", [10.0, -10.0])
@pytest.mark.parametrize("direction", [-1, 0, 1])
def test_what_has_happened_does_not_happen_again(t1, direction):
    """cos t seen both ways from zero: falling first, whichever way time runs."""
    event = sj.Event(value, direction=direction, terminate=False)
    sol = sj.solve_ode(cosine, (0.0, t1), 1.0, events=event, rtol=1e-10, atol=1e-10)
    zeros = np.sign(t1) * np.pi * np.array([0.5, 1.5, 2.5])
    wanted = {0: zeros, -1: zeros[::2], 1: zeros[1::2]}[direction]
    assert int(sol.event.n) == len(wanted)
    np.testing.assert_allclose(sol.event.t[: len(wanted)], wanted, atol=1e-8)


DOSE = sj.Event(lambda t, y, args: t - args, lambda t, y, args: y + 1)


def still(t, y, args):
    return 0 * y


@pytest.mark.parametrize("span", [(1.0, 0.0), (0.0, -1.0), (100.0, 0.0), (-3.0, 4.0)])
def test_a_dose_is_given_once(span):
    for fraction in (0.1, 0.37, 0.5, 0.9):
        at = span[0] + fraction * (span[1] - span[0])
        sol = sj.solve_ode(still, span, 0.0, at, events=DOSE)
        assert float(sol.y) == 1.0 and int(sol.event.n) == 1


def test_lanes_have_their_own_events():
    rs = np.array([0.8, 0.3, 0.55])
    options = {"max_events": 8, "throw": False}
    lanes = jax.vmap(lambda r: drop(r, 3.5, **options))(rs)
    for i, r in enumerate(rs):
        one = drop(r, 3.5, **options)
        n = int(one.event.n)
        assert int(lanes.event.n[i]) == n
        assert bool(lanes.success[i]) == bool(one.success)
        np.testing.assert_allclose(lanes.event.t[i, :n], one.event.t[:n], rtol=1e-12)
        np.testing.assert_allclose(lanes.y[i], one.y, atol=1e-11)


def test_the_log_says_what_happened():
    """Times, which event, states before the effect, and nothing beyond n."""
    names = [sj.Event(height, rebound, direction=-1), sj.Event(lambda t, y, args: y[1], terminate=False, direction=-1)]
    sol = sj.solve_ode(fall, (0.0, 3.0), DROP, (0.8,), events=names, max_events=10)
    times, speeds = bounces(5.0, 0.8, 3.0)
    tops = times + speeds / G
    assert isinstance(sol.event, sj.EventLog)
    n = int(sol.event.n)
    wanted = sorted([(t, 0) for t in times] + [(t, 1) for t in tops if t < 3.0])
    assert [
        (pytest.approx(float(t), rel=1e-12), int(k)) for t, k in zip(sol.event.t[:n], sol.event.which[:n], strict=True)
    ] == wanted
    assert sol.event.t.shape == (10,) and sol.event.y.shape == (10, 2)
    assert sj.solve_ode(decay, (0.0, 1.0), 1.0).event is None


def test_constant_and_equal_steps_find_events_too():
    options = {"method": sj.RK4(), "save": sj.Steps()}
    dt = drop(0.8, 2.0, dt=0.25, **options)
    equal = drop(0.8, 2.0, steps=8, **options)
    for sol in (dt, equal):
        assert float(sol.event.t[0]) == pytest.approx(1.0, rel=1e-13)
        np.testing.assert_allclose(sol.y[int(sol.n) - 1], [8 * 1.0 - 5, 8 - 10.0], atol=1e-11)
    # the grid goes on after an event
    grid = np.unique(np.round(np.append(np.linspace(0, 2, 9), 1.0), 9))
    np.testing.assert_allclose(np.unique(np.round(equal.t[: int(equal.n)], 9)), grid)


@pytest.mark.float32
def test_float32_events():
    times, _ = bounces(5.0, 0.8, 3.0)
    sol = sj.solve_ode(fall, (0.0, 3.0), DROP.astype(jnp.float32), (0.8,), events=[BALL], rtol=1e-5, max_events=10)
    assert sol.event.t.dtype == jnp.float32
    np.testing.assert_allclose(sol.event.t[: int(sol.event.n)], times, rtol=1e-5)


# Gradients. p = (restitution, height, gravity)

P = np.array([0.8, 5.0, 10.0])


# exact for parabolas, and so is its cubic interpolant; few stages compile quickly, but its estimate is Euler's error,
# for which it takes 8,300 steps
HEUN = {"method": sj.Heun(), "max_steps": 10_000}


def thrown(p, gradient):
    ball = sj.Event(height, lambda t, y, args: jnp.stack([y[0], -args[0] * y[1]]), direction=-1)
    field = lambda t, y, args: jnp.stack([y[1], -args[1] + 0 * y[1]])  # noqa: E731
    y0 = jnp.stack([p[1], 0 * p[1]])
    return sj.solve_ode(field, (0.0, 4.0), y0, (p[0], p[2]), events=[ball], gradient=gradient, max_events=8, **HEUN)


def flown(p):
    """The exact times of the first three impacts, and the state at t = 4, after them."""
    r, h, g = p
    first = jnp.sqrt(2 * h / g)
    v = jnp.sqrt(2 * h * g)
    times = jnp.stack([first, first + 2 * r * v / g, first + 2 * (r + r**2) * v / g])
    s, u = 4.0 - times[2], r**3 * v
    return times, jnp.stack([u * s - g / 2 * s**2, u - g * s])


def seen(p, gradient):
    sol = thrown(p, gradient)
    return jnp.concatenate([sol.event.t[:3], sol.y, sol.event.y[:3, 1]])


def wanted(p):
    times, y = flown(p)
    v = jnp.sqrt(2 * p[1] * p[2])
    return jnp.concatenate([times, y, -v * p[0] ** jnp.arange(3)])


def test_gradients_know_when_events_happen():
    """Event times, states before and after, against the derivatives of the closed form."""
    exact = jax.jacfwd(wanted)(jnp.asarray(P))
    for derive, gradient in ((jax.jacfwd, sj.Forward()), (jax.jacrev, sj.Recorded())):
        jacobian, values = jax.jit(derive(lambda p, how=gradient: (seen(p, how),) * 2, has_aux=True))(P)
        np.testing.assert_allclose(values, wanted(P), rtol=1e-12)
        np.testing.assert_allclose(jacobian, exact, rtol=1e-10)


@pytest.mark.slow
def test_second_derivatives_know_when_events_happen():
    weights = jnp.array([0.3, 0.1, -0.2, 0.4, 0.1])

    def loss(p):
        sol = thrown(p, None)
        return weights[:3] @ sol.event.t[:3] + weights[3:] @ sol.y

    def exact(p):
        times, y = flown(p)
        return weights[:3] @ times + weights[3:] @ y

    hessian = jax.jit(jax.jacfwd(jax.grad(loss)))(jnp.asarray(P))
    np.testing.assert_allclose(hessian, jax.hessian(exact)(jnp.asarray(P)), rtol=1e-8, atol=1e-10)


def test_the_gradient_of_an_ending():
    """exp(-k t) = c ends at log(1/c)/k; under vmap and jit."""

    def end(k, c):
        event = sj.Event(lambda t, y, args: y - args[1])
        sol = sj.solve_ode(
            lambda t, y, args: -args[0] * y, (0.0, 9.0), 1.0, (k, c), events=event, rtol=1e-11, atol=1e-11
        )
        return sol.t

    ks = jnp.array([0.7, 1.3])
    t, (dk, dc) = jax.jit(jax.vmap(jax.value_and_grad(end, (0, 1)), (0, None)))(ks, 0.3)
    np.testing.assert_allclose(t, -np.log(0.3) / ks, rtol=1e-9)
    np.testing.assert_allclose(dk, np.log(0.3) / ks**2, rtol=1e-7)
    np.testing.assert_allclose(dc, -1 / (0.3 * ks), rtol=1e-7)


@pytest.mark.parametrize("gradient", [sj.Recorded(), sj.Forward()], ids=["Recorded", "Forward"])
def test_the_gradient_of_an_event_that_a_jump_brings_about(gradient):
    """A dose at time a lifts y over its limit; the valve lets the share q out at that same time."""

    def end(p):
        dose = sj.Event(lambda t, y, args: t - args[0], lambda t, y, args: y + args[1])
        valve = sj.Event(lambda t, y, args: y - 1.5, lambda t, y, args: y - args[2] * y**2, direction=1)
        sol = sj.solve_ode(decay, (0.0, 1.0), 0.5, p, events=[dose, valve], rtol=1e-11, atol=1e-11, gradient=gradient)
        return jnp.stack([sol.y, sol.event.t[1], sol.event.y[1]])

    def exact(p):
        a, d, q = p
        full = 0.5 * jnp.exp(-a) + d
        return jnp.stack([(full - q * full**2) * jnp.exp(a - 1), a, full])

    p = jnp.array([0.4, 2.0, 0.2])
    derive = jax.jacfwd if isinstance(gradient, sj.Forward) else jax.jacrev
    jacobian, values = jax.jit(derive(lambda p: (end(p),) * 2, has_aux=True))(p)
    np.testing.assert_allclose(values, exact(p), rtol=1e-8)
    np.testing.assert_allclose(jacobian, jax.jacfwd(exact)(p), rtol=1e-8, atol=1e-9)


def test_the_gradient_of_dose_times():
    """A dose at time a is worth d exp(a - 1) at the end: its derivative sees the shift of the event."""

    def end(a, d):
        event = sj.Event(lambda t, y, args: t - args[0], lambda t, y, args: y + args[1], direction=1)
        return sj.solve_ode(decay, (0.0, 1.0), 0.5, (a, d), events=event, rtol=1e-11, atol=1e-11).y

    got = jax.grad(end, (0, 1))(0.4, 2.0)
    np.testing.assert_allclose(got, [2 * np.exp(-0.6), np.exp(-0.6)], rtol=1e-8)


@pytest.mark.parametrize("affect", [None, lambda t, y, args: 0.9 * y])
def test_the_log_is_written_in_place(affect):
    """A copy of it at every event would cost more than the event."""
    event = sj.Event(value, affect, direction=1, terminate=False)
    solve = lambda y0: sj.solve_ode(cosine, (0.0, 20.0), y0, events=[event], max_events=976, throw=False).event  # noqa: E731
    text = jax.jit(solve).lower(1.0).compile().as_text()
    assert "[977" in text
    assert re.findall(r"\[977(?:,\d+)?\]\S* copy\(", text) == []


def test_events_that_take_turns_accumulate():
    """A wall that closes on another, a ball between them, thrown back at one speed: the gap halves with every turn."""

    def between(t, y, args):
        return jnp.stack([y[1], 0 * y[1]])

    low = sj.Event(lambda t, y, args: y[0], lambda t, y, args: jnp.stack([y[0], jnp.abs(y[1])]), direction=-1)
    high = sj.Event(lambda t, y, args: y[0] - (1 - t), lambda t, y, args: jnp.stack([y[0], 0 * y[1] - 3]), direction=1)
    sol = sj.solve_ode(between, (0.0, 2.0), jnp.array([0.5, 1.0]), events=[low, high], max_events=500, throw=False)
    assert sol.result == sj.RESULT.events_accumulate
    assert float(sol.t) == pytest.approx(1.0, abs=1e-9) and int(sol.event.n) > 10
    assert set(np.asarray(sol.event.which[: int(sol.event.n)]).tolist()) == {0, 1}
