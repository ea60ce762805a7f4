"""Many trajectories in chunks of equal size, one after another: memory is bounded by the chunk."""

from collections.abc import Callable
from types import ModuleType

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree

_SMALL = 64  # entries of an array that every chunk reads anew


def filled(rows: PyTree, count: int, xp: ModuleType = jnp) -> PyTree:
    """Rows up to `count`, the last one repeated; `xp` is `jax.numpy` or `numpy`."""

    def fill(x):
        spare = count - x.shape[0]
        return xp.concatenate([x, xp.repeat(x[-1:], spare, 0)]) if spare else x

    return jax.tree.map(fill, rows)


def in_chunks(run: Callable[[PyTree, PyTree], PyTree], shared: PyTree, rows: PyTree, n: int, size: int) -> PyTree:
    """`run(shared, rows)` on chunks of `size` of the n rows, results in order; the last chunk repeats the last row.

    Cost: one loop on the device; its memory is that of one chunk and of the results.
    """
    count = -(-n // size)
    if count <= 1:
        return run(shared, rows)
    chunks = jax.tree.map(lambda x: x.reshape(count, size, *x.shape[1:]), filled(rows, count * size))
    out = jax.lax.map(lambda chunk: run(_inside(shared, chunk[0] < count), chunk[1]), (jnp.arange(count), chunks))
    return jax.tree.map(lambda x: x.reshape(count * size, *x.shape[2:])[:n], out)


def _inside(shared: PyTree, always: Bool[Array, ""]) -> PyTree:
    """`shared`, of which XLA does not know that it is the same in all chunks, where it is small.

    XLA moves what no chunk changes out of their loop: a dozen kernels of a few numbers each. A program of more than
    eight kernels is handed from one thread to another on CPU, which takes 15 to 30 microseconds a call.
    """

    def hidden(x):
        if not eqx.is_array(x) or x.size > _SMALL or jnp.issubdtype(x.dtype, jax.dtypes.extended):
            return x
        return jnp.where(always, x, jnp.zeros_like(x))

    return jax.tree.map(hidden, shared)
