r"""LU factorisation of block tridiagonal matrices, for bands too wide to go column by column.

Block row k holds $L_k, D_k, U_k$ in the block columns k - 1, k, k + 1. Every step factorises the two blocks under and
on the diagonal together, $P\,(D'_k; L_{k+1}) = (\ell_1; \ell_2)\,u$, so that pivots come from all rows that could give
them, as in a factorisation of the whole band; the block column k + 2 fills in.

Source: Golub & Van Loan, Matrix Computations, section 4.5.1, with pivoting across two block rows.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact, Int


class BlockLU(NamedTuple):
    """The factors of every block column: the panel's, its order of rows, and the block row of U right of it."""

    panels: Inexact[Array, "k 2m m"]
    orders: Int[Array, "k 2m"]
    right: Inexact[Array, "k m 2m"]


def _triangular(a: Array, b: Array, *, lower: bool, transposed: bool = False) -> Array:
    solve = jax.scipy.linalg.solve_triangular
    return solve(a, b, lower=lower, unit_diagonal=lower, trans=int(transposed))


def from_bands(bands: Inexact[Array, "n width"], lower: int) -> tuple[Array, Array, Array]:
    """The blocks of a banded matrix (`banded`'s storage), as large as its wider side; the last is filled up with ones
    on the diagonal.
    """
    n, width = bands.shape
    m = max(lower, width - 1 - lower, 1)
    k = -(-n // m)
    rows = jnp.pad(bands, ((0, k * m - n), (0, 0))).at[n:, lower].set(1).reshape(k, m, width)
    place = np.arange(3 * m) - m + lower - np.arange(m)[:, None]
    inside = (place >= 0) & (place < width)
    blocks = jnp.where(inside, rows[:, np.arange(m)[:, None], np.clip(place, 0, width - 1)], 0)
    return blocks[1:, :, :m], blocks[:, :, m : 2 * m], blocks[:-1, :, 2 * m :]


def factorize(
    lower: Inexact[Array, "k-1 m m"], diagonal: Inexact[Array, "k m m"], upper: Inexact[Array, "k-1 m m"]
) -> BlockLU:
    """Gaussian elimination with partial pivoting; `lower[i]` stands left of `diagonal[i + 1]`.

    Cost: about 7 k m^3 operations in library calls.

    >>> import jax.numpy as jnp
    >>> a, b = jnp.array([[[2.0]], [[3.0]]]), jnp.array([[[1.0]]])
    >>> solve(factorize(b, a, b), jnp.array([3.0, 4.0])).tolist()  # [[2, 1], [1, 3]]
    [1.0, 1.0]
    """
    m = diagonal.shape[-1]
    nothing = jnp.zeros((1, m, m), diagonal.dtype)

    def step(row, entering):
        below, d, u = entering
        panel, _, order = jax.lax.linalg.lu(jnp.concatenate([row[:, :m], below]))
        zeros = jnp.zeros((m, m), d.dtype)
        rest = jnp.block([[row[:, m:], zeros], [d, u]])[order]
        right = _triangular(panel[:m], rest[:m], lower=True)
        return rest[m:] - panel[m:] @ right, (panel, order, right)

    # the block row that enters beside the last one is empty
    start = jnp.concatenate([diagonal[0], upper[0] if len(upper) else nothing[0]], axis=1)
    entering = (
        jnp.concatenate([lower, nothing]),
        jnp.concatenate([diagonal[1:], nothing]),
        jnp.concatenate([upper, nothing, nothing])[1 : len(diagonal) + 1],
    )
    return BlockLU(*jax.lax.scan(step, start, entering)[1])


def _in_blocks(b: Array, factors: BlockLU) -> Array:
    k, _, m = factors.panels.shape
    return jnp.pad(b.astype(jnp.result_type(b, factors.panels)), (0, k * m - len(b))).reshape(k, m)


def solve(factors: BlockLU, b: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """x with A x = b, for b of length n <= k m (the rest of b counts as 0). Cost: about 10 k m^2 operations."""
    m = factors.panels.shape[-1]
    n, b = len(b), _in_blocks(b, factors)
    zeros = jnp.zeros(m, b.dtype)

    def forwards(row, x):
        entering, panel, order = x
        values = jnp.concatenate([row, entering])[order]
        y = _triangular(panel[:m], values[:m], lower=True)
        return values[m:] - panel[m:] @ y, y

    def backwards(later, x):
        y, panel, right = x
        solved = _triangular(panel[:m], y - right @ later, lower=False)
        return jnp.concatenate([solved, later[:m]]), solved

    entering = jnp.concatenate([b[1:], zeros[None]])
    y = jax.lax.scan(forwards, b[0], (entering, factors.panels, factors.orders))[1]
    start = jnp.concatenate([zeros, zeros])
    return jax.lax.scan(backwards, start, (y, factors.panels, factors.right), reverse=True)[1].ravel()[:n]


def solve_transposed(factors: BlockLU, b: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """x with A^T x = b, for b of length n <= k m (the rest of b counts as 0). Cost: about 10 k m^2 operations."""
    m = factors.panels.shape[-1]
    n, b = len(b), _in_blocks(b, factors)
    zeros = jnp.zeros(m, b.dtype)

    def forwards(sums, x):  # of what stands left of this and the next block column, times what is solved
        entry, panel, right = x
        y = _triangular(panel[:m], entry - sums[:m], lower=False, transposed=True)
        return jnp.concatenate([sums[m:], zeros]) + y @ right, y

    def backwards(later, x):
        y, panel, order = x
        y = _triangular(panel[:m], y - later @ panel[m:], lower=True, transposed=True)
        rows = jnp.zeros(2 * m, y.dtype).at[order].set(jnp.concatenate([y, later]), unique_indices=True)
        return rows[:m], rows[m:]

    y = jax.lax.scan(forwards, jnp.concatenate([zeros, zeros]), (b, factors.panels, factors.right))[1]
    first, late = jax.lax.scan(backwards, zeros, (y, factors.panels, factors.orders), reverse=True)
    return jnp.concatenate([first[None], late[:-1]]).ravel()[:n]
