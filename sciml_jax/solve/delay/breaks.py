"""Breaking points: times at which the solution or one of its derivatives jumps, which lags carry on."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ...core import Rows, empty_rows, write_row
from ..problem import Time

CAPACITY = 64  # breaking points that are followed; further ones are left to the error control


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


def no_breaks(t: Time) -> tuple[Int[Array, ""], Rows]:
    """Counter and buffer of an empty list."""
    return jnp.int32(0), empty_rows(CAPACITY, (t, jnp.int32(0)))


def add_break(n: Int[Array, ""], rows: Rows, t: Time, level, on) -> tuple[Int[Array, ""], Rows]:
    """The list with one more, as long as there is room."""
    on = on & (n < CAPACITY)
    return n + on, write_row(rows, (t, jnp.asarray(level, jnp.int32)), n, on)


def as_breaks(n: Int[Array, ""], rows: Rows) -> Breaks:
    """The list as arrays."""
    times, levels = rows.all()
    used = jnp.arange(times.shape[0]) < n
    return Breaks(jnp.where(used, times, -jnp.inf), levels, used)


__all__ = ["CAPACITY", "Breaks", "add_break", "as_breaks", "no_breaks"]
