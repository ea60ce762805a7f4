"""The past of a delay equation as its field sees it: the steps taken so far, and the one being taken."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from ...core import Rows, read_row, trees
from ...core.rows import packed_row
from ..method import Method
from ..problem import State, Time, beside
from .breaks import Breaks, rounding


class Taps:
    """Notes, while a step is traced, which rows of the history it reads, and adds a value to each: the cotangents of
    these values are those of the rows. (The cotangent of all rows would be as large as the history, at every step.)

    `values`: arrays (n, width), one for each array of a packed row that derivatives move; `None` to count the rows.
    """

    def __init__(self, values: dict[str, Array] | None = None):
        self.values, self.used, self.read = values, 0, []

    def tap(self, row: dict[str, Any], index: Int[Array, ""]) -> dict[str, Any]:
        """A row that lies at `index`, tapped."""
        place, self.used = self.used, self.used + 1
        self.read.append(index)
        if self.values is None:
            return row
        return {key: x + self.values[key][place] if key in self.values else x for key, x in row.items()}

    @property
    def places(self) -> Int[Array, " n"]:
        """All rows read, in the order of the values."""
        return jnp.stack(self.read).astype(jnp.int32)


class Kept(NamedTuple):
    """The steps that are kept: `(start, signs of events)` and `(t_left, t_right, dense)` of each, and how many there
    were. Step i lies in row i modulo the capacity: the oldest ones are written over."""

    starts: Rows
    steps: Rows
    n: Int[Array, ""]

    @property
    def oldest(self) -> Int[Array, ""]:
        """The number of the oldest step that is still there."""
        return jnp.maximum(self.n - self.starts.capacity, 0)

    def start(self, i: Int[Array, ""]) -> Time:
        """Where step i starts."""
        return read_row(self.starts, i % self.starts.capacity)[0]

    def find(self, s: Time) -> Int[Array, ""]:
        """The number of the step that holds time s, by bisection; the first or the last kept one outside."""

        def halve(_, ends):
            low, high = ends
            middle = (low + high) // 2
            right = (high - low > 1) & (self.start(middle) <= s)
            left = (high - low > 1) & ~right
            return jnp.where(right, middle, low), jnp.where(left, middle, high)

        turns = self.starts.capacity.bit_length()
        return jax.lax.fori_loop(0, turns, halve, (self.oldest, jnp.maximum(self.n, 1)))[0]

    def read(self, i: Int[Array, ""], taps: Taps | None) -> tuple[Time, Time, Any]:
        """Both ends and the dense data of step i."""
        place = i % self.starts.capacity
        row = packed_row(self.steps, place)
        return self.steps.unpack(row if taps is None else taps.tap(row, place))


class History(NamedTuple):
    """What a step can look up.

    - `t`, `y`: where the step begins. `segments`: for each lag the stretch without breaking points that the step looks
      back at; `None` where a single time is looked up, from its right.
    - `present`: `(t_right, dense, known)` of the step itself as far as it is known, for lags shorter than the step;
      `known` is false before the first attempt. `None`: no such step.
    - `signs`: of the events of varying lags. `taps`: where a step is differentiated, what notes the rows it reads.
    """

    method: Method
    kept: Kept
    breaks: Breaks
    t: Time
    y: State
    segments: tuple[tuple[Time, Time], ...] | None
    present: Any = None
    signs: Any = ()
    taps: Taps | None = None

    def side(self, lag: int, s: Time) -> Time:
        """The time on whose side of a breaking point the state at `s` is read: a constant to derivatives."""
        s = jax.lax.stop_gradient(s)
        if self.segments is None:
            return jax.lax.stop_gradient(self.breaks.snapped(s, rounding(self.t, s)))
        low, high = jax.lax.stop_gradient(self.segments[lag])
        return jax.lax.stop_gradient(jnp.clip(s, low, beside(high, -1)))

    def state(self, s: Time, side: Time) -> State:
        """The state at time s >= t0, by the step on that side of a breaking point."""
        left, right, dense = self.kept.read(self.kept.find(side), self.taps)
        nothing = self.kept.n == 0
        if self.present is not None:
            t_right, now, known = self.present
            inside = known & (side > self.t)
            nothing = nothing & ~inside
            left, right = jnp.where(inside, self.t, left), jnp.where(inside, t_right, right)
            dense = trees.select(inside, now, dense)
        # beyond the last step by at most its length: a first guess, made good by repeating the step
        at = jnp.minimum(s, right + (right - left))
        value = self.method.interpolate(dense, left, right, at)
        return trees.select(nothing, self.y, value)

    def along(self, states: tuple[State, ...], times: list[Time], t: Time, y: State) -> tuple[State, ...]:
        r"""States looked up at `times` from (t, y), in a step of length h that looks into itself, u its interpolant:

        $$y(s) \approx u(s) + w\,(y - u(t)), \qquad w = \max(0, 1 - (t - s) / h).$$

        Once the step has settled the last term is what is left of its stages' errors. Until then the state looked up
        follows the stage by which it is looked up, as it does in truth where the lag is short; and Newton's matrices
        know of it: a stiff term with a short lag neither keeps the step from settling nor shortens it. Explicit
        methods go without: y' = -c y(t - lag) + cos t takes Tsit5 a fifth to a quarter fewer evaluations so for c = 5,
        and twice as many for c = 300 and a lag of 1e-4, where stiffness limits its steps.
        """
        if self.present is None or self.segments is None or not self.method.uses_jacobian:
            return states
        right, now, known = self.present
        length = jnp.where(right == self.t, 1.0, right - self.t)
        here = trees.select(known, self.method.interpolate(now, self.t, right, t), self.y)
        apart = trees.subtract(y, here)
        # to derivatives a time that is the start of the step, to rounding, lies before it
        inside = [1 - (t - s) / length for s in times]
        least = 64 * jnp.finfo(length.dtype).eps
        weights = [jnp.where(w > least, jnp.minimum(w, 1.0), 0.0) for w in inside]
        return tuple(trees.axpy(w, apart, state) for w, state in zip(weights, states, strict=True))


def look_up(history: History | None, past: Callable[[Time], State], t0: Time, lag: int, s: Time, end: Time) -> State:
    """The state at time s <= end: of the steps so far from t0 on, of the given past before."""
    if history is None:
        return past(jnp.minimum(s, t0))
    s = jnp.where(s > end + rounding(end, s), jnp.nan, s)  # a negative lag
    side = history.side(lag, s)
    # the given past is read on the same side: it may jump too, and is not known beyond the breaking point
    still = jax.lax.stop_gradient(s)
    near = jnp.abs(side - still) <= rounding(end, still)
    before = past(jnp.minimum(jnp.where(near, s + (side - still), side), t0))
    return trees.select(side < t0, before, history.state(s, side))


__all__ = ["History", "Kept", "Taps", "look_up"]
