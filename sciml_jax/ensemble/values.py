"""Values in many lanes at once: how the lane interpreter holds an array of which every trajectory has its own."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

LARGEST = 256  # entries of an array that is held as scalars of lanes


@dataclass(frozen=True, eq=False)
class Scalars:
    """A small array of every lane, entry by entry.

    `entries` has the array's shape; each of its objects is an array of shape (lanes,), or () where all lanes agree.
    """

    entries: np.ndarray
    dtype: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.entries.shape


@dataclass(frozen=True, eq=False)
class Stacked:
    """A large array of every lane, with a leading axis of lanes."""

    value: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape[1:]


Uniform: TypeAlias = Any  # an array in which all lanes agree
Value: TypeAlias = Any  # Scalars, Stacked or Uniform


def varies(value: Value) -> bool:
    """Whether lanes differ in it."""
    return isinstance(value, Scalars | Stacked)


def scalars(entries, shape: tuple[int, ...], dtype) -> Scalars:
    """An array from its entries in C order. (NumPy would try to look inside the arrays that it is given.)"""
    out = np.empty(len(entries), object)
    for i, entry in enumerate(entries):
        out[i] = entry
    return Scalars(out.reshape(shape), np.dtype(dtype))


def as_entries(value: Value) -> np.ndarray:
    """The entries of small or uniform values, as an object array of their shape."""
    if isinstance(value, Scalars):
        return value.entries
    assert not isinstance(value, Stacked)
    if not isinstance(value, jax.core.Tracer):
        value = np.asarray(value)  # constants become numbers in the code
    shape = np.shape(value)
    flat = value.reshape(-1)
    at = lambda i: flat[i] if isinstance(flat, np.ndarray) else jax.lax.index_in_dim(flat, i, keepdims=False)
    return scalars([at(i) for i in range(flat.shape[0])], shape, value.dtype).entries


def widened(entry, lanes: int, dtype) -> Array:
    """An entry in every lane."""
    entry = jnp.asarray(entry, dtype)
    return entry if entry.ndim else jnp.broadcast_to(entry, (lanes,))


def stack(value: Value, lanes: int) -> Array:
    """Any value as one array with a leading axis of lanes."""
    if isinstance(value, Stacked):
        return value.value
    if not isinstance(value, Scalars):
        return jnp.broadcast_to(value, (lanes, *jnp.shape(value)))
    wide = [widened(entry, lanes, value.dtype) for entry in value.entries.ravel()]
    if not wide:
        return jnp.zeros((lanes, *value.shape), value.dtype)
    return jnp.stack(wide, axis=-1).reshape((lanes, *value.shape))


def unstack(x: Array) -> Scalars | Stacked:
    """The value of an array with a leading axis of lanes."""
    shape = x.shape[1:]
    if np.prod(shape, dtype=int) > LARGEST or jnp.issubdtype(x.dtype, jax.dtypes.extended):
        return Stacked(x)
    flat = x.reshape(x.shape[0], -1)
    return scalars([flat[:, i] for i in range(flat.shape[1])], shape, x.dtype)
