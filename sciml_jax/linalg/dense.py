"""LU factorisation of larger dense matrices: LAPACK on CPU, the vendor's library elsewhere."""

from typing import NamedTuple

import jax
from jaxtyping import Array, Float, Int


class DenseLU(NamedTuple):
    """Both factors in one matrix, and the pivots."""

    lu: Float[Array, "n n"]
    pivots: Int[Array, " n"]


def factorize(matrix: Float[Array, "n n"]) -> DenseLU:
    """Gaussian elimination with partial pivoting. Cost: 2/3 n^3 operations."""
    return DenseLU(*jax.scipy.linalg.lu_factor(matrix))


def solve(factors: DenseLU, b: Float[Array, " n"]) -> Float[Array, " n"]:
    """x with A x = b. Cost: 2 n^2 operations."""
    return jax.scipy.linalg.lu_solve(factors, b)


def solve_transposed(factors: DenseLU, b: Float[Array, " n"]) -> Float[Array, " n"]:
    """x with A^T x = b. Cost: 2 n^2 operations."""
    return jax.scipy.linalg.lu_solve(factors, b, trans=1)
