"""What the forward pass of a recorded gradient keeps: every accepted time, and a thinned set of states."""

import math
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

from ...core import Rows, empty_rows, read_row, write_row
from ..job import Job
from ..problem import State, Time
from ..saving import StepView
from ..step_end import PLAIN


class Record(NamedTuple):
    """A finished recording: level of thinning, grid and snapshots.

    Row i of `grid` is `(t,)`, the time before step i; for solves that are cut by events or stops
    `(t, t_right, code)`, where row i + 1 also holds the time that step i was computed to and what ended it
    (`PLAIN`, `RESTARTED` or the event). Rows of `snapshots` are `(y, carry)`. `dt` is the method's first
    step size.
    """

    level: Int[Array, ""]
    dt: Time
    grid: Rows
    snapshots: Rows


class Recorder(eqx.Module):
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
    def sized(max_steps: int, cuts: bool, slots: int | None = None) -> "Recorder":
        """A recorder whose snapshots and replayed segments together need the least memory."""
        if slots is None:
            slots = 1 << max(1, math.ceil(math.log2(math.sqrt(2 * max(max_steps, 1)))))
        return Recorder(slots, cuts)

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
