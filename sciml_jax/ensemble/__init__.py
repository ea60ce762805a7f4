"""Many solves at once: batches, lanes of straight-line code, chunks, threads, devices, processes."""

from .ensemble import solve_ensemble
from .interpreter import Interpreter, NotInLanes
from .lanes import run_lanes
from .processes import connect, gathered
from .sweeps import (
    Extremes,
    Fold,
    Generated,
    Grid,
    Histogram,
    LatinHypercube,
    Moments,
    Points,
    Quantiles,
    Reduction,
    Rows,
    SaltelliDesign,
    Sobol,
    SobolIndices,
    Swept,
    sobol_indices,
    sweep,
)

__all__ = [
    "Extremes",
    "Fold",
    "Generated",
    "Grid",
    "Histogram",
    "Interpreter",
    "LatinHypercube",
    "Moments",
    "NotInLanes",
    "Points",
    "Quantiles",
    "Reduction",
    "Rows",
    "SaltelliDesign",
    "Sobol",
    "SobolIndices",
    "Swept",
    "connect",
    "gathered",
    "run_lanes",
    "sobol_indices",
    "solve_ensemble",
    "sweep",
]
