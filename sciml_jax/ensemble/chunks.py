"""Many trajectories in chunks of equal size, one after another: memory is bounded by the chunk."""

from collections.abc import Callable
from types import ModuleType

import jax
import jax.numpy as jnp
from jaxtyping import PyTree


def filled(rows: PyTree, count: int, xp: ModuleType = jnp) -> PyTree:
    """Rows up to `count`, the last one repeated; `xp` is `jax.numpy` or `numpy`."""

    def fill(x):
        spare = count - x.shape[0]
        return xp.concatenate([x, xp.repeat(x[-1:], spare, 0)]) if spare else x

    return jax.tree.map(fill, rows)


def in_chunks(run: Callable[[PyTree], PyTree], rows: PyTree, n: int, size: int) -> PyTree:
    """`run` on chunks of `size` of the n rows, its results in their order; the last chunk repeats the last row.

    Cost: one loop on the device; its memory is that of one chunk and of the results.
    """
    count = -(-n // size)
    if count <= 1:
        return run(rows)
    chunks = jax.tree.map(lambda x: x.reshape(count, size, *x.shape[1:]), filled(rows, count * size))
    out = jax.lax.map(run, chunks)
    return jax.tree.map(lambda x: x.reshape(count * size, *x.shape[2:])[:n], out)
