"""What the forward pass of a gradient keeps: every accepted time, and a thinned set of states."""

import itertools
import math
from abc import abstractmethod
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from ...core import RESULT, Rows, either, empty_rows, read_row, trees, when, while_loop, write_row
from ..driver import drive
from ..job import Job, Outcome, Resume
from ..method import MethodState
from ..problem import State, Time
from ..saving import StepView
from ..step_end import PLAIN, advance

_LARGE = 1 << 23  # bytes of states that are kept to replay nothing twice


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

    Between two snapshots the states are replayed. Of $2^b$ steps or fewer all are kept, in a block; of more, first
    those before each block, then those of one block after another.
    """

    slots: int = eqx.field(static=True)
    cuts: bool = eqx.field(static=True)
    level: int = eqx.field(static=True)  # the highest
    block_bits: int = eqx.field(static=True)

    @property
    def bits(self) -> int:
        """k, with K = 2^k slots."""
        return self.slots.bit_length() - 1

    @staticmethod
    def sized(job: Job, cuts: bool, slots: int | None = None) -> "Snapshots":
        """A recorder that needs the least memory for snapshots and one block, or, of large states, also for segments
        of blocks; one that keeps every step of a delay equation, as its memory does."""
        most, blocks = job.recorded_steps, False
        if job.memory is not None:
            most = min(most, job.memory.capacity)
        if slots is None and job.memory is not None:
            slots = _power_of_two(most + 1)
        elif slots is None:
            slots = _power_of_two(math.sqrt(2 * most))
            blocks = 1.5 * slots * trees.bytes_of(job.y0) > _LARGE
            slots = _power_of_two(4 * math.cbrt(most)) if blocks else slots
        level = next(level for level in itertools.count() if (most >> level) < slots)
        return Snapshots(slots, cuts, level, min(level, slots.bit_length() - 2) if blocks else level)

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
        """The numbers of the steps that the loaded segment and block begin with, and room for both."""
        level, bits, row = self.level, self.block_bits, (job.y0, end.method.carry)
        segment = empty_rows(1 << (level - bits), row) if level > bits else ()
        block = empty_rows(1 << bits, row) if level else ()
        return (jnp.int32(-1), jnp.int32(-1)), (segment, block)

    def before(self, job: Job, record: Record, end: Resume, i, place, buffers, on):
        segment, block = buffers
        if block == ():
            return self.load(record, i), place, buffers
        (segment_start, block_start), bits = place, jnp.minimum(record.level, self.block_bits)
        start = (i >> bits) << bits
        first = self.load(record, start)
        if segment != ():
            # the snapshot at the start of a segment of blocks, or that of a block itself
            outer, apart = (i >> record.level) << record.level, record.level > self.block_bits
            replay = partial(self._replay, job, record, end, self.load(record, outer), outer, start, self.block_bits)
            missing = on & apart & (outer != segment_start)
            segment_start, segment = when(missing, lambda _, rows, on: replay(rows, on), segment_start, segment)
            row = read_row(segment, jnp.where(apart, (start - outer) >> self.block_bits, 0))
            first = jax.tree.map(lambda kept, loaded: jnp.where(apart, kept, loaded), row, first)
        replay = partial(self._replay, job, record, end, first, start, i, 0)
        missing = on & (start != block_start)
        block_start, block = when(missing, lambda _, rows, on: replay(rows, on), block_start, block)
        return read_row(block, i - block_start), (segment_start, block_start), (segment, block)

    def _replay(self, job: Job, record: Record, end: Resume, first, start, stop, bits: int, rows: Rows, on):
        """Steps from `start`, before which the state is `first`, to `stop`, and writes the states before every
        2^bits-th step; returns `start` too."""
        rows = write_row(rows, first, jnp.int32(0), on)

        def step(state, rows, on):
            j, y, carry = state
            t, t_right, t_next, code = times(record, j)
            state = MethodState(carry, end.method.cache)
            (_, y, carry, _), _ = advance(as_of(job, record, j, t, y), t, y, t_right, state, t_next, code)
            done = j + 1 - start
            due = on & (done & ((1 << bits) - 1) == 0)
            return (j + 1, y, carry), write_row(rows, (y, carry), done >> bits, due)

        _, rows = while_loop(lambda s: on & (s[0] < stop), step, (start, *first), rows)
        return start, rows


def _power_of_two(least: float) -> int:
    """The first power of two, from 2 on, that is not less."""
    return 1 << max(1, math.ceil(math.log2(max(least, 1))))


def recorded(job: Job, recorder: Recorder) -> tuple[Outcome, Any]:
    """The outcome of a solve that keeps what `recorder` does, and this; it ends where there is no room for more."""
    outcome, kept = drive(replace(job, max_steps=job.recorded_steps), recorder)
    if job.recorded_steps < job.max_steps:
        full = outcome.result == RESULT.max_steps_reached
        outcome = outcome._replace(result=either(full, RESULT.record_capacity_reached, outcome.result))
    return outcome, kept


def as_of(job: Job, record: Record, i, t: Time, y: State) -> Job:
    """The job as it stood before step i, at (t, y)."""
    return job if job.memory is None else job.memory.replay(job, i, t, y, record.memory)


def times(record: Record, i: Int[Array, ""]) -> tuple[Any, Any, Any, Any]:
    """Where step i starts, where it was computed to, where it ended, and why."""
    now, after = read_row(record.grid, i), read_row(record.grid, i + 1)
    if len(now) == 1:
        return now[0], after[0], after[0], jnp.int32(PLAIN)
    return now[0], after[1], after[0], after[2]
