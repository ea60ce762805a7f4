"""Linear algebra that solvers need inside their loops."""

from .jacobians import jacobian
from .systems import factorisation, linear_solver

__all__ = ["factorisation", "jacobian", "linear_solver"]
