"""Mean and variance, smallest and largest values, in one pass."""

from typing import NamedTuple

import jax
import numpy as np

from .reduction import Reduction, State


class Moment(NamedTuple):
    """How many results were numbers, their mean, and their variance (divided by count - 1), each of a row's shape."""

    count: np.ndarray
    mean: np.ndarray
    variance: np.ndarray

    @property
    def std(self) -> np.ndarray:
        """The standard deviation."""
        return np.sqrt(self.variance)


class Moments(Reduction):
    """Mean and variance of every entry of the results. NaN, as of solves left out by `where`, does not count.

    Cost: a few passes over the results. Errors: those of the sums within a chunk; chunks are merged by their
    differences, so that a variance far below the mean keeps its digits.
    Source: T. F. Chan, G. H. Golub & R. J. LeVeque, Algorithms for computing the sample variance, The American
    Statistician 37 (1983) 242-247, eq. 2.1.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> sj.sweep(jnp.square, jnp.arange(4.0), reduce=sj.ensemble.Moments(), progress=False).reduced.mean
    array(3.5)
    """

    def start(self, like: jax.ShapeDtypeStruct) -> State:
        dtype = np.complex128 if np.issubdtype(like.dtype, np.complexfloating) else np.float64
        zeros = np.zeros(like.shape)
        return {"count": np.zeros(like.shape, np.int64), "mean": zeros.astype(dtype), "squares": zeros}

    @np.errstate(invalid="ignore")  # infinite results have an infinite mean, and no variance
    def add(self, state: State, rows: np.ndarray) -> State:
        there = ~np.isnan(rows)
        count = there.sum(0)
        mean = np.where(there, rows, 0).sum(0, dtype=state["mean"].dtype) / np.maximum(count, 1)
        squares = (np.abs(np.where(there, rows - mean, 0)) ** 2).sum(0)
        total = state["count"] + count
        share, infinite = count / np.maximum(total, 1), np.isinf(mean) | np.isinf(state["mean"])
        between = mean - state["mean"]
        both = np.where(infinite, mean + state["mean"], state["mean"] + between * share)
        return {
            "count": total,
            "mean": both,
            "squares": state["squares"] + squares + np.abs(between) ** 2 * state["count"] * share,
        }

    def finish(self, state: State) -> Moment:
        count = state["count"]
        mean = np.where(count > 0, state["mean"], np.nan)
        variance = np.where(count > 1, state["squares"] / np.maximum(count - 1, 1), np.nan)
        return Moment(count, mean, variance)


class Extreme(NamedTuple):
    """The smallest and the largest value of every entry of the results; NaN where there is none."""

    smallest: np.ndarray
    largest: np.ndarray


class Extremes(Reduction):
    """The smallest and the largest value of every entry of the results. NaN does not count.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> found = sj.sweep(jnp.sin, jnp.arange(9.0), reduce=sj.ensemble.Extremes(), progress=False).reduced
    >>> float(found.smallest.round(2)), float(found.largest.round(2))
    (-0.96, 0.99)
    """

    def start(self, like: jax.ShapeDtypeStruct) -> State:
        return {"smallest": np.full(like.shape, np.nan), "largest": np.full(like.shape, np.nan)}

    def add(self, state: State, rows: np.ndarray) -> State:
        return {
            "smallest": np.fmin(state["smallest"], np.fmin.reduce(rows, axis=0)),
            "largest": np.fmax(state["largest"], np.fmax.reduce(rows, axis=0)),
        }

    def finish(self, state: State) -> Extreme:
        return Extreme(state["smallest"], state["largest"])
