"""Sweeps over more rows than fit into memory: points, reductions, an archive on disk, sensitivity indices."""

from .histogram import Counts, Histogram
from .indices import SaltelliDesign, SobolIndices, sobol_indices
from .moments import Extreme, Extremes, Moment, Moments
from .points import Generated, Grid, Points, Rows
from .quantiles import Quantiles
from .reduction import Fold, Reduction
from .sampling import LatinHypercube, Sobol
from .sweep import Swept, sweep

__all__ = [
    "Counts",
    "Extreme",
    "Extremes",
    "Fold",
    "Generated",
    "Grid",
    "Histogram",
    "LatinHypercube",
    "Moment",
    "Moments",
    "Points",
    "Quantiles",
    "Reduction",
    "Rows",
    "SaltelliDesign",
    "Sobol",
    "SobolIndices",
    "Swept",
    "sobol_indices",
    "sweep",
]
