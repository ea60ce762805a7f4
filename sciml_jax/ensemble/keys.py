"""Keys of the trajectories of a stochastic ensemble: rows like any others, beside args."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..solve.noise import key_words
from .axes import split


def with_keys(key: Any, t_span: tuple, y0: PyTree, args: PyTree, in_axes: Any) -> tuple[PyTree, tuple]:
    """`(words of the keys, args)`, one row for each trajectory, and `in_axes` for them."""
    if key is None:
        raise ValueError("a stochastic ensemble needs key=: jax.random.split(key, n), or one key for mapped y0 or args")
    if not hasattr(key, "dtype"):
        raise TypeError(f"key must be an array of keys, jax.random.split(key, n), or one key; got {key!r}")
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.wrap_key_data(key)
    if key.ndim == 0:
        try:
            n = jax.tree.leaves(split(t_span, y0, args, in_axes).rows)[0].shape[0]
        except ValueError as error:
            raise ValueError(f"{error}; or give key= one key for each trajectory, jax.random.split(key, n)") from error
        key = jax.random.split(key, n)
    if key.ndim != 1:
        raise ValueError(f"key must be an array of keys of shape (n,), one for each trajectory; got {key.shape}")
    *others, axes = in_axes
    return (jax.vmap(key_words)(key), args), (*others, (0, axes))
