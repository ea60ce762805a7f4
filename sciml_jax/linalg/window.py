"""A short window of numbers carried along a loop: a tuple of scalars when it is narrow, one vector when it is wide.

XLA keeps scalars in registers, and a loop over a band of two or three diagonals runs twice as fast as with vectors of
that length; with many scalars the compiled code grows out of the cache, and vectors win.
"""

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

Window: TypeAlias = Any  # a tuple of scalars, or an array


def magnitude(x: Array) -> Array:
    """A size to choose pivots by: |x|, and |Re x| + |Im x| of complex numbers, which needs no root (as LAPACK does)."""
    return jnp.abs(jnp.real(x)) + jnp.abs(jnp.imag(x)) if jnp.iscomplexobj(x) else jnp.abs(x)


def columns(rows: Array, narrow: bool) -> Window:
    """Rows to be scanned over: as separate columns for windows of scalars."""
    return tuple(rows[:, j] for j in range(rows.shape[1])) if narrow else rows


def push(x: Array, window: Window) -> Window:
    """x in front, and the last number falls out."""
    if isinstance(window, tuple):
        return (x, *window)[: len(window)]
    return jnp.concatenate([x[None], window])[: len(window)]


def append(window: Window, x: Array) -> Window:
    """x at the end."""
    return (*window, x) if isinstance(window, tuple) else jnp.concatenate([window, x[None]])


def exchange(p: Int[Array, ""], window: Window) -> Window:
    """The first number and number p in each other's places."""
    if not isinstance(window, tuple):
        index = jnp.arange(len(window)).reshape(-1, *[1] * (window.ndim - 1))
        return jnp.where(index == 0, window[p], jnp.where(index == p, window[0], window))
    first = window[0]
    for i, x in enumerate(window[1:], 1):
        first = jnp.where(p == i, x, first)
    return (first, *[jnp.where(p == i, window[0], x) for i, x in enumerate(window[1:], 1)])


def subtract(window: Window, factor: Array, other: Window) -> Window:
    """window - factor other."""
    if isinstance(window, tuple):
        return tuple(x - factor * y for x, y in zip(window, other, strict=True))
    return window - factor * other


def subtract_product(x: Array, a: Window, b: Window) -> Array:
    """x - a . b; of scalars the first product is taken last, as the latest number of a recurrence stands there."""
    if not isinstance(a, tuple):
        return x - jnp.sum(a * b)
    for y, z in reversed(list(zip(a, b, strict=True))):
        x = x - y * z
    return x


def as_vector(window: Window, dtype) -> jax.Array:
    """The numbers as one array."""
    return jnp.stack(window) if isinstance(window, tuple) and window else jnp.asarray(window, dtype)
