"""Observations with gaps: filling them, and the observations of one channel moved to the front."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class Packed(NamedTuple):
    """The observations of one channel in front, `count` of them; what follows is padding.

    - `place`: for every time, the number of the last observation that is not after it.
    """

    ts: Float[Array, " n"]
    xs: Float[Array, " n"]
    count: Int[Array, ""]
    place: Int[Array, " n"]


def last_seen(observed: Bool[Array, " n"]) -> Int[Array, " n"]:
    """The index of the last observation at or before every place; -1 before the first one."""
    places = jnp.where(observed, jnp.arange(observed.shape[0]), -1)
    return jax.lax.cummax(places)


def next_seen(observed: Bool[Array, " n"]) -> Int[Array, " n"]:
    """The index of the next observation at or after every place; n behind the last one."""
    n = observed.shape[0]
    places = jnp.where(observed, jnp.arange(n), n)
    return jax.lax.cummin(places, reverse=True)


def fill_forward(xs: Float[Array, " n"]) -> Float[Array, " n"]:
    """The last observation carried forward; before the first one, the first one.

    >>> import jax.numpy as jnp
    >>> fill_forward(jnp.array([jnp.nan, 1.0, jnp.nan, 2.0])).tolist()
    [1.0, 1.0, 1.0, 2.0]
    """
    observed = ~jnp.isnan(xs)
    last = last_seen(observed)
    return xs[jnp.where(last < 0, jnp.argmax(observed), last)]


def fill_ends(xs: Float[Array, " n"]) -> Float[Array, " n"]:
    """The first and the last time get the value of the nearest observation, where they have none."""
    observed = ~jnp.isnan(xs)
    first, last = xs[jnp.argmax(observed)], xs[last_seen(observed)[-1]]
    return xs.at[0].set(first).at[-1].set(last)


def fill_linear(ts: Float[Array, " n"], xs: Float[Array, " n"]) -> Float[Array, " n"]:
    """Straight lines between observations; constant before the first and after the last.

    >>> import jax.numpy as jnp
    >>> fill_linear(jnp.array([0.0, 1.0, 4.0]), jnp.array([1.0, jnp.nan, 5.0])).tolist()
    [1.0, 2.0, 5.0]
    """
    xs = fill_ends(xs)
    observed = ~jnp.isnan(xs)
    left, right = last_seen(observed), next_seen(observed)
    gap = ts[right] - ts[left]
    share = jnp.where(observed, 0.0, ts - ts[left]) / jnp.where(observed, 1.0, gap)
    return xs[left] + share * (xs[right] - xs[left])


def pack(ts: Float[Array, " n"], xs: Float[Array, " n"]) -> Packed:
    """The observations of one channel, its ends filled, in front; shapes do not depend on how many there are.

    Padding continues the times by ones, so that no gap is zero, and repeats the last value.
    """
    xs = fill_ends(xs)
    observed = ~jnp.isnan(xs)
    count = jnp.sum(observed)
    order = jnp.argsort(~observed, stable=True)
    inside = jnp.arange(ts.shape[0]) < count
    beyond = ts[-1] + (1 + jnp.arange(ts.shape[0]) - count).astype(ts.dtype)
    return Packed(
        jnp.where(inside, ts[order], beyond),
        jnp.where(inside, jnp.where(observed, xs, xs[-1])[order], xs[-1]),
        count,
        jnp.cumsum(observed) - 1,
    )
