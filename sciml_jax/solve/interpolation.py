"""Interpolants inside one step: Hermite cubics and the polynomials of Runge-Kutta methods."""

from collections.abc import Sequence
from fractions import Fraction
from math import comb
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.trees import combine
from .problem import State, Time


class Ends(NamedTuple):
    """The states at both ends of a step."""

    y0: State
    y1: State


class Hermite(NamedTuple):
    """Values and derivatives at both ends of a step."""

    y0: State
    y1: State
    f0: State
    f1: State


def theta(t_left: Time, t_right: Time, t: Time) -> Time:
    """Where `t` lies in the step, 0 to 1; 0 in a step of no length."""
    h = t_right - t_left
    return jnp.where(h == 0, 0.0, (t - t_left) / jnp.where(h == 0, 1.0, h)).astype(h.dtype)


def hermite(data: Hermite, t_left: Time, t_right: Time, t: Time) -> State:
    """The cubic through values and slopes at both ends (Hairer, Norsett & Wanner I, eq. II.6.7); order 3."""
    s, h = theta(t_left, t_right, t), t_right - t_left

    def leaf(y0, y1, f0, f1):
        d = y1 - y0
        return y0 + s * (d + (s - 1) * ((1 - 2 * s) * d + h * ((s - 1) * f0 + s * f1)))

    return jax.tree.map(leaf, *data)


def bernstein_rows(rows: Sequence[Sequence[Fraction]]) -> np.ndarray:
    r"""Polynomials without constant term, given by exact coefficients of $s, s^2, \ldots$, in Bernstein's basis.

    Column k - 1 holds the factor of $s^k (1 - s)^{m - k}$, k = 1..m. Sums over powers of s lose up to seven digits in
    interpolants of high order (Vern8: 5e-10 instead of 3e-13), this basis does not.
    """
    m = max(len(row) for row in rows)
    table = np.zeros((len(rows), m))
    for i, row in enumerate(rows):
        for k in range(1, m + 1):
            terms = (Fraction(comb(k, j), comb(m, j)) * c for j, c in enumerate(row[:k], start=1))
            table[i, k - 1] = float(comb(m, k) * sum(terms, Fraction(0)))
    return table


def bernstein(table: np.ndarray, s: Float[Array, ""] | float) -> list:
    """The values at `s` of the polynomials in `bernstein_rows`; `None` for one that is zero throughout.

    A Python number gives Python numbers.
    """
    powers = basis(table.shape[1], s)
    return [combine(row, powers) for row in table]


def basis(m: int, s: Float[Array, ""] | float) -> list:
    """Bernstein's basis without its first member and without binomials: s^k (1 - s)^(m - k), k = 1..m."""
    ups, downs = [s], [1 - s]
    for _ in range(m - 1):
        ups.append(ups[-1] * s)
        downs.append(downs[-1] * downs[0])
    return [ups[k - 1] * downs[m - k - 1] if k < m else ups[-1] for k in range(1, m + 1)]
