"""Arithmetic on pytrees of arrays: the few operations that every solver needs."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, PyTree, Real

from .types import State


def combine(weights: Sequence[float] | np.ndarray, trees: Sequence[State]) -> State | None:
    """The weighted sum of trees; zero weights are left out at trace time, and `None` stands for an empty sum."""
    kept = [(float(w), tree) for w, tree in zip(weights, trees, strict=True) if w != 0]
    if not kept:
        return None
    ws = [w for w, _ in kept]

    def leaf(*xs):
        total = ws[0] * xs[0]
        for w, x in zip(ws[1:], xs[1:], strict=True):
            total = total + w * x
        return total

    return jax.tree.map(leaf, *[tree for _, tree in kept])


def axpy(a, x: State | None, y: State) -> State:
    """`y + a x` leaf by leaf; `y` itself where `x` is `None` (an empty sum)."""
    return y if x is None else jax.tree.map(lambda u, v: (v + a * u).astype(v.dtype), x, y)


def scale(a, x: State) -> State:
    """`a x` leaf by leaf, in the dtype of `x`."""
    return jax.tree.map(lambda u: (a * u).astype(u.dtype), x)


def subtract(x: State, y: State) -> State:
    """`x - y` leaf by leaf."""
    return jax.tree.map(lambda u, v: u - v, x, y)


def select(on: Bool[Array, ""], x: PyTree, y: PyTree) -> PyTree:
    """`x` where `on`, else `y`, leaf by leaf; a leaf that is the same in both is not selected."""
    return jax.tree.map(lambda u, v: u if u is v else jnp.where(on, u, v), x, y)


def all_finite(x: State) -> Bool[Array, ""]:
    """Whether every entry of every leaf is finite."""
    checks = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(x)]
    return jnp.all(jnp.stack(checks)) if len(checks) > 1 else checks[0] if checks else jnp.asarray(True)


def rms_norm(x: State) -> Real[Array, ""]:
    r"""The root mean square $\sqrt{\frac1n \sum |x_i|^2}$ over all entries of all leaves (Hairer & Wanner, II.4.11).

    >>> import jax.numpy as jnp
    >>> round(float(rms_norm({"a": jnp.array([3.0]), "b": jnp.array([4.0])})), 4)
    3.5355
    """
    return jnp.sqrt(mean_square(x))


def mean_square(x: State) -> Real[Array, ""]:
    """The mean of |x_i|^2 over all entries of all leaves; 0 where there are none."""
    leaves = [leaf for leaf in jax.tree.leaves(x) if leaf.size]
    if not leaves:
        return jnp.zeros(())
    total = sum(jnp.sum(_abs2(leaf)) for leaf in leaves)
    return jnp.asarray(total / sum(leaf.size for leaf in leaves))


def max_norm(x: State) -> Real[Array, ""]:
    """The largest magnitude over all entries of all leaves."""
    leaves = [jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(x) if leaf.size]
    return jnp.max(jnp.stack(leaves)) if leaves else jnp.zeros(())


def _abs2(x):
    return jnp.real(x) ** 2 + jnp.imag(x) ** 2 if jnp.iscomplexobj(x) else x * x


def real_dtype(x: State) -> np.dtype:
    """The real dtype that times, errors and step sizes of a state have."""
    dtypes = [jnp.result_type(leaf) for leaf in jax.tree.leaves(x)]
    return jnp.finfo(jnp.result_type(*dtypes) if dtypes else jnp.result_type(float)).dtype


def as_inexact(x: ArrayLike) -> Array:
    """An array of floating-point or complex numbers; integers and booleans become the default float."""
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.result_type(float))


def broadcast_prefix(prefix: PyTree, tree: PyTree, name: str) -> PyTree:
    """A tree of the structure of `tree` from a scalar, an array or a tree prefix such as a tolerance."""
    try:
        return jax.tree.map(lambda p, sub: jax.tree.map(lambda _: p, sub), prefix, tree)
    except ValueError as error:
        cure = ": make it an array, jnp.array([...])" if isinstance(prefix, list | tuple) else ""
        raise ValueError(
            f"{name} must be a number, an array that broadcasts to y0, or a pytree with the structure of y0, "
            f"{describe(tree)}; got {describe(prefix)}{cure}"
        ) from error


def describe(tree: PyTree) -> str:
    """A pytree's structure in words, with a star for every array."""
    structure: Any = jax.tree.structure(tree)
    return "one array" if structure == jax.tree.structure(0) else str(structure).removeprefix("PyTreeDef(")[:-1]


def bytes_of(tree: PyTree) -> int:
    """The memory of all arrays, of abstract ones too."""
    return sum(jnp.size(x) * jnp.result_type(x).itemsize for x in jax.tree.leaves(tree))
