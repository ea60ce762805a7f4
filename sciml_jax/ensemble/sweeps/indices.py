"""Which parameters matter: Sobol' sensitivity indices of a sweep's results."""

from typing import NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float, PyTree
from scipy import stats

from .points import Points
from .sampling import Ranges, sobol_sequence


class SaltelliDesign(Points):
    r"""Rows from which `sobol_indices` finds the sensitivity to every parameter: two samples A and B of n rows, and for
    every parameter a copy of A with the column of B. There are n (d + 2) rows for d parameters.

    **Arguments:** `n`, a power of two; `ranges`, as for `Sobol`; `seed`, of the scrambling.

    Source: A. Saltelli et al., Variance based sensitivity analysis of model output, Comp. Phys. Comm. 181 (2010)
    259-270, doi:10.1016/j.cpc.2009.09.018.
    """

    def __init__(self, n: int, ranges: PyTree, *, seed: int = 0):
        if n < 2 or n & (n - 1):
            raise ValueError(f"n must be a power of two, so that the samples are balanced; got {n}")
        self.each, self.box, self.seed = n, Ranges(ranges), seed
        self.n = n * (len(self.box) + 2)

    @property
    def names(self) -> list[str]:
        """The parameters."""
        return self.box.names

    def rows(self, start: int, stop: int) -> PyTree:
        d, parts = len(self.box), []
        for block in range(start // self.each, -(-stop // self.each)):
            first = block * self.each
            own = slice(max(start, first) - first, min(stop, first + self.each) - first)
            both = sobol_sequence(2 * d, own.start, own.stop, self.seed)
            a, b = both[:, :d], both[:, d:]
            if block == 1:
                a = b
            elif block > 1:
                a[:, block - 2] = b[:, block - 2]
            parts.append(a)
        return self.box.place(np.concatenate(parts))


class SobolIndices(NamedTuple):
    """First-order and total indices of every parameter, shape (d,) or (d, ...result), each with the two ends of its
    confidence interval."""

    names: list[str]
    first: np.ndarray
    first_low: np.ndarray
    first_high: np.ndarray
    total: np.ndarray
    total_low: np.ndarray
    total_high: np.ndarray

    def __str__(self) -> str:
        if np.ndim(self.first) > 1:  # a table for every entry of the results
            places = list(np.ndindex(*self.first.shape[1:]))
            own = [SobolIndices(self.names, *(np.asarray(x)[:, *place] for x in self[1:])) for place in places]
            return "\n".join(f"result {list(place)}\n{indices}" for place, indices in zip(places, own, strict=True))
        width = max(9, *(len(name) for name in self.names))
        lines = [f"{'parameter':<{width}}  {'first order':<21}  total"]
        for i, name in enumerate(self.names):
            cells = [
                f"{np.asarray(x)[i]:6.3f} [{np.asarray(low)[i]:6.3f}, {np.asarray(high)[i]:6.3f}]"
                for x, low, high in (
                    (self.first, self.first_low, self.first_high),
                    (self.total, self.total_low, self.total_high),
                )
            ]
            lines.append(f"{name:<{width}}  {cells[0]}  {cells[1]}")
        return "\n".join(lines)


def sobol_indices(
    design: SaltelliDesign,
    results: Float[ArrayLike, "n ..."],
    *,
    confidence: float = 0.95,
    resamples: int = 200,
    seed: int = 0,
) -> SobolIndices:
    r"""How much of the variance of a result is due to each parameter.

    The first-order index $V(E(y | x_i)) / V(y)$ counts what $x_i$ does alone; the total index
    $E(V(y | x_{\sim i})) / V(y)$ counts its interactions with others too, and is 0 for a parameter without effect.

    **Arguments:** the design that was swept over; its results, shape (n (d + 2),) or with axes behind; `confidence` of
    the intervals, found from the spread of `resamples` bootstraps.

    **Returns** `SobolIndices`, whose text is a table. Results without variance have indices 0.

    **Raises** `ValueError` where results are not finite: a failed solve is no result, and leaving rows out unbalances
    the design.

    Errors: about $1 / \sqrt n$, less for smooth results. Cost: `resamples` passes over the results.
    Source: as for `SaltelliDesign`, table 2: (b) of first order, (f), which is M. J. W. Jansen's, of the total.

    >>> import sciml_jax as sj
    >>> design = sj.ensemble.SaltelliDesign(1024, {"a": (0.0, 1.0), "b": (0.0, 1.0)})
    >>> found = sj.sweep(lambda p: 3 * p["a"] + p["b"], design, progress=False)
    >>> sj.ensemble.sobol_indices(design, found.results).first.round(1)  # 9 / 10 and 1 / 10
    array([0.9, 0.1])
    """
    if np.iscomplexobj(results):
        raise TypeError("Sobol' indices are of real results: take the real part, or the magnitude")
    y = np.asarray(results, float)
    if y.shape[:1] != (design.n,):
        raise ValueError(f"results of this design have {design.n} rows; got the shape {y.shape}")
    bad = ~np.isfinite(y).reshape(design.n, -1).all(1)
    if bad.any():
        raise ValueError(
            f"{int(bad.sum())} of {design.n} results are not finite: solve them (max_steps, tolerances, "
            "narrower ranges) or choose a result that is defined for all"
        )
    n, d = design.each, len(design.box)
    blocks = y.reshape(d + 2, n, *y.shape[1:])
    blocks = blocks - blocks[:2].mean((0, 1))  # without the mean, products keep their digits
    a, b, mixed = blocks[0], blocks[1], blocks[2:]
    # rows (b (mixed - a), (a - mixed)^2 / 2, a, b, a^2 + b^2), whose means make the indices
    terms = np.concatenate([b * (mixed - a), (a - mixed) ** 2 / 2, [a, b, a * a + b * b]])

    def indices(weights: np.ndarray) -> np.ndarray:
        means = np.tensordot(weights, terms, axes=(0, 1))
        variance = means[-1] / 2 - ((means[-3] + means[-2]) / 2) ** 2
        return np.where(variance > 0, means[:-3] / np.where(variance > 0, variance, 1), 0.0)

    random = np.random.default_rng(seed)
    drawn = [np.bincount(random.integers(n, size=n), minlength=n) / n for _ in range(resamples)]
    found = indices(np.full(n, 1 / n))
    spread = stats.norm.ppf((1 + confidence) / 2) * np.std([indices(weights) for weights in drawn], axis=0, ddof=1)
    low, high = found - spread, found + spread
    return SobolIndices(design.names, found[:d], low[:d], high[:d], found[d:], low[d:], high[d:])
