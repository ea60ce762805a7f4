"""The driver's piece for delay equations: keeps the steps taken and follows breaking points."""

from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from ...core import empty_rows, read_row, write_row
from ..events import Event
from ..job import Job
from ..method import Method, Step
from ..problem import State, Time, beside
from ..saving import StepView
from ..step_end import PLAIN, RESTARTED
from .breaks import Breaks, add_break, as_breaks, first_breaks, rounding
from .history import History, Kept
from .method_of_steps import MethodOfSteps


class Counters(NamedTuple):
    """How many steps and breaking points there are, and whether a lag reached back beyond the steps that are kept."""

    steps: Int[Array, ""]
    breaks: Int[Array, ""]
    lost: Bool[Array, ""]


class Crossing(eqx.Module):
    """The condition of the event that a varying lag passes a breaking point: in a step that looks back at the stretch
    around `here`, or at a single time (`None`)."""

    field: Any
    lag: int = eqx.field(static=True)
    breaks: Breaks
    order: int = eqx.field(static=True)
    here: Time | None = None

    def __call__(self, t: Time, y: State, args: PyTree) -> Time:
        s = t - self.field.lag(self.lag, t, y, args)
        return (
            self.breaks.distance(s, self.order) if self.here is None else self.breaks.within(s, self.here, self.order)
        )


class Memory(eqx.Module):
    """What a solve of a delay equation remembers.

    - `marks`: breaking points that are known before the solve. `levels`: the derivatives that jump there.
    - `capacity`: steps kept. `order`: of the method: jumps in higher derivatives do not matter to it.
    - `events`: how many events the user has given; those of varying lags come after them.
    - `whole`: whether every step must be kept, for a gradient.
    """

    marks: Float[Array, " k"]
    levels: tuple[int, ...] = eqx.field(static=True)
    capacity: int = eqx.field(static=True)
    order: int = eqx.field(static=True)
    events: int = eqx.field(static=True)
    whole: bool = eqx.field(static=True, default=False)

    def recorded(self, method: MethodOfSteps) -> "Memory":
        """The memory of a solve whose steps are pulled back one by one."""
        if method.inner.encloses:
            raise ValueError(
                "gradient=sj.Recorded() goes backwards through delay equations by methods whose steps are one straight "
                f"program, and not by sj.{type(method.inner).__name__}: give method=sj.Tsit5(), for stiff equations "
                "sj.Rodas5P(), sj.BDF() or sj.Radau5(), or gradient=sj.Forward()"
            )
        return replace(self, whole=True)

    def method(self, method: Method) -> Method:
        """The method for steps that may look into themselves."""
        return MethodOfSteps(method)

    def init(self, job: Job, dense: PyTree) -> tuple[Counters, tuple]:
        """Counters and buffers before the first step; `dense` is abstract."""
        t = job.t0
        n, breaks = first_breaks(self.marks, self.levels)
        signs = jnp.zeros((len(job.events),), jnp.int32) if _delayed(job).varying else ()
        rows = empty_rows(self.capacity, (t, signs)), empty_rows(self.capacity, (t, t, dense)), breaks
        return Counters(jnp.int32(0), n, jnp.asarray(False)), rows

    def at(
        self, job: Job, t: Time, y: State, signs: Any, counters: Counters, buffers: tuple, times=None, taps=None
    ) -> Job:
        """The job as it stands at (t, y): its field sees the past, its stops and events are those of the lags.

        `times`: those of the breaking points as numbers that derivatives move; `taps`: see `Taps`.
        """
        starts, steps, rows = buffers
        breaks = as_breaks(counters.breaks, rows)
        if times is not None:
            breaks = breaks._replace(times=jnp.where(breaks.used, times, -jnp.inf))
        kept = Kept(starts, steps, counters.steps)
        field = _delayed(job)
        places = [self._place(job, j, t, y, signs, breaks) for j in range(len(field.lags))]
        segments = tuple(jax.lax.stop_gradient(breaks.between(place)) for place in places)
        signs = signs if field.varying and signs is not None else ()
        history = History(job.method, kept, breaks, t, y, segments, signs=signs, taps=taps)
        events = job.events[: self.events] + self._crossings(field, breaks, places)
        stops = [] if job.step_to is None else [job.step_to]
        carried = self.stops(field, breaks)
        # sums of the same lags in another order: a step between them would have no length
        carried = jnp.where(carried - t <= rounding(t, t), -jnp.inf, carried)
        stops += [carried] if carried.shape[0] else []
        step_to = jnp.concatenate(stops) if stops else None
        return replace(seeing(job, history), events=events, step_to=step_to)

    def crossings(self, field: Any) -> tuple[Event, ...]:
        """The events of varying lags, as far as they are known before the solve."""
        return self._crossings(field, Breaks(jnp.zeros((0,)), jnp.zeros((0,), jnp.int32), jnp.zeros((0,), bool)))

    def _crossings(self, field: Any, breaks: Breaks, places: list[Time] | None = None) -> tuple[Event, ...]:
        """The events of varying lags, in a step that looks back around these places."""
        return tuple(
            Event(Crossing(field, j, breaks, self.order, None if places is None else places[j]), None, 0, False)
            for j in field.varying
        )

    def _place(self, job: Job, j: int, t: Time, y: State, signs: Any, breaks: Breaks) -> Time:
        """A time in the stretch without breaking points that lag j looks at from (t, y) on."""
        field = _delayed(job)
        s = t - field.lag(j, t, y, job.problem.args)
        s, breaks = jax.lax.stop_gradient((s, breaks))
        tolerance = rounding(t, s)
        if j not in field.varying:
            return breaks.snapped(s, tolerance)
        # at a breaking point to rounding: the sign of its event tells on which side of it the lag goes on
        place = breaks.nearest(s)
        here = breaks.times[place]
        matter = breaks.used & (breaks.levels <= self.order)
        below = jnp.sum(matter & (breaks.times < here))
        sign = 0 if signs is None else signs[self.events + field.varying.index(j)]
        # a lag that has stayed at one goes on from its right
        beyond = True if signs is None else (sign == 0) | (jnp.where(below % 2 == 0, -1, 1) == jnp.sign(sign))
        side = jnp.where(jnp.asarray(beyond), here, beside(here, -1))
        return jnp.where((jnp.abs(s - here) <= tolerance) & matter[place], side, s)

    def stops(self, field: Any, breaks: Breaks) -> Float[Array, " stops"]:
        """The times at which constant lags carry breaking points on; minus infinity where there is none."""
        matter = breaks.used & (breaks.levels <= self.order)
        times = [jnp.where(matter, breaks.times + lag, -jnp.inf) for lag in field.lags if not callable(lag)]
        return jnp.concatenate(times) if times else jnp.zeros((0,), breaks.times.dtype)

    def keep(
        self, job: Job, t_right: Time, step: Step, on, counters: Counters, buffers: tuple
    ) -> tuple[Job, Counters, tuple]:
        """The job with the step among those that can be looked up, where `on`; counters and buffers.

        This comes before anything else reads the buffers again: XLA would copy them, were they read after the write as
        they were before it.
        """
        starts, steps, rows = buffers
        history = _delayed(job).history
        slot = counters.steps % self.capacity
        signs = jnp.asarray(history.signs, jnp.int32) if _delayed(job).varying else ()
        starts = write_row(starts, (history.t, signs), slot, on)
        steps = write_row(steps, (history.t, t_right, step.dense), slot, on)
        counters = counters._replace(steps=counters.steps + on)
        job = seeing(job, history._replace(kept=Kept(starts, steps, counters.steps)))
        return job, counters, (starts, steps, rows)

    def after(self, job: Job, present=None) -> Job:
        """The job at the end of a step, where the method starts afresh: times are looked up from their right.

        `present`: the step as `(t_right, dense, True)`, where it has not been kept.
        """
        history = _delayed(job).history
        events = job.events[: self.events] + self._crossings(_delayed(job), history.breaks)
        return seeing(replace(job, events=events), history._replace(segments=None, present=present))

    def replay(self, job: Job, i, t: Time, y: State, kept: tuple[Counters, tuple], t_right=None, *moved) -> Job:
        """The job as it stood before step i, from what the whole solve has kept; as `at` does.

        The step looks into itself as it was in the end. `moved`: the times of breaking points, taps, and the step's
        own dense data, as numbers that derivatives move; like `t_right`, by default those that have been kept.
        """
        times, taps, dense = moved or (None, None, None)
        counters, (starts, steps, _) = kept
        signs = read_row(starts, i)[1]
        _, right, then = read_row(steps, i)
        job = self.at(job, t, y, signs, counters._replace(steps=i), kept[1], times, taps)
        present = (right if t_right is None else t_right, then if dense is None else dense, jnp.asarray(True))
        return seeing(job, _delayed(job).history._replace(present=present))

    def update(self, job: Job, view: StepView, code, counters: Counters, buffers: tuple) -> tuple[Counters, tuple]:
        """Counters and buffers after a step that was kept and ended with this code."""
        starts, steps, rows = buffers
        field = _delayed(job)
        kept, breaks = field.history.kept, field.history.breaks
        ends = [view.t_next - field.lag(j, view.t_next, view.y_next, job.problem.args) for j in range(len(field.lags))]
        level = self._level(job, field, breaks, view.t_next, ends, code)
        on = view.on & (code != PLAIN) & (level <= self.order)
        n, rows = add_break(counters.breaks, rows, breaks, view.t_next, level, on)
        beyond = self.whole | (jnp.min(jnp.stack(ends)) < kept.start(kept.oldest))
        gone = (kept.n > self.capacity) & beyond
        return Counters(counters.steps, n, counters.lost | (view.on & gone)), (starts, steps, rows)

    def _level(self, job: Job, field: Any, breaks: Breaks, t: Time, ends: list[Time], code) -> Int[Array, ""]:
        """The lowest derivative that jumps at the end of a step, at time t."""
        none = jnp.int32(self.order + 1)
        reached = jnp.abs(self.stops(field, breaks) - t) <= rounding(t, t)
        levels = jnp.tile(breaks.levels, reached.shape[0] // breaks.levels.shape[0])
        carried = jnp.min(jnp.where(reached, levels + 1, none), initial=self.order + 1)
        # a stop of the user's is where the field jumps, and with it the first derivative
        stopped = jnp.where(jnp.any(reached), carried, 1)
        level = jnp.where(code == RESTARTED, stopped, none)
        for k, event in enumerate(job.events[: self.events]):
            level = jnp.where(code == k, none if event.affect is None else 0, level)
        for k, j in enumerate(field.varying):
            level = jnp.where(code == self.events + k, breaks.levels[breaks.nearest(ends[j])] + 1, level)
        return level.astype(jnp.int32)


def _delayed(job: Job) -> Any:
    """The field of a delay equation, a `Delayed`."""
    return job.problem.field


def seeing(job: Job, history: History) -> Job:
    """The job whose field sees this past."""
    return replace(job, problem=replace(job.problem, field=replace(_delayed(job), history=history)))
