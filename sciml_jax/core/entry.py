"""One module-level jit for eager calls: arrays and Python floats are traced, everything else is static."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.extend.core
import numpy as np

_TRACED = object()
# JAX's only public way to ask; where a version of JAX lacks it, a jit inside a jit costs a little tracing, no more
under_jit: Callable[[], bool] = getattr(jax.extend.core, "unsafe_am_i_under_a_jit_DO_NOT_USE", lambda: False)


def is_traced_leaf(x: Any) -> bool:
    """Whether a leaf becomes a traced operand: arrays, NumPy scalars, Python floats and complex numbers."""
    return isinstance(x, jax.Array | np.ndarray | np.generic | float | complex)


def split_static(tree) -> tuple[list, "Static"]:
    """The traced leaves of a pytree, and the rest as something hashable."""
    leaves, treedef = jax.tree.flatten(tree)
    traced = [x for x in leaves if is_traced_leaf(x)]
    return traced, Static(treedef, [_TRACED if is_traced_leaf(x) else x for x in leaves])


class Static:
    """Structure and static leaves of a pytree, hashable; `join` puts the traced leaves back."""

    def __init__(self, treedef, leaves: list):
        # 1, 1.0 and True are equal: the type belongs to the key
        self.treedef, self.leaves = treedef, leaves
        self.key = (treedef, tuple((type(x), x) for x in leaves))
        self._hash: int | None = None

    def __hash__(self):
        try:
            self._hash = hash(self.key) if self._hash is None else self._hash
            return self._hash
        except TypeError as error:
            raise TypeError(
                f"a leaf that is no array must be hashable to be static in a solve ({error}); "
                "pass arrays or floats in args, or wrap the object so that it is a pytree"
            ) from error

    def __eq__(self, other):
        return self is other or (isinstance(other, Static) and self.key == other.key)

    def join(self, traced: list):
        """The pytree with `traced` in the places of its traced leaves."""
        values = iter(traced)
        return jax.tree.unflatten(self.treedef, [next(values) if x is _TRACED else x for x in self.leaves])


@partial(jax.jit, static_argnums=(0, 1))
def _enter(function: Callable, static: Static, traced: list):
    return function(*static.join(traced))


def call_jitted(function: Callable, *args):
    """`function(*args)` under jit: compiled once for a function, a structure, static leaves, shapes and dtypes.

    A new tolerance, time span or parameter array never recompiles; a new lambda does.
    """
    if under_jit():
        return function(*args)  # already being compiled: another jit would trace the function twice under grad
    traced, static = split_static(args)
    hash(static)  # an unhashable leaf is named here, not from inside JAX
    return _enter(function, static, traced)
