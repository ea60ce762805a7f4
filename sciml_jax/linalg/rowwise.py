"""LU factorisation by whole rows in plain JAX: without library calls a loop around it stays one compiled function."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact, Int

from .window import magnitude


class RowLU(NamedTuple):
    """Both factors in one matrix, its rows in the order of elimination, and that order."""

    lu: Inexact[Array, "n n"]
    order: Int[Array, " n"]


def factorize(matrix: Inexact[Array, "n n"]) -> RowLU:
    """Gaussian elimination with partial pivoting, one rank-one update of all rows a column.

    Cost: 2 n^3 operations in n vectorised passes; ahead of a library call up to n of about 64.
    Source: Golub & Van Loan, Matrix Computations, algorithm 3.4.1 (outer products).
    """
    n = matrix.shape[0]
    index = jnp.arange(n)

    def column(k, state):
        a, order = state
        candidates = jnp.where(index >= k, magnitude(a[:, k]), -1.0)
        p = jnp.argmax(candidates)
        take = jnp.where(index == k, p, jnp.where(index == p, k, index))
        a, order = a[take], order[take]
        below = index > k
        factor = jnp.where(below, a[:, k] / a[k, k], 0.0)
        update = jnp.where(index > k, a[k], 0.0)
        a = a - factor[:, None] * update[None, :]
        a = a.at[:, k].set(jnp.where(below, factor, a[:, k]))
        return a, order

    return RowLU(*jax.lax.fori_loop(0, n, column, (matrix, index)))


def solve(factors: RowLU, b: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """x with A x = b. Cost: 2 n passes over vectors of length n."""
    lu, order = factors
    n = b.shape[0]
    index = jnp.arange(n)

    def forwards(k, x):
        return x - jnp.where(index > k, lu[:, k], 0.0) * x[k]

    def backwards(i, x):
        k = n - 1 - i
        x = x.at[k].set(x[k] / lu[k, k])
        return x - jnp.where(index < k, lu[:, k], 0.0) * x[k]

    return jax.lax.fori_loop(0, n, backwards, jax.lax.fori_loop(0, n, forwards, b[order]))


def solve_transposed(factors: RowLU, b: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """x with A^T x = b. Cost: 2 n passes over vectors of length n."""
    lu, order = factors
    n = b.shape[0]
    index = jnp.arange(n)

    def forwards(k, x):
        x = x.at[k].set(x[k] / lu[k, k])
        return x - jnp.where(index > k, lu[k], 0.0) * x[k]

    def backwards(i, x):
        k = n - 1 - i
        return x - jnp.where(index < k, lu[k], 0.0) * x[k]

    x = jax.lax.fori_loop(0, n, backwards, jax.lax.fori_loop(0, n, forwards, b))
    return jnp.zeros_like(x).at[order].set(x)
