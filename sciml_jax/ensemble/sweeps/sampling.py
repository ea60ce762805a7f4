"""Points that fill a box of parameters evenly: Sobol' sequences and Latin hypercubes, from SciPy."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float, PyTree
from scipy.stats import qmc

from .points import Points


class Ranges:
    """A box of parameters and the way into it from the unit cube.

    **Arguments:** a pytree of pairs `(low, high)`, in which a parameter is uniform, or of frozen distributions of
    `scipy.stats`, such as `scipy.stats.loguniform(1e-3, 1.0)` or `scipy.stats.norm(1.0, 0.1)`.
    """

    def __init__(self, ranges: PyTree):
        paths, self.tree = jax.tree.flatten_with_path(ranges, is_leaf=_is_range)
        if not paths:
            raise ValueError("there is nothing to sample: give pairs (low, high) or distributions of scipy.stats")
        self.names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in paths]
        self.ranges = [_checked(name, x) for name, (_, x) in zip(self.names, paths, strict=True)]

    def __len__(self) -> int:
        return len(self.ranges)

    def place(self, unit: Float[np.ndarray, "n d"]) -> PyTree:
        """Rows of the unit cube as rows of parameters."""
        columns = [
            x.ppf(u) if hasattr(x, "ppf") else x[0] + (x[1] - x[0]) * u
            for x, u in zip(self.ranges, unit.T, strict=True)
        ]
        return jax.tree.unflatten(self.tree, columns)


def _is_range(x: Any) -> bool:
    return hasattr(x, "ppf") or (isinstance(x, tuple | list) and len(x) == 2 and all(np.isscalar(v) for v in x))


def _checked(name: str, x: Any) -> Any:
    if hasattr(x, "ppf"):
        return x
    if not (_is_range(x) and np.all(np.isfinite(x)) and x[0] < x[1]):
        raise ValueError(f"the range of {name or 'the parameter'} must be (low, high) with low < high; got {x!r}")
    return float(x[0]), float(x[1])


class Sobol(Points):
    """A scrambled Sobol' sequence in a box: every stretch of it is spread evenly. Best with n a power of two.

    **Arguments:** `n`, the number of rows; `ranges`, as `Ranges` takes them; `seed`, of the scrambling.

    Cost: rows are made when they are asked for, about 0.1 microseconds an entry. Source: I. M. Sobol', USSR Comp. Math.
    7 (1967) 86-112, as `scipy.stats.qmc.Sobol`.

    >>> import sciml_jax as sj
    >>> points = sj.ensemble.Sobol(1024, {"rho": (0.0, 21.0)}, seed=0)
    >>> rows = points.rows(0, 1024)["rho"]
    >>> bool(rows.min() >= 0), bool(rows.max() <= 21), round(float(rows.mean()), 2)
    (True, True, 10.5)
    """

    def __init__(self, n: int, ranges: PyTree, *, seed: int = 0):
        self.n, self.box, self.seed = n, Ranges(ranges), seed

    def rows(self, start: int, stop: int) -> PyTree:
        return self.box.place(sobol_sequence(len(self.box), start, stop, self.seed))


def sobol_sequence(dimensions: int, start: int, stop: int, seed: int) -> Float[np.ndarray, "n d"]:
    """Rows start, ..., stop - 1 of a scrambled Sobol' sequence in the unit cube."""
    if dimensions > qmc.Sobol.MAXDIM:
        raise ValueError(f"Sobol' sequences have {qmc.Sobol.MAXDIM} dimensions at most, got {dimensions}")
    sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    count = stop - start
    if not start:  # SciPy warns where the first rows are not a power of two
        return sequence.random(1 << max(count - 1, 0).bit_length())[:count]
    return sequence.fast_forward(start).random(count)


class LatinHypercube(Points):
    """A Latin hypercube in a box: of n slices of equal probability along every axis, each holds one row.

    **Arguments:** as for `Sobol`. Cost: all n rows are made at once, 8 bytes an entry.
    Source: M. D. McKay, R. J. Beckman & W. J. Conover, Technometrics 21 (1979) 239-245, as
    `scipy.stats.qmc.LatinHypercube`.

    >>> import numpy as np, sciml_jax as sj
    >>> rows = sj.ensemble.LatinHypercube(4, {"a": (0.0, 4.0)}, seed=1).rows(0, 4)["a"]
    >>> np.sort(rows).astype(int).tolist()
    [0, 1, 2, 3]
    """

    def __init__(self, n: int, ranges: PyTree, *, seed: int = 0):
        self.n, self.box = n, Ranges(ranges)
        self.unit = qmc.LatinHypercube(len(self.box), rng=np.random.default_rng(seed)).random(n)

    def rows(self, start: int, stop: int) -> PyTree:
        return self.box.place(self.unit[start:stop])
