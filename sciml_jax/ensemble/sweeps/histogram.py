"""Histograms of results, in one pass."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import ArrayLike

from .reduction import Reduction, State


class Counts(NamedTuple):
    """How many results lie in each bin, shape (bins, ...row), and how many outside: below, above, not numbers."""

    edges: np.ndarray
    counts: np.ndarray
    below: np.ndarray
    above: np.ndarray
    missing: np.ndarray


class Histogram(Reduction):
    """Counts of every entry of the results in bins: as `numpy.histogram`, the last bin includes its right edge.

    **Arguments:** `edges`, increasing, the same for all entries.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> histogram = sj.ensemble.Histogram(edges=[0.0, 0.5, 1.0])
    >>> sj.sweep(jnp.square, jnp.linspace(0, 1, 5), reduce=histogram, progress=False).reduced.counts
    array([3, 2])
    """

    def __init__(self, edges: ArrayLike):
        self.edges = np.asarray(edges, float)
        if self.edges.ndim != 1 or self.edges.size < 2 or not np.all(np.diff(self.edges) > 0):
            raise ValueError(f"edges of a histogram must increase, and be two at least; got {edges!r}")

    def start(self, like: jax.ShapeDtypeStruct) -> State:
        if np.issubdtype(like.dtype, np.complexfloating):
            raise TypeError("a histogram is of real numbers: take the real part, or the magnitude")
        # left of all edges, the bins, right of all edges, NaN
        return {"counts": np.zeros((len(self.edges) + 2, *like.shape), np.int64)}

    def add(self, state: State, rows: np.ndarray) -> State:
        flat = rows.reshape(len(rows), -1)
        bins = np.searchsorted(self.edges, flat, side="right")
        bins[flat == self.edges[-1]] -= 1
        bins[np.isnan(flat)] = len(self.edges) + 1
        entries = flat.shape[1]
        index = bins * entries + np.arange(entries)
        counts = np.bincount(index.ravel(), minlength=state["counts"].size)
        return {"counts": state["counts"] + counts.reshape(state["counts"].shape)}

    def finish(self, state: State) -> Counts:
        below, *_ = counts = state["counts"]
        return Counts(self.edges, counts[1:-2], below, counts[-2], counts[-1])
