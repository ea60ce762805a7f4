"""Events: sign changes along the solution, found on the interpolant; the solve ends there or jumps and goes on."""

from collections.abc import Callable
from functools import partial, reduce
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..core import Rows, empty_rows, write_row
from .method import Method
from .problem import Problem, State, Time
from .roots import bracketed_root, direction_of

_SAMPLES = (0.25, 0.5, 0.75, 1.0)  # where conditions are looked at inside a step
_RECENT = 6  # events that are looked back at: those of several walls may take turns


class Event(eqx.Module):
    """A sign change of `condition(t, y, args)`, a real number, along the solution.

    - `affect`: `affect(t, y, args) -> y` is applied at the event, and the solve goes on; `None` leaves the state.
    - `direction`: +1 for changes from minus to plus only, -1 for plus to minus, 0 for both.
    - `terminate`: whether the solve ends there. By default it does where there is no `affect`.

    The time is found to rounding on the method's interpolant, so that its accuracy is the interpolant's. Conditions
    are looked at four times a step: where one oscillates faster, give `dt_max=`. A condition that is zero at the start
    counts from the sign of its derivative along the flow. One that another event's `affect` takes through zero makes
    its event happen at that same time. Gradients include the shift of the event time. Cost: four evaluations of the
    interpolant and of the condition a step, about sixty more at an event.

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
        if self.terminate not in (None, True, False):
            raise TypeError(f"terminate of an Event must be True, False or None; got {self.terminate!r}")

    @property
    def terminates(self) -> bool:
        """Whether the solve ends at this event."""
        return self.affect is None if self.terminate is None else self.terminate


class EventLog(NamedTuple):
    """The events of a solve in the order of time; what lies beyond the first `n` entries is zero.

    - `t`: their times. `which`: their places in `events=`. `y`: the states before `affect`, a leading axis of events.
    - `n`: how many happened.
    """

    t: Float[Array, " capacity"]
    which: Int[Array, " capacity"]
    y: State
    n: Int[Array, ""]


class Search(NamedTuple):
    """What looking at the conditions in a step found: the sample interval with the first sign change (the number of
    samples: none), the events that change there, the signs before it, and the values at the samples."""

    interval: Int[Array, ""]
    found: Bool[Array, " events"]
    signs: Int[Array, " events"]
    values: list[Float[Array, " events"]]

    @property
    def hit(self) -> Bool[Array, ""]:
        """Whether there is an event in the step."""
        return self.interval < len(_SAMPLES)


Events = tuple[Event, ...]

# A sign of this size: a jump has just taken the condition through zero, and its event happens at once. (Booleans of
# their own, carried through the loop, cost a tenth of a step.)
_DUE = 2


def conditions(events: Events, problem: Problem, t: Time, y: State) -> Float[Array, " events"]:
    """The values of all conditions at (t, y)."""
    values = [jnp.asarray(event.condition(t, y, problem.args), t.dtype).reshape(()) for event in events]
    return jnp.stack(values)


def slopes(events: Events, problem: Problem, t: Time, y: State, direction: Time) -> Float[Array, " events"]:
    """Their derivatives along the flow, in the direction of the solve."""
    flow = (jnp.ones_like(t), problem.derivative(t, y))
    return direction * jax.jvp(lambda t, y: conditions(events, problem, t, y), (t, y), flow)[1]


def _sign(x) -> Int[Array, "..."]:
    return jnp.sign(jnp.nan_to_num(x)).astype(jnp.int32)


def first_signs(events: Events, problem: Problem, t: Time, y: State, direction: Time) -> Int[Array, " events"]:
    """The signs at the start: a condition that is zero has the sign of its derivative."""
    values = conditions(events, problem, t, y)
    return jnp.where(values == 0, _sign(slopes(events, problem, t, y, direction)), _sign(values))


class Log(NamedTuple):
    """The log while it is written, and times and places of the last few events in turn.

    These lie apart, as the log would be copied, the whole of it, at every event that looks at it before it writes.
    """

    rows: Rows
    recent: Rows

    def write(self, hit: "Hit", t: Time, y: State, n: Int[Array, ""], on) -> "Log":
        """The log with its entry number n, where `on`."""
        rows = write_row(self.rows, (t, hit.which, y), n, on)
        return Log(rows, write_row(self.recent, (hit.t, hit.which), n % _RECENT, on))


def new_log(capacity: int, t: Time, y: State) -> tuple[Int[Array, ""], Log]:
    """The counter and the buffers of an empty log."""
    none = jnp.int32(0)
    return none, Log(empty_rows(capacity, (t, none, y)), empty_rows(_RECENT, (t, none)))


def sample(events: Events, problem: Problem, method: Method, dense, t: Time, t_right: Time) -> list[Array]:
    """The values of the conditions inside a step and at its end, from its prepared dense data.

    Cost: one evaluation of interpolant and conditions a sample, all samples at once.
    """
    states = method.samples(dense, t, t_right, _SAMPLES)
    return [conditions(events, problem, s, y) for s, y in zip(_nodes(t, t_right), states, strict=True)]


def quiet(values: list[Array], signs: Int[Array, " events"]) -> Bool[Array, ""]:
    """Whether all samples have the signs from before, so that there is nothing to look for in this step."""
    sign = jnp.where(jnp.abs(signs) == _DUE, 0, signs).astype(values[0].dtype)
    # not positive: changed, zero, NaN, or unknown before
    return jnp.all(reduce(jnp.minimum, [v * sign for v in values]) > 0)


def look(events: Events, values: list[Array], signs: Int[Array, " events"]) -> Search:
    """The first sign change among the samples of a step; `signs` are those before it (0: not yet known, ±2: changed by
    the jump at its left end)."""
    none = len(_SAMPLES)
    before, interval, signs_there = jnp.sign(signs), jnp.where(_due(signs), 0, none), signs
    for j in range(none):
        now = jnp.where(jnp.isnan(values[j]), before, _sign(values[j]))  # outside its domain a condition has no sign
        interval = jnp.where(_counts(events, before, now) & (interval == none), j, interval)
        before = jnp.where(now == 0, before, now)
    first = jnp.min(interval)
    for j in range(none):  # the signs before the first interval; without an event, those at the end of the step
        now = jnp.where(jnp.isnan(values[j]), 0, _sign(values[j]))
        signs_there = jnp.where((j < first) & (now != 0), now, signs_there)
    return Search(first, interval == first, signs_there, values)


def _due(signs: Int[Array, " events"]) -> Bool[Array, " events"]:
    return jnp.abs(signs) == _DUE


def _counts(events: Events, before, now) -> Bool[Array, " events"]:
    """Which changes of sign are events."""
    wanted = np.array([event.direction for event in events], np.int32)
    return (before != 0) & (now != before) & ((wanted == 0) | (wanted == -before))


class Hit(NamedTuple):
    """The first event of a step: which one, and when."""

    which: Int[Array, ""]
    t: Time


def locate(events: Events, problem: Problem, method: Method, dense, t: Time, t_right: Time, search: Search, on) -> Hit:
    """The earliest of the events that were found, its time to rounding."""
    ends = jnp.stack([t, *_nodes(t, t_right)])
    left, right = ends[search.interval], ends[jnp.minimum(search.interval + 1, len(_SAMPLES))]
    roots = []
    for k, event in enumerate(events):
        value = partial(_value, event, problem, method, dense, t, t_right)
        sign = search.signs[k]
        root = bracketed_root(value, left, right, sign, on & search.found[k] & ~_due(sign))
        roots.append(jnp.where(_due(sign), t, root))
    times = jnp.stack(roots)
    index = jnp.argmin(jnp.where(search.found, direction_of(t_right - t) * times, jnp.inf)).astype(jnp.int32)
    return Hit(index, times[index])


def _nodes(t: Time, t_right: Time) -> list[Time]:
    return [t + s * (t_right - t) for s in _SAMPLES[:-1]] + [t_right]


def _value(event: Event, problem: Problem, method: Method, dense, t: Time, t_right: Time, s: Time) -> Time:
    """The condition at time s of a step."""
    y = method.interpolate(dense, t, t_right, s)
    return jnp.asarray(event.condition(s, y, problem.args), t.dtype).reshape(())


class Jump(NamedTuple):
    """The state just before and after an event, and its time as a differentiable number."""

    t: Time
    y_before: State
    y: State


def jump(events: Events, problem: Problem, method: Method, dense, t: Time, t_right: Time, index, t_event: Time) -> Jump:
    """What happens at an event whose time is known to be `t_event`; derivatives see the time move.

    The implicit function theorem as two Newton steps from a constant root: exact in first and second derivatives.
    """

    def shifted(event: Event):
        condition = partial(_value, event, problem, method, dense, t, t_right)
        start = jax.lax.stop_gradient(t_event)
        residual = jax.lax.stop_gradient(condition(start))
        s = start
        for _ in range(2):
            g, slope = jax.jvp(condition, (s,), (jnp.ones_like(s),))
            flat = slope == 0  # a touch: the time has no derivative
            s = s - jnp.where(flat, 0.0, (g - residual) / jnp.where(flat, 1.0, slope))
        return jnp.where(t_event == t, t, s)  # an event that a jump at t brought about moves with that jump

    def happen(event: Event):
        def apply():
            s = shifted(event)
            before = method.interpolate(dense, t, t_right, s)
            after = before if event.affect is None else event.affect(s, before, problem.args)
            return s, before, after

        return apply

    return Jump(*jax.lax.switch(jnp.maximum(index, 0), [happen(event) for event in events]))


def signs_after(
    events: Events, problem: Problem, search: Search, index: Int[Array, ""], t: Time, y: State, direction: Time
) -> tuple[Int[Array, " events"], Bool[Array, ""]]:
    """The signs to search on with after an event, and whether its own condition is still zero to rounding.

    A value that is zero to rounding takes the sign of its derivative where that event has just happened (the next
    one is strictly later), and the sign it had where it has not (simultaneous events follow one another). An event
    whose condition the jump took through zero is due at once.
    """
    values = conditions(events, problem, t, y)
    rate = slopes(events, problem, t, y, direction)
    happened = jnp.arange(len(events)) == index
    size = jnp.max(jnp.abs(jnp.stack(search.values)), axis=0)
    zero = jnp.abs(values) <= 100 * jnp.finfo(t.dtype).eps * size
    before, now = jnp.sign(search.signs), _sign(values)
    crossed = ~happened & (now != 0) & _counts(events, before, now)
    signs = jnp.where(zero, jnp.where(happened, _sign(rate), before), jnp.where(crossed, _DUE * before, now))
    passed = happened & np.array([event.affect is None for event in events])  # the state goes on: so does the sign
    return jnp.where(passed & (before != 0), -before, signs), jnp.any(zero & happened)


def accumulates(log: Log, n: Int[Array, ""], hit: Hit) -> Bool[Array, ""]:
    """Whether this event was the last one too, or twice among the last few, within rounding of this time.

    There is then no time for what lies between: a ball that comes to rest is the example, whose impacts converge. (Of
    jumps at random times, whose condition is not zero any more after one, the next may come as soon as that.)
    """
    t, which = (x[:_RECENT] for x in log.recent.all())
    near = jnp.abs(hit.t - t) <= 64 * jnp.finfo(t.dtype).eps * jnp.abs(t)
    places = np.arange(_RECENT)
    same = (places < n) & (which == hit.which) & near
    return jnp.any(same & (places == (n - 1) % _RECENT)) | (jnp.sum(same) >= 2)


def terminating(events: Events, index: Int[Array, ""]) -> Bool[Array, ""]:
    """Whether the event `index` (-1: none) ends the solve."""
    flags = np.array([event.terminates for event in events])
    return (index >= 0) & jnp.asarray(flags)[jnp.maximum(index, 0)]
