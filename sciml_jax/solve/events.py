"""Events: sign changes along the solution, found on the interpolant; the solve ends there or jumps and goes on."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..core import empty_rows, when, while_loop, write_row
from .method import Method, MethodState
from .problem import Problem, State, Time

_SAMPLES = (0.25, 0.5, 0.75, 1.0)  # where conditions are looked at inside a step


class Event(eqx.Module):
    """A sign change of `condition(t, y, args)`, a real number, along the solution.

    - `affect`: `affect(t, y, args) -> y` is applied at the event, and the solve goes on; `None` leaves the state.
    - `direction`: +1 for changes from minus to plus only, -1 for plus to minus, 0 for both.
    - `terminate`: whether the solve ends there. By default it does where there is no `affect`.

    The time is found to rounding on the method's interpolant, so that its accuracy is the interpolant's; conditions
    are looked at four times a step. A condition that is zero at the start counts from the sign of its derivative
    along the flow. Gradients include the shift of the event time. Cost: four evaluations of the interpolant and of
    the condition a step, about sixty more at an event.

    >>> import sciml_jax as sj
    >>> fall = lambda t, y, args: {"height": y["speed"], "speed": -9.81 + 0 * y["speed"]}
    >>> ground = sj.Event(lambda t, y, args: y["height"], direction=-1)
    >>> sol = sj.solve_ode(fall, (0.0, 10.0), {"height": 1.0, "speed": 0.0}, events=[ground])
    >>> abs(float(sol.t) - (2 / 9.81) ** 0.5) < 1e-6
    True
    """

    condition: Callable
    affect: Callable | None = None
    direction: int = eqx.field(default=0, static=True)
    terminate: bool | None = eqx.field(default=None, static=True)

    def __check_init__(self):
        if self.direction not in (-1, 0, 1):
            raise ValueError(f"direction of an Event must be -1, 0 or 1; got {self.direction!r}")

    @property
    def terminates(self) -> bool:
        """Whether the solve ends at this event."""
        return self.affect is None if self.terminate is None else self.terminate


class EventLog(NamedTuple):
    """Events in the order of time: times, which event of the list, the states before `affect`, and how many."""

    t: Float[Array, " capacity"]
    index: Int[Array, " capacity"]
    y: State
    n: Int[Array, ""]


class Hit(NamedTuple):
    """The first event of a step: which one (-1: none) and when; `signs` are those of all conditions before it."""

    index: Int[Array, ""]
    t: Time
    signs: Int[Array, " events"]
    size: Float[Array, " events"]


Events = tuple[Event, ...]


def conditions(events: Events, problem: Problem, t: Time, y: State) -> Float[Array, " events"]:
    """The values of all conditions at (t, y)."""
    values = [jnp.asarray(event.condition(t, y, problem.args), t.dtype).reshape(()) for event in events]
    return jnp.stack(values)


def slopes(events: Events, problem: Problem, t: Time, y: State) -> Float[Array, " events"]:
    """Their derivatives along the flow."""
    flow = (jnp.ones_like(t), problem.evaluate(t, y))
    return jax.jvp(lambda t, y: conditions(events, problem, t, y), (t, y), flow)[1]


def _sign(x) -> Int[Array, "..."]:
    return jnp.sign(x).astype(jnp.int32)


def first_signs(events: Events, problem: Problem, t: Time, y: State) -> Int[Array, " events"]:
    """The signs at the start: a condition that is zero has the sign of its derivative."""
    values = conditions(events, problem, t, y)
    return jnp.where(values == 0, _sign(slopes(events, problem, t, y)), _sign(values))


def new_log(capacity: int, t: Time, y: State) -> tuple[Int[Array, ""], tuple]:
    """The counter and the buffers of an empty log."""
    return jnp.int32(0), empty_rows(capacity, (t, jnp.int32(0), y))


def log_event(counter, buffers, hit: Hit, y: State, on):
    """The log with one more event where `on`."""
    return counter + on, write_row(buffers, (hit.t, hit.index, y), counter, on)


def find(events: Events, problem: Problem, method: Method, dense, t: Time, t_right: Time, signs, on) -> Hit:
    """The earliest sign change in a step, by bisection to rounding inside the first sample interval that has one.

    `signs` are the conditions' signs at `t` (0: not yet known). `dense` is prepared.
    """
    wanted = jnp.asarray(np.array([event.direction for event in events], np.int32))
    h = t_right - t
    nodes = [t] + [t + s * h for s in _SAMPLES[:-1]] + [t_right]
    size = jnp.zeros((len(events),), t.dtype)
    before, found, left, right = signs, jnp.zeros((len(events),), bool), t, t_right
    for a, b in zip(nodes[:-1], nodes[1:], strict=True):
        values = conditions(events, problem, b, method.interpolate(dense, t, t_right, b))
        size = jnp.maximum(size, jnp.abs(values))
        changed = (before != 0) & (_sign(values) != before) & ((wanted == 0) | (wanted == -before))
        new = changed & ~jnp.any(found) & on
        left, right = jnp.where(jnp.any(new), a, left), jnp.where(jnp.any(new), b, right)
        # signs stay as they were before the interval with the first event
        before = jnp.where(jnp.any(found | new) | (values == 0), before, _sign(values))
        found = found | new

    def locate(state, _, on):
        return _bisect(events, problem, method, dense, t, t_right, left, right, before, found, on), ()

    none = jnp.full((len(events),), t_right)
    times, _ = when(jnp.any(found), locate, none, ())
    index = jnp.argmin(jnp.where(found, direction_of(h) * times, jnp.inf)).astype(jnp.int32)
    return Hit(jnp.where(jnp.any(found), index, -1), times[index], before, size)


def direction_of(h: Time) -> Time:
    """+1 or -1, the direction of time in a step; +1 in one of no length."""
    return jnp.where(h < 0, -1.0, 1.0).astype(h.dtype)


def _bisect(events, problem, method, dense, t, t_right, left, right, before, found, on):
    """The time of each event that was found; bisection, because a value that is zero to rounding at the left end
    (a ball that has just bounced) would mislead a secant."""
    n = len(events)

    def middle(lo, hi):
        return lo + 0.5 * (hi - lo)

    def active(state):
        lo, hi, k = state
        mid = middle(lo, hi)
        return on & jnp.any(found & (mid != lo) & (mid != hi)) & (k < 200)

    def halve(state, _, on):
        lo, hi, k = state
        mid = middle(lo, hi)
        values = [
            jnp.asarray(e.condition(m, method.interpolate(dense, t, t_right, m), problem.args), t.dtype).reshape(())
            for e, m in zip(events, mid, strict=True)
        ]
        past = _sign(jnp.stack(values)) != before
        return (jnp.where(past, lo, mid), jnp.where(past, mid, hi), k + 1), ()

    start = (jnp.full((n,), left), jnp.full((n,), right), jnp.int32(0))
    (_, hi, _), _ = while_loop(active, halve, start, ())
    return hi


class Jump(NamedTuple):
    """The state just before and after an event, its time as a differentiable number, and the method's new state."""

    t: Time
    y_before: State
    y: State
    state: MethodState


def jump(
    events: Events, problem: Problem, method: Method, dense, t: Time, t_right: Time, index, t_event: Time, state
) -> Jump:
    """What happens at an event whose time is known to be `t_event`; derivatives see the time move.

    The implicit function theorem as two Newton steps from a constant root: exact in first and second derivatives.
    """

    def value(event: Event):
        return lambda s: jnp.asarray(
            event.condition(s, method.interpolate(dense, t, t_right, s), problem.args), t.dtype
        ).reshape(())

    def shifted(event: Event):
        condition = value(event)
        start = jax.lax.stop_gradient(t_event)
        residual = jax.lax.stop_gradient(condition(start))
        s = start
        for _ in range(2):
            g, slope = jax.jvp(condition, (s,), (jnp.ones_like(s),))
            flat = slope == 0  # a touch: the time has no derivative
            s = s - jnp.where(flat, 0.0, (g - residual) / jnp.where(flat, 1.0, slope))
        return s

    def happen(event: Event):
        def apply():
            s = shifted(event)
            before = method.interpolate(dense, t, t_right, s)
            after = before if event.affect is None else event.affect(s, before, problem.args)
            return s, before, after

        return apply

    s, before, after = jax.lax.switch(jnp.maximum(index, 0), [happen(event) for event in events])
    return Jump(s, before, after, method.restart(problem, s, after, state))


def signs_after(events: Events, problem: Problem, hit: Hit, t: Time, y: State) -> Int[Array, " events"]:
    """The signs to search on with after an event.

    A value that is zero to rounding takes the sign of its derivative where that event has just happened (the next
    one is strictly later), and the sign it had where it has not (simultaneous events follow one another).
    """
    values = conditions(events, problem, t, y)
    rate = slopes(events, problem, t, y)
    happened = jnp.arange(len(events)) == hit.index
    zero = jnp.abs(values) <= 100 * jnp.finfo(t.dtype).eps * hit.size
    return jnp.where(zero, jnp.where(happened, _sign(rate), hit.signs), _sign(values))


def terminating(events: Events, index: Int[Array, ""]) -> Bool[Array, ""]:
    """Whether the event `index` (-1: none) ends the solve."""
    flags = np.array([event.terminates for event in events])
    return (index >= 0) & jnp.asarray(flags)[jnp.maximum(index, 0)]


