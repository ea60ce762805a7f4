"""A root of a function of time inside a bracket, to rounding."""

from collections.abc import Callable

import jax.numpy as jnp

from ..core import while_loop
from .problem import Time


def direction_of(h: Time) -> Time:
    """+1 or -1, the direction of time in a step; +1 in one of no length."""
    return jnp.where(h < 0, -1.0, 1.0).astype(h.dtype)


def bracketed_root(value: Callable[[Time], Time], left: Time, right: Time, sign, on) -> Time:
    """Where `value` stops having `sign`, to rounding: interpolate, truncate, project.

    A bracketing method, never slower than bisection by more than one step: a value that is zero to rounding at the
    left end (a ball that has just bounced) misleads the secant, not the bracket.
    Source: I. F. D. Oliveira & R. H. C. Takahashi, ACM TOMS 47 (2020), doi:10.1145/3423597, k1 = 0.2, k2 = 2, n0 = 1.
    """
    width = jnp.abs(right - left)
    tolerance = 2 * jnp.finfo(left.dtype).eps * jnp.maximum(jnp.abs(left), jnp.abs(right))
    bisections = jnp.ceil(jnp.log2(jnp.maximum(width / jnp.maximum(tolerance, 1e-300), 1.0))) + 1
    reach = 0.5 * tolerance * 2.0**bisections  # half the width that bisection would have, one step behind

    def oriented(s):  # positive before the event
        return value(s) * sign

    def active(state):
        lo, hi, f_lo, f_hi, k, _ = state
        return on & (jnp.abs(hi - lo) > tolerance) & (k < 120)

    def narrow(state, _, on):
        lo, hi, f_lo, f_hi, k, reach = state
        gap = hi - lo
        mid = lo + 0.5 * gap
        secant = jnp.where(f_lo > f_hi, lo + gap * (f_lo / jnp.where(f_lo > f_hi, f_lo - f_hi, 1.0)), mid)
        side = jnp.sign(mid - secant)
        delta = 0.2 * gap * gap / jnp.where(width == 0, 1.0, width)
        truncated = jnp.where(jnp.abs(delta) <= jnp.abs(mid - secant), secant + side * jnp.abs(delta), mid)
        radius = reach - 0.5 * jnp.abs(gap)
        s = jnp.where(jnp.abs(truncated - mid) <= radius, truncated, mid - side * radius)
        # stay at least half a tolerance inside, so that the bracket shrinks from both ends
        inner = 0.5 * jnp.minimum(tolerance, jnp.abs(gap))
        way = direction_of(gap)
        s = jnp.where(jnp.isnan(s), mid, lo + way * jnp.clip(way * (s - lo), inner, jnp.abs(gap) - inner))
        f = oriented(s)
        before = f > 0
        lo, f_lo = jnp.where(before, s, lo), jnp.where(before, f, f_lo)
        hi, f_hi = jnp.where(before, hi, s), jnp.where(before, f_hi, f)
        return (lo, hi, f_lo, f_hi, k + 1, 0.5 * reach), ()

    f_left, f_right = oriented(left), oriented(right)
    # a left end without the sign that the condition has after it: start from the middle
    start = (left, right, jnp.where(f_left > 0, f_left, -f_right), f_right, jnp.int32(0), reach)
    (_, hi, *_), _ = while_loop(active, narrow, start, ())
    return hi
