"""Estimated nanoseconds of one factorisation and four solves, by which structures choose how they eliminate.

Fitted to timings on one core of a server with AVX-512 in float64; only their order matters.
"""

from .inverse import LARGEST


def dense(n: int) -> float:
    """A dense matrix: its inverse by rows, or LAPACK."""
    if n <= LARGEST:
        return 1e3 + 150 * n + 0.17 * n**3
    return 1e4 + 0.06 * n**3 + 4 * 1.5 * n**2


def band(n: int, lower: int, upper: int) -> float:
    """A band, column by column; a window that leaves the nearest cache costs more an entry."""
    area = (lower + 1) * (lower + upper + 1)
    return n * (20 + area * (0.5 if area < 3000 else 2.0) + 4 * (6 + 1.2 * (2 * lower + upper)))


def blocks(n: int, lower: int, upper: int) -> float:
    """The same band as a block tridiagonal matrix."""
    m = max(lower, upper, 1)
    return -(-n // m) * (6e3 + 0.5 * m**3 + 4 * (3e3 + 4 * m**2))
