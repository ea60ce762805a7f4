r"""LU factorisation of banded matrices by rows: one column a turn of a loop, without library calls.

A matrix with `lower` diagonals under the main one and `upper` above it is stored by rows, `bands[i, j - i + lower]`
for the entry (i, j), in an array (n, lower + upper + 1); places outside the matrix hold zeros. Partial pivoting looks
down the `lower` rows beneath the diagonal, so that U fills up to width lower + upper + 1.

Source: Golub & Van Loan, Matrix Computations, section 4.3.5; LAPACK's `gbtf2`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact, Int

from .window import Window, append, as_vector, columns, exchange, magnitude, push, subtract, subtract_product

# Products a column up to which windows are scalars: at 2 + 2 diagonals 4.7 us instead of 7.1 (vectors) for 256 rows, at
# 4 + 4 diagonals 17.6 instead of 14.4. Turns of the factorisation are not unrolled: it got slower by 2 to 10 times.
_NARROW = 20
_UNROLL = 4  # turns of a substitution in one: 1.9 us instead of 3.1 (256 rows, 2 + 2 diagonals), and 8 gain no more


class BandLU(NamedTuple):
    """The factors, column by column of the elimination."""

    pivots: Int[Array, " n"]  # how far below the diagonal the pivot stood
    multipliers: Inexact[Array, "n lower"]
    # the inverse of the diagonal of U, then the row divided by it: a turn of a substitution waits for one product less
    rows: Inexact[Array, "n width"]


def _is_narrow(lower: int, width: int) -> bool:
    return lower * (width - 1) <= _NARROW and width <= _NARROW


def _behind(a: Array, count: int) -> Array:
    """What enters the window after the first `count` rows: the others, then zeros."""
    return jnp.concatenate([a[count:], jnp.zeros((count, *a.shape[1:]), a.dtype)])


def factorize(bands: Inexact[Array, "n width"], lower: int) -> BandLU:
    """Gaussian elimination with partial pivoting, in a window of lower + 1 rows. Zero columns give inf and NaN.

    Cost: 2 n lower (lower + upper) operations.

    >>> import jax.numpy as jnp
    >>> factors = factorize(jnp.array([[0.0, 2.0, 1.0], [1.0, 3.0, 0.0]]), 1)  # [[2, 1], [1, 3]]
    >>> solve(factors, jnp.array([3.0, 4.0])).tolist()
    [1.0, 1.0]
    """
    n, width = bands.shape
    zero, entering = jnp.zeros((), bands.dtype), _behind(bands, lower)
    step: Callable
    start: Window
    if _is_narrow(lower, width):
        first = [
            [bands[i, lower - i + j] if lower - i + j < width else zero for j in range(width)] for i in range(lower)
        ]
        step, start = _scalar_step, tuple(map(tuple, first))
    else:
        ragged = [jnp.concatenate([bands[i, lower - i :], jnp.zeros(lower - i, bands.dtype)]) for i in range(lower)]
        step, start = _vector_step, jnp.stack(ragged) if ragged else jnp.zeros((0, width), bands.dtype)
    return BandLU(*jax.lax.scan(step, start, entering)[1])


def _scalar_step(window: tuple[tuple[Array, ...], ...], row: Array):
    rows = [*window, tuple(row)]
    p, largest = jnp.zeros((), jnp.int32), magnitude(rows[0][0])
    for i, candidate in enumerate(rows[1:], 1):
        better = magnitude(candidate[0]) > largest
        p = jnp.where(better, jnp.int32(i), p)
        largest = jnp.where(better, magnitude(candidate[0]), largest)
    swapped = zip(*[exchange(p, column) for column in zip(*rows, strict=True)], strict=True)
    (pivot, *rest), *below = swapped
    inverse = 1 / pivot
    multipliers = [x[0] * inverse for x in below]
    after = [(*subtract(x[1:], m, tuple(rest)), jnp.zeros_like(pivot)) for m, x in zip(multipliers, below, strict=True)]
    return tuple(after), (
        p,
        as_vector(tuple(multipliers), pivot.dtype),
        jnp.stack([inverse, *(x * inverse for x in rest)]),
    )


def _vector_step(window: Window, row: Array):
    rows = append(window, row)
    p = jnp.argmax(magnitude(rows[:, 0])).astype(jnp.int32)
    rows = exchange(p, rows)
    inverse = 1 / rows[0, 0]
    multipliers = rows[1:, 0] * inverse
    after = rows[1:, 1:] - multipliers[:, None] * rows[0, 1:]
    return jnp.pad(after, ((0, 0), (0, 1))), (p, multipliers, (rows[0] * inverse).at[0].set(inverse))


def _prepare(factors: BandLU, b: Array) -> tuple[bool, int, Window, Window, Array]:
    lower, width = factors.multipliers.shape[1], factors.rows.shape[1]
    narrow = _is_narrow(lower, width)
    b = b.astype(jnp.result_type(b, factors.rows))
    return narrow, lower, columns(factors.multipliers, narrow), columns(factors.rows, narrow), b


def solve(factors: BandLU, b: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """x with A x = b. Cost: 2 n (2 lower + upper) operations, one after the other along n."""
    narrow, lower, multipliers, rows, b = _prepare(factors, b)

    def forwards(window, x):
        entering, p, m = x
        swapped = exchange(p, append(window, entering))
        return subtract(swapped[1:], swapped[0], m), swapped[0]

    def backwards(window, x):
        y, row = x
        solved = subtract_product(y * row[0], row[1:], window)
        return push(solved, window), solved

    start = tuple(b[i] for i in range(lower)) if narrow else b[:lower]
    y = jax.lax.scan(forwards, start, (_behind(b, lower), factors.pivots, multipliers), unroll=_UNROLL)[1]
    zeros = _zeros(factors.rows.shape[1] - 1, b.dtype, narrow)
    return jax.lax.scan(backwards, zeros, (y, rows), reverse=True, unroll=_UNROLL)[1]


def _zeros(size: int, dtype, narrow: bool) -> Window:
    return (jnp.zeros((), dtype),) * size if narrow else jnp.zeros(size, dtype)


def solve_transposed(factors: BandLU, b: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """x with A^T x = b. Cost: 2 n (2 lower + upper) operations, one after the other along n."""
    narrow, lower, multipliers, rows, b = _prepare(factors, b)
    zero = jnp.zeros((), b.dtype)

    def forwards(sums, x):  # of the entries of U^T left of the diagonal with what is solved, for this and later rows
        entry, row = x
        due = append(sums, zero)
        scaled = entry - due[0]  # times the diagonal
        return subtract(due[1:], -scaled, row[1:]), scaled * row[0]

    def backwards(window, x):  # row k of the transposed multipliers, then the exchange of rows k and k + p
        y, p, m = x
        swapped = exchange(p, push(subtract_product(y, m, window), append(window, zero)))
        return swapped[:-1], swapped[-1]

    sums = _zeros(factors.rows.shape[1] - 1, b.dtype, narrow)
    y = jax.lax.scan(forwards, sums, (b, rows), unroll=_UNROLL)[1]
    window = _zeros(lower, b.dtype, narrow)
    first, late = jax.lax.scan(backwards, window, (y, factors.pivots, multipliers), reverse=True, unroll=_UNROLL)
    return jnp.concatenate([as_vector(first, b.dtype), late[: len(b) - lower]])
