"""LU factorisation of larger dense matrices: LAPACK on CPU, the vendor's library elsewhere."""

from typing import NamedTuple

import jax
from jaxtyping import Array, Inexact, Int


class DenseLU(NamedTuple):
    """Both factors in one matrix, and the pivots."""

    lu: Inexact[Array, "n n"]
    pivots: Int[Array, " n"]


def factorize(matrix: Inexact[Array, "n n"]) -> DenseLU:
    """Gaussian elimination with partial pivoting. Cost: 2/3 n^3 operations."""
    return DenseLU(*jax.scipy.linalg.lu_factor(matrix))


def solve(factors: DenseLU, b: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """x with A x = b. Cost: 2 n^2 operations."""
    return jax.scipy.linalg.lu_solve(factors, b)


def solve_transposed(factors: DenseLU, b: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """x with A^T x = b. Cost: 2 n^2 operations."""
    return jax.scipy.linalg.lu_solve(factors, b, trans=1)
