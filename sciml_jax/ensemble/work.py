"""Trajectories of like work side by side: what runs in lock step ends with its slowest."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree


def by_work(work: Any, n: int, shares: int = 1) -> Int[Array, " n"]:
    """The order in which to solve n trajectories: by increasing work, dealt out like cards to `shares` devices, each of
    which takes the next n / shares rows."""
    if not isinstance(work, jax.Array | np.ndarray | list | tuple):
        raise TypeError(f"work must be an array, a number for each of the {n} trajectories; got {work!r}")
    work = jnp.asarray(work)
    if work.shape != (n,):
        raise ValueError(f"work must have the shape ({n},), a number for each trajectory; got {work.shape}")
    order = jnp.argsort(work)
    return jnp.concatenate([order[share::shares] for share in range(shares)])


@jax.jit
def taken(rows: PyTree, order: Int[Array, " n"]) -> PyTree:
    """The rows in this order."""
    return jax.tree.map(lambda x: x[order], rows)


@jax.jit
def put_back(rows: PyTree, order: Int[Array, " n"]) -> PyTree:
    """The rows where they were before `taken`."""
    places = jnp.zeros_like(order).at[order].set(jnp.arange(order.size, dtype=order.dtype), unique_indices=True)
    return taken(rows, places)
