"""Quantiles of results, in one pass and in bounded memory."""

import jax
import numpy as np
from jaxtyping import ArrayLike

from .reduction import Reduction, State


class Quantiles(Reduction):
    r"""Quantiles of every entry of the results, exact up to `size` results, and then of a sketch of them.

    The sketch holds sorted buffers of `size` values; a value of a buffer of level $l$ stands for $2^l$ results. Two
    buffers of one level become one of the next: sorted together, every other value is kept, beginning with the first
    or the second by chance (of a fixed seed).

    **Arguments:** `probabilities`, shape (k,), between 0 and 1; `size`, by default 4,096.

    **Returns** an array (k, ...row). NaN does not count; where there is nothing but NaN, quantiles are NaN.

    Errors: of n results, the rank of a quantile is wrong by about $0.7 n / \mathrm{size}$ (one standard deviation), by
    $n \log_2(n / \mathrm{size}) / (2\, \mathrm{size})$ at most: 0.02 % and 0.1 % of a million.
    Cost: a sort of every `size` results; memory for `size` (1 + log2(n / size)) values an entry.
    Source: G. S. Manku, S. Rajagopalan & B. G. Lindsay, Approximate medians and other quantiles in one pass and with
    limited memory, SIGMOD (1998), doi:10.1145/276304.276342, with the random offsets of Z. Karnin, K. Lang &
    E. Liberty, Optimal quantile approximation in streams, FOCS (2016).

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> sj.sweep(jnp.square, jnp.arange(5.0), reduce=sj.ensemble.Quantiles([0.0, 0.5]), progress=False).reduced
    array([0., 4.])
    """

    def __init__(self, probabilities: ArrayLike, size: int = 4096):
        self.probabilities, self.size = np.atleast_1d(np.asarray(probabilities, float)), size
        if self.probabilities.ndim != 1 or not np.all((self.probabilities >= 0) & (self.probabilities <= 1)):
            raise ValueError(f"probabilities of quantiles lie between 0 and 1; got {probabilities!r}")
        if size < 2 or size % 2:
            raise ValueError(f"size of a sketch is an even number; got {size!r}")

    def start(self, like: jax.ShapeDtypeStruct) -> State:
        if np.issubdtype(like.dtype, np.complexfloating):
            raise TypeError("quantiles are of real numbers: take the real part, or the magnitude")
        return {
            "loose": np.empty((0, *like.shape)),  # results that are in no buffer yet
            "buffers": np.empty((0, self.size, *like.shape)),  # one a level
            "full": np.zeros(0, bool),
            "numbers": np.zeros(like.shape, np.int64),  # results that are not NaN
            "merges": np.zeros((), np.int64),
        }

    def add(self, state: State, rows: np.ndarray) -> State:
        loose = np.concatenate([state["loose"], rows])
        count = len(loose) // self.size * self.size
        state = state | {"loose": loose[count:], "numbers": state["numbers"] + (~np.isnan(rows)).sum(0)}
        for piece in loose[:count].reshape(count // self.size, self.size, *loose.shape[1:]):
            state = self._carry(state, np.sort(piece, axis=0))
        return state

    def _carry(self, state: State, buffer: np.ndarray) -> State:
        """A new buffer of level 0: as one is added to a binary number."""
        buffers, full, merges, level = state["buffers"].copy(), state["full"].copy(), int(state["merges"]), 0
        while level < len(full) and full[level]:
            both = np.sort(np.concatenate([buffers[level], buffer]), axis=0)  # NaN comes last
            buffer = both[np.random.default_rng(merges).integers(2) :: 2]
            full[level], level, merges = False, level + 1, merges + 1
        if level == len(full):
            buffers, full = np.concatenate([buffers, buffer[None]]), np.append(full, True)
        else:
            buffers[level], full[level] = buffer, True
        return state | {"buffers": buffers, "full": full, "merges": np.asarray(merges)}

    def finish(self, state: State) -> np.ndarray:
        levels = np.flatnonzero(state["full"])
        values = np.concatenate([state["loose"], *state["buffers"][levels]])
        weights = np.concatenate([np.ones(len(state["loose"])), np.repeat(2.0**levels, self.size)])
        shape = values.shape[1:]
        numbers = state["numbers"].ravel()
        columns = values.reshape(len(values), len(numbers)).T
        out = [self._column(x, weights, n) for x, n in zip(columns, numbers, strict=True)]
        return np.stack(out, axis=-1).reshape(-1, *shape) if out else np.empty((len(self.probabilities), *shape))

    def _column(self, values: np.ndarray, weights: np.ndarray, numbers: int) -> np.ndarray:
        there = ~np.isnan(values)
        if not there.any():
            return np.full(len(self.probabilities), np.nan)
        values, weights = values[there], weights[there]
        order = np.argsort(values, kind="stable")
        # a value of weight w stands for w neighbouring ranks, and is put in their middle
        ranks = np.cumsum(weights[order]) - (weights[order] + 1) / 2
        return np.interp(self.probabilities * (numbers - 1), ranks, values[order])
