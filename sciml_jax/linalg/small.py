"""LU factorisation of very small matrices, unrolled into scalars: it stays inside a compiled loop."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Inexact

from ..core.once import once
from .window import magnitude


class SmallLU(NamedTuple):
    """The factors as scalars, row by row (the multipliers below the diagonal), and which rows were swapped."""

    rows: tuple[tuple[Array, ...], ...]
    inverses: tuple[Array, ...]  # of the diagonal
    swaps: tuple[Bool[Array, ""], ...]


def factorize(matrix: Inexact[Array, "n n"]) -> SmallLU:
    """Gaussian elimination with partial pivoting.

    Pivoting is a comparison and a swap of every row below with the pivot's row, so that the largest entry moves up.
    Cost: about 2/3 n^3 operations and n^3 selections, every one an instruction: for n up to about 12.
    Source: Golub & Van Loan, Matrix Computations, algorithm 3.4.1.
    """
    n, matrix = matrix.shape[0], once(matrix)
    rows = [[matrix[i, j] for j in range(n)] for i in range(n)]
    inverses, swaps = [], []
    for k in range(n):
        for i in range(k + 1, n):
            swap = magnitude(rows[i][k]) > magnitude(rows[k][k])
            rows[k], rows[i] = _swapped(swap, rows[k], rows[i])
            swaps.append(swap)
        inverses.append(1 / rows[k][k])
        for i in range(k + 1, n):
            rows[i][k] = rows[i][k] * inverses[k]
            for j in range(k + 1, n):
                rows[i][j] = rows[i][j] - rows[i][k] * rows[k][j]
    return once(SmallLU(tuple(map(tuple, rows)), tuple(inverses), tuple(swaps)))


def _swapped(swap, upper: list, lower: list) -> tuple[list, list]:
    up = [jnp.where(swap, b, a) for a, b in zip(upper, lower, strict=True)]
    down = [jnp.where(swap, a, b) for a, b in zip(upper, lower, strict=True)]
    return up, down


def _pairs(n: int) -> list[tuple[int, int]]:
    return [(k, i) for k in range(n) for i in range(k + 1, n)]


def solve(factors: SmallLU, b: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """x with A x = b. Cost: 2 n^2 operations."""
    rows, inverses, swaps = factors
    n = len(rows)
    b = once(b)
    x = [b[i] for i in range(n)]
    for (k, i), swap in zip(_pairs(n), swaps, strict=True):
        x[k], x[i] = jnp.where(swap, x[i], x[k]), jnp.where(swap, x[k], x[i])
    for i in range(n):
        for j in range(i):
            x[i] = x[i] - rows[i][j] * x[j]
    for i in reversed(range(n)):
        for j in range(i + 1, n):
            x[i] = x[i] - rows[i][j] * x[j]
        x[i] = x[i] * inverses[i]
    return once(jnp.stack(x))


def solve_transposed(factors: SmallLU, b: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """x with A^T x = b. Cost: 2 n^2 operations."""
    rows, inverses, swaps = factors
    n = len(rows)
    b = once(b)
    x = [b[i] for i in range(n)]
    for i in range(n):
        for j in range(i):
            x[i] = x[i] - rows[j][i] * x[j]
        x[i] = x[i] * inverses[i]
    for i in reversed(range(n)):
        for j in range(i + 1, n):
            x[i] = x[i] - rows[j][i] * x[j]
    for (k, i), swap in reversed(list(zip(_pairs(n), swaps, strict=True))):
        x[k], x[i] = jnp.where(swap, x[i], x[k]), jnp.where(swap, x[k], x[i])
    return once(jnp.stack(x))
