"""Breaking points: times at which the solution or one of its derivatives jumps, which lags carry on."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ...core import Rows, empty_rows, write_row
from ..problem import Time

_NO_LEVEL = 1000  # of a derivative that no method sees
CAPACITY = 64  # breaking points that are followed beside the first ones; further ones are left to the error control


class Breaks(NamedTuple):
    """The breaking points so far.

    `times`: where they are, `levels`: the lowest derivative that jumps there (0: the solution itself); `used`: which
    entries hold one. In `times` the others are minus infinity.
    """

    times: Float[Array, " k"]
    levels: Int[Array, " k"]
    used: Bool[Array, " k"]

    def between(self, s: Time) -> tuple[Time, Time]:
        """The stretch without breaking points that begins at or before `s`: its start and its end."""
        low = jnp.max(jnp.where(self.times <= s, self.times, -jnp.inf))
        high = jnp.min(jnp.where(self.times > s, self.times, jnp.inf))
        return low, high

    def nearest(self, s: Time) -> Int[Array, ""]:
        """The place of the one closest to `s`."""
        return jnp.argmin(jnp.where(self.used, jnp.abs(s - self.times), jnp.inf))

    def snapped(self, s: Time, tolerance: Time) -> Time:
        """`s`, or the breaking point that lies within the tolerance above it."""
        due = self.used & (self.times > s) & (self.times - s <= tolerance)
        return jnp.max(jnp.where(due, self.times, s))

    def distance(self, s: Time, order: int) -> Time:
        """The distance from `s` to the nearest breaking point that matters to a method of this order, with a sign that
        changes at each of them: continuous in s."""
        matter = self.used & (self.levels <= order)
        place = jnp.argmin(jnp.where(matter, jnp.abs(s - self.times), jnp.inf))
        nearest = self.times[place]
        below = jnp.sum(matter & (self.times < nearest))
        sign = jnp.where(below % 2 == 0, -1, 1).astype(s.dtype)
        return jnp.where(jnp.any(matter), sign * (s - jnp.where(jnp.any(matter), nearest, s)), 1.0)

    def within(self, s: Time, here: Time, order: int) -> Time:
        """The same as far as the stretch without breaking points around `here` and the next one to either side go, and
        beyond them of one sign: a step that passes two breaking points sees that it has left its stretch."""
        matter = self.used & (self.levels <= order)
        start, here = jax.lax.stop_gradient(self.times), jax.lax.stop_gradient(here)
        below, above = matter & (start <= here), matter & (start > here)
        low, high = jnp.argmax(jnp.where(below, start, -jnp.inf)), jnp.argmin(jnp.where(above, start, jnp.inf))
        after = jnp.where(jnp.any(below), s - jnp.where(jnp.any(below), self.times[low], 0), jnp.inf)
        before = jnp.where(jnp.any(above), jnp.where(jnp.any(above), self.times[high], 0) - s, jnp.inf)
        sign = jnp.where(jnp.sum(below) % 2 == 0, 1, -1).astype(s.dtype)
        return jnp.where(jnp.any(matter), sign * jnp.minimum(after, before), 1.0)


def add_break(n: Int[Array, ""], rows: Rows, breaks: Breaks, t: Time, level, on) -> tuple[Int[Array, ""], Rows]:
    """The list `breaks`, of which n lie in `rows`, with one more, as long as there is room.

    Where there is one at this time the lower of both levels stays: signs change once at each time.
    """
    there = breaks.used & (jnp.abs(breaks.times - t) <= rounding(t, t))
    known = jnp.any(there)
    place = jnp.where(known, jnp.argmax(there), n)
    level = jnp.where(known, jnp.minimum(level, breaks.levels[place]), level)
    on = on & (known | (n < rows.capacity))
    rows = write_row(rows, (jnp.where(known, breaks.times[place], t), level.astype(jnp.int32)), place, on)
    return n + (on & ~known), rows


def first_breaks(marks: Float[Array, " k"], levels: tuple[int, ...]) -> tuple[Int[Array, ""], Rows]:
    """The list of those that are known before a solve, each in its place; of several at one time the first has the
    lowest level of them, and the others none that matters."""
    rows = empty_rows(CAPACITY + len(levels), (marks[0], jnp.int32(0)))
    for k, mark in enumerate(marks):
        same = jnp.abs(marks - mark) <= rounding(mark, mark)
        level = jnp.min(jnp.where(same, jnp.asarray(levels), _NO_LEVEL))
        level = jnp.where(jnp.argmax(same) == k, level, _NO_LEVEL)
        rows = write_row(rows, (mark, level.astype(jnp.int32)), jnp.int32(k), True)
    return jnp.int32(len(levels)), rows


def rounding(t: Time, s: Time) -> Time:
    """How far apart two computations of one time may be."""
    return 64 * jnp.finfo(s.dtype).eps * jnp.maximum(jnp.abs(t), jnp.abs(s))


def as_breaks(n: Int[Array, ""], rows: Rows) -> Breaks:
    """The list as arrays."""
    times, levels = rows.all()
    used = jnp.arange(times.shape[0]) < n
    return Breaks(jnp.where(used, times, -jnp.inf), levels, used)


__all__ = ["CAPACITY", "Breaks", "add_break", "as_breaks", "first_breaks", "rounding"]
