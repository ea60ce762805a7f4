"""Numbers in a tree of sums or minima: one that changes, and the one looked for, in the logarithm of how many."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

_WIDTH = 8  # of 4, 8, 16 and 23 the fastest for 510 and 4,094 channels

# What eight numbers of the level before are together, from the numbers themselves to eight or fewer.
Tree = tuple[Float[Array, " n"], ...]


def sums(numbers: Float[Array, " n"]) -> Tree:
    """The tree of sums."""
    return _grown(numbers, jnp.sum, 0)


def minima(numbers: Float[Array, " n"]) -> Tree:
    """The tree of minima."""
    return _grown(numbers, jnp.min, jnp.inf)


def total(tree: Tree) -> Float[Array, ""]:
    """The sum of all, not below any partial sum that `at_sum` compares with."""
    return jnp.cumsum(tree[-1])[-1]


def at_sum(tree: Tree, threshold: Float[Array, ""]) -> Int[Array, ""]:
    """The first place whose partial sum exceeds `threshold`; of those with a positive number the last, where none
    does."""
    k = jnp.int32(0)
    for level in reversed(tree):
        row = _row(level, k)
        partial = jnp.cumsum(row)
        # a remainder may exceed the sum of its row by rounding: it must not end at a zero for that
        past = (partial > threshold) & (row > 0)
        last = _WIDTH - 1 - jnp.argmax((row > 0)[::-1])
        here = jnp.where(jnp.any(past), jnp.argmax(past), last).astype(jnp.int32)
        threshold = threshold - jnp.where(here > 0, partial[jnp.maximum(here - 1, 0)], 0)
        k = k * _WIDTH + here
    return k


def at_minimum(tree: Tree) -> Int[Array, ""]:
    """The first place of the smallest number; NaN counts as the smallest."""
    k = jnp.int32(0)
    for level in reversed(tree):
        k = k * _WIDTH + jnp.argmin(_row(level, k)).astype(jnp.int32)
    return k


def with_sum(tree: Tree, k: Int[Array, ""], number: Float[Array, ""]) -> Tree:
    """The tree of sums with another number in place k. They are made anew: no rounding is carried on."""
    return _replaced(tree, k, number, jnp.sum)


def with_minimum(tree: Tree, k: Int[Array, ""], number: Float[Array, ""]) -> Tree:
    """The tree of minima with another number in place k."""
    return _replaced(tree, k, number, jnp.min)


def _grown(numbers: Array, combine, nothing: float) -> Tree:
    def padded(x: Array) -> Array:
        return jnp.concatenate([x, jnp.full(-len(x) % _WIDTH, nothing, x.dtype)])

    levels = [padded(numbers)]
    while len(levels[-1]) > _WIDTH:
        levels.append(padded(combine(levels[-1].reshape(-1, _WIDTH), axis=1)))
    return tuple(levels)


def _replaced(tree: Tree, k: Array, number: Array, combine) -> Tree:
    levels = [put(tree[0], k, number)]
    for level in tree[1:]:
        k = k // _WIDTH
        levels.append(put(level, k, combine(_row(levels[-1], k))))
    return tuple(levels)


def put(x: Float[Array, " n"], k: Int[Array, ""], number: Float[Array, ""]) -> Float[Array, " n"]:
    """An array with another number in place k, written in place in loops: an indexed update would be a scatter."""
    return jax.lax.dynamic_update_slice(x, number[None], (k,))


def _row(level: Array, k: Int[Array, ""]) -> Float[Array, " width"]:
    return jax.lax.dynamic_slice(level, (k * _WIDTH,), (_WIDTH,))
