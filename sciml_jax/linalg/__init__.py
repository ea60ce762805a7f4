"""Linear algebra that solvers need inside their loops: structured Jacobians, factorisations, Krylov methods."""

from .coloring import color_columns, compressed_jacobian
from .columns import times_columns
from .jacobians import jacobian
from .krylov import KrylovSolution, gmres
from .matrix_free import MatrixFree
from .pattern import pattern
from .sparse import Pattern, Sparse, detect
from .structure import Banded, Dense, Structure
from .systems import factored_solver, factorisation, linear_solver

__all__ = [
    "Banded",
    "Dense",
    "KrylovSolution",
    "MatrixFree",
    "Pattern",
    "Sparse",
    "Structure",
    "color_columns",
    "compressed_jacobian",
    "detect",
    "factored_solver",
    "factorisation",
    "gmres",
    "jacobian",
    "linear_solver",
    "pattern",
    "times_columns",
]
