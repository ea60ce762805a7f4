"""States as real vectors: what linear algebra works on."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core import trees
from .problem import State


class Layout:
    """How a pytree of real and complex arrays lies in one real vector (complex entries: real parts, then imaginary)."""

    def __init__(self, y: State):
        leaves, self.tree = jax.tree.flatten(y)
        self.shapes = [jnp.shape(x) for x in leaves]
        self.dtypes = [jnp.result_type(x) for x in leaves]
        self.real = trees.real_dtype(y)
        self.sizes = [math.prod(s) * (1 + self._complex(d)) for s, d in zip(self.shapes, self.dtypes, strict=True)]

    @staticmethod
    def _complex(dtype) -> bool:
        return jnp.issubdtype(dtype, jnp.complexfloating)

    @property
    def size(self) -> int:
        """Length n of the vector."""
        return sum(self.sizes)

    def vector(self, y: State) -> Float[Array, " n"]:
        """The vector of a state."""
        parts = []
        for x in jax.tree.leaves(y):
            flat = jnp.ravel(x)
            parts += [flat.real, flat.imag] if self._complex(flat.dtype) else [flat]
        parts = [part.astype(self.real) for part in parts]
        return jnp.concatenate(parts) if len(parts) > 1 else parts[0]

    def state(self, v: Float[Array, " n"]) -> State:
        """The state of a vector."""
        leaves = []
        ends = np.cumsum(self.sizes)
        for end, size, shape, dtype in zip(ends, self.sizes, self.shapes, self.dtypes, strict=True):
            part = v if size == self.size else v[end - size : end]
            if self._complex(dtype):
                part = jax.lax.complex(part[: size // 2], part[size // 2 :])
            leaves.append(part.reshape(shape).astype(dtype))
        return jax.tree.unflatten(self.tree, leaves)
