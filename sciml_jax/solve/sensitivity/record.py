"""What the forward pass of a gradient keeps: every accepted time, and a thinned set of states."""

import math
from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from ...core import Rows, empty_rows, read_row, when, while_loop, write_row
from ..job import Job, Resume
from ..method import MethodState
from ..problem import State, Time
from ..saving import StepView
from ..step_end import PLAIN, advance


class Record(NamedTuple):
    """A finished recording: level of thinning, grid and snapshots.

    Row i of `grid` is `(t,)`, the time before step i; for solves that are cut by events or stops
    `(t, t_right, code)`, where row i + 1 also holds the time that step i was computed to and what ended it
    (`PLAIN`, `RESTARTED` or the event). Rows of `snapshots` are `(y, carry)`, where the recorder keeps some. `dt` is
    the method's first step size. `memory` is what a solve of a delay equation remembered.
    """

    level: Int[Array, ""]
    dt: Time
    grid: Rows
    snapshots: Any
    memory: Any = ()


class Recorder(eqx.Module):
    """Keeps what a backward pass needs, and says where each step began."""

    @abstractmethod
    def init(self, job: Job, t: Time, y: State, carry: PyTree, dt: Time) -> tuple[PyTree, PyTree]:
        """Counters and buffers before the first step."""

    @abstractmethod
    def update(self, step, view: StepView, code, carry, counters, buffers) -> tuple[PyTree, PyTree]:
        """Counters and buffers after a step."""

    @abstractmethod
    def begin(self, job: Job, end: Resume) -> tuple[PyTree, PyTree]:
        """Place and buffers of a backward pass from the end of the solve, to be handed to `before`."""

    @abstractmethod
    def before(
        self, job: Job, record: Record, end: Resume, i, place: PyTree, buffers: PyTree, on: Bool[Array, ""]
    ) -> tuple[tuple[State, PyTree], PyTree, PyTree]:
        """State and carry before step i, and the next place and buffers; steps are asked for from the last on."""


class Snapshots(Recorder):
    r"""Keeps accepted times and $K = 2^k$ snapshots.

    At level l, steps divisible by $2^l$ are kept, l being the smallest with $i / 2^l < K$. Step i goes to slot
    $\mathrm{rotl}_k(i / 2^l, l \bmod k)$: when the level rises, the steps that remain already lie in the right slots,
    and the new ones fall on those that have become superfluous. One row is written a step.
    """

    slots: int = eqx.field(static=True)
    cuts: bool = eqx.field(static=True)

    @property
    def bits(self) -> int:
        """k, with K = 2^k slots."""
        return self.slots.bit_length() - 1

    @staticmethod
    def sized(job: Job, cuts: bool, slots: int | None = None) -> "Snapshots":
        """A recorder whose snapshots and replayed segments together need the least memory; one that keeps every step
        of a delay equation, as its memory does."""
        if slots is None:
            most = most_steps(job)
            wanted = math.sqrt(2 * max(most, 1)) if job.memory is None else most + 1
            slots = 1 << max(1, math.ceil(math.log2(wanted)))
        return Snapshots(slots, cuts)

    def max_level(self, max_steps: int) -> int:
        """The level that a solve of `max_steps` steps ends at."""
        level = 0
        while (max_steps >> level) >= self.slots:
            level += 1
        return level

    def init(self, job: Job, t: Time, y: State, carry: PyTree, dt: Time) -> tuple[PyTree, PyTree]:
        row = (t, t, jnp.int32(PLAIN)) if self.cuts else (t,)
        grid = write_row(empty_rows(job.max_steps + 1, row), row, jnp.int32(0), True)
        snapshots = write_row(empty_rows(self.slots, (y, carry)), (y, carry), jnp.int32(0), True)
        return (jnp.int32(0), dt), (grid, snapshots)

    def slot(self, step: Int[Array, ""], level: Int[Array, ""]) -> Int[Array, ""]:
        """Where the snapshot of a step that is divisible by 2^level lies."""
        j, turn = step >> level, level % self.bits
        return ((j << turn) | (j >> (self.bits - turn))) & (self.slots - 1)

    def update(self, step, view: StepView, code, carry, counters, buffers):
        grid, snapshots = buffers
        row = (view.t_next, view.t_right, code) if self.cuts else (view.t_next,)
        grid = write_row(grid, row, step + 1, view.on)
        before, dt = counters
        level = before + ((step + 1) >= (self.slots << before))
        due = view.on & ((step + 1) & ((1 << level) - 1) == 0)
        snapshots = write_row(snapshots, (view.y_next, carry), self.slot(step + 1, level), due)
        return (jnp.where(view.on, level, before), dt), (grid, snapshots)

    def load(self, record: Record, step: Int[Array, ""]) -> tuple[State, PyTree]:
        """The snapshot (y, carry) before a step that is divisible by 2^level."""
        return read_row(record.snapshots, self.slot(step, record.level))

    def begin(self, job: Job, end: Resume) -> tuple[PyTree, PyTree]:
        """The number of the step that the loaded segment begins with, and room for a segment."""
        level = self.max_level(most_steps(job))
        return jnp.int32(-1), empty_rows(1 << level, (job.y0, end.method.carry)) if level else ()

    def before(self, job: Job, record: Record, end: Resume, i, place, buffers, on):
        if not self.max_level(most_steps(job)):
            return self.load(record, i), place, buffers
        place, segment = self._replay(job, record, end, i, place, buffers, on)
        return read_row(segment, i - place), place, segment

    def _replay(self, job: Job, record: Record, end: Resume, i, loaded, segment, on):
        """Fills the segment that holds step i with the states before its steps, unless it is there already."""
        start = (i >> record.level) << record.level

        def fill(_, segment, on):
            first = self.load(record, start)
            segment = write_row(segment, first, jnp.int32(0), on)

            def step(state, segment, on):
                j, y, carry = state
                t, t_right, t_next, code = times(record, j)
                state = MethodState(carry, end.method.cache)
                (_, y, carry, _), _ = advance(as_of(job, record, j, t, y), t, y, t_right, state, t_next, code)
                return (j + 1, y, carry), write_row(segment, (y, carry), j + 1 - start, on)

            _, segment = while_loop(lambda s: on & (s[0] < i), step, (start, *first), segment)
            return start, segment

        return when(on & (start != loaded), fill, loaded, segment)


def most_steps(job: Job) -> int:
    """The number of steps that a gradient goes through at most: a delay equation is to remember all of them."""
    return job.max_steps if job.memory is None else min(job.max_steps, job.memory.capacity)


def as_of(job: Job, record: Record, i, t: Time, y: State) -> Job:
    """The job as it stood before step i, at (t, y)."""
    return job if job.memory is None else job.memory.replay(job, i, t, y, record.memory)


def times(record: Record, i: Int[Array, ""]) -> tuple[Any, Any, Any, Any]:
    """Where step i starts, where it was computed to, where it ended, and why."""
    now, after = read_row(record.grid, i), read_row(record.grid, i + 1)
    if len(now) == 1:
        return now[0], after[0], after[0], jnp.int32(PLAIN)
    return now[0], after[1], after[0], after[2]
