"""Which leaves of (t_span, y0, args) every trajectory has of its own: `in_axes` as `jax.vmap` takes it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

_SHARED = "shared"  # stands for None, which is no leaf


class Split(NamedTuple):
    """The inputs of an ensemble: leaves that all trajectories share (`None` where there is a row), rows of the others
    with the axis of trajectories in front (`None` where it is shared), and how to put them together."""

    shared: list[Any]
    rows: list[Any]
    tree: Any

    def join(self, shared: list[Any], row: list[Any]) -> PyTree:
        """(t_span, y0, args) of one trajectory."""
        leaves = [s if r is None else r for s, r in zip(shared, row, strict=True)]
        return jax.tree.unflatten(self.tree, leaves)


def split(t_span: tuple, y0: PyTree, args: PyTree, in_axes: Any) -> Split:
    """The inputs taken apart by `in_axes`, of two entries (y0, args) or three (t_span, y0, args)."""
    leaves = _placed(t_span, y0, args, in_axes)
    if _length(leaves, in_axes) is None:
        raise ValueError("in_axes maps nothing: one trajectory needs solve_ode; give an axis of y0, args or t_span")
    shared = [x if axis == _SHARED else None for _, x, axis in leaves]
    rows = [None if axis == _SHARED else _row(x, axis) for _, x, axis in leaves]
    return Split(shared, rows, jax.tree.structure((t_span, y0, args)))


def length(t_span: tuple, y0: PyTree, args: PyTree, in_axes: Any) -> int | None:
    """How many trajectories there are, from shapes alone; `None` where `in_axes` maps nothing."""
    return _length(_placed(t_span, y0, args, in_axes), in_axes)


def _placed(t_span: tuple, y0: PyTree, args: PyTree, in_axes: Any) -> list[tuple[str, Any, Any]]:
    """The leaves of (t_span, y0, args): their names, what they are, and their axes of trajectories."""
    if not isinstance(in_axes, tuple) or len(in_axes) not in (2, 3):
        raise ValueError(
            f"in_axes must be (axes of y0, axes of args) or (axes of t_span, axes of y0, axes of args); got {in_axes!r}"
        )
    axes = (None, *in_axes) if len(in_axes) == 2 else in_axes
    found = []
    for name, tree, prefix in zip(("t_span", "y0", "args"), (t_span, y0, args), axes, strict=True):
        leaves = jax.tree.leaves_with_path(tree)
        for (path, x), axis in zip(leaves, _spread(name, prefix, tree), strict=True):
            found.append((f"{name}{jax.tree_util.keystr(path)}", x, axis))
    return found


def _length(leaves: list[tuple[str, Any, Any]], in_axes: Any) -> int | None:
    """How many trajectories these leaves have."""
    counts = {name: _count(name, x, axis) for name, x, axis in leaves if axis != _SHARED}
    if len(set(counts.values())) > 1:
        sizes = ", ".join(f"{name}: {n}" for name, n in counts.items())
        raise ValueError(f"the mapped axes have different lengths ({sizes}): in_axes is {in_axes!r}")
    if 0 in counts.values():
        raise ValueError(f"the mapped axes have length 0 ({', '.join(counts)}): there is nothing to solve")
    return next(iter(counts.values()), None)


def _spread(name: str, axes: Any, tree: PyTree) -> list[Any]:
    """The axis of every leaf of a tree, from a prefix of it in which `None` stands for shared leaves."""
    try:
        prefix = jax.tree.map(lambda a: _SHARED if a is None else a, axes, is_leaf=lambda a: a is None)
        return jax.tree.leaves(jax.tree.map(lambda a, sub: jax.tree.map(lambda _: a, sub), prefix, tree))
    except ValueError as error:
        raise ValueError(
            f"in_axes of {name} must be an int, None, or a pytree of these with the structure of {name}; got {axes!r}"
        ) from error


def _count(name: str, x: Any, axis: Any) -> int:
    """The length of a leaf along its axis of trajectories."""
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise TypeError(f"in_axes of {name} must be an int or None; got {axis!r}")
    ndim = np.ndim(x) if isinstance(x, jax.Array | np.ndarray | np.generic | float | int | complex) else None
    if ndim is None or not -ndim <= axis < ndim:
        shape = "no array" if ndim is None else f"of shape {np.shape(x)}"
        raise ValueError(f"{name} is {shape} and has no axis {axis}: share it with None in in_axes, or give it one")
    return np.shape(x)[axis]


def _row(x: Any, axis: int) -> Array:
    """A leaf with its trajectories along the first axis."""
    x = jnp.asarray(x)
    return jnp.moveaxis(x, axis, 0) if axis % x.ndim else x  # JAX copies even where nothing moves
