"""What a sweep runs over: rows that are made when they are needed, so that there may be more than fit into memory."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree


class Points(ABC):
    """`n` rows of parameters. `rows(start, stop)` gives those from `start` up to `stop`: a pytree of NumPy arrays with
    a leading axis, the same ones whenever it is asked."""

    n: int

    @abstractmethod
    def rows(self, start: int, stop: int) -> PyTree:
        """Rows start, ..., stop - 1."""

    def in_memory(self) -> list[PyTree]:
        """What the rows are made of, where it is in memory and tells them from others."""
        return []

    def __len__(self) -> int:
        return self.n


class Rows(Points):
    """Rows that are in memory: a pytree of arrays with a leading axis of equal length."""

    def __init__(self, tree: PyTree):
        if any(
            isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.extended) for x in jax.tree.leaves(tree)
        ):
            raise TypeError("points are numbers: give jax.random.key_data(keys), and jax.random.wrap_key_data in run")
        self.tree = jax.tree.map(np.asarray, tree)
        leaves = jax.tree.leaves(self.tree)
        counts = {x.shape[0] if x.ndim else None for x in leaves}
        if len(counts) != 1 or None in counts:
            shapes = ", ".join(str(x.shape) for x in leaves) or "none at all"
            raise ValueError(f"points are arrays whose first axes have one length; got shapes {shapes}")
        self.n = leaves[0].shape[0]

    def rows(self, start: int, stop: int) -> PyTree:
        return jax.tree.map(lambda x: x[start:stop], self.tree)

    def in_memory(self) -> list[PyTree]:
        return [self.tree]


class Grid(Points):
    """Every combination of the values of several axes, the last axis fastest.

    **Arguments:** `axes`, a pytree (a dictionary, say) of one-dimensional arrays. `shape` has their lengths: results
    of the sweep reshape to it.

    >>> import sciml_jax as sj
    >>> grid = sj.ensemble.Grid({"a": [1.0, 2.0], "b": [10.0, 20.0, 30.0]})
    >>> grid.shape, grid.rows(2, 5)
    ((2, 3), {'a': array([1., 2., 2.]), 'b': array([30., 10., 20.])})
    """

    def __init__(self, axes: PyTree):
        leaves, self.tree = jax.tree.flatten(axes, is_leaf=_is_axis)
        self.axes = [np.asarray(x) for x in leaves]
        if not self.axes or any(x.ndim != 1 or not x.size for x in self.axes):
            raise ValueError(
                f"axes of a grid are one-dimensional and not empty; got shapes {[x.shape for x in self.axes]}"
            )
        self.shape = tuple(len(x) for x in self.axes)
        self.n = math.prod(self.shape)

    def in_memory(self) -> list[PyTree]:
        return [self.axes]

    def rows(self, start: int, stop: int) -> PyTree:
        places = np.unravel_index(np.arange(start, stop), self.shape)
        return jax.tree.unflatten(self.tree, [x[i] for x, i in zip(self.axes, places, strict=True)])


def _is_axis(x: Any) -> bool:
    return isinstance(x, list | tuple) and bool(x) and all(np.ndim(v) == 0 for v in x)


class Generated(Points):
    """Rows that a function makes: `function(start, stop)` returns a pytree of arrays, the same ones for the same rows.

    >>> import numpy as np, sciml_jax as sj
    >>> points = sj.ensemble.Generated(1_000_000, lambda start, stop: np.sqrt(np.arange(start, stop)))
    >>> points.rows(4, 6).round(2).tolist()
    [2.0, 2.24]
    """

    def __init__(self, n: int, function: Callable[[int, int], PyTree]):
        self.n, self.function = n, function

    def rows(self, start: int, stop: int) -> PyTree:
        return jax.tree.map(np.asarray, self.function(start, stop))


def as_points(points: Any) -> Points:
    """Points as they are, or arrays as points."""
    return points if isinstance(points, Points) else Rows(points)
