"""Coefficients of diagonally implicit Runge-Kutta methods, alone or paired with an explicit method."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

Number = float | Fraction
Rows = Sequence[Sequence[float]]


@dataclass(frozen=True)
class DirkTableau:
    r"""A method with s stages, the first one explicit, and the same $\gamma$ on the diagonal of every implicit one:

    $$k_i = f\bigl(t + c_i h, y + h \sum_{j \le i} a_{ij} k_j\bigr), \qquad y_1 = y + h \sum_i b_i k_i$$

    - `order`: of the solution. `error`: weights of the error estimate, which shrinks with h to the `error_order`.
    - `a`: rows with their diagonal; an explicit stage has a row without one.
    - `filters`: how often $(I - h\gamma J)^{-1}$ is applied to the estimate, so that it stays bounded for stiff
      components (Hosea & Shampine, Appl. Numer. Math. 20 (1996), section 4).
    - `explicit_a`: rows of the explicit method of an additive pair, with the same nodes; `explicit_b` and
      `explicit_error` where they differ from `b` and `error`.
    """

    order: int
    error_order: int
    gamma: float
    a: Rows
    b: Sequence[float]
    error: Sequence[float]
    filters: int = 0
    explicit_a: Rows = ()
    explicit_b: Sequence[float] = ()
    explicit_error: Sequence[float] = ()

    @property
    def stages(self) -> int:
        """Number of stages s."""
        return len(self.b)

    @property
    def additive(self) -> bool:
        """Whether there is an explicit method for a part of the field."""
        return bool(self.explicit_a)

    @property
    def nodes(self) -> np.ndarray:
        """The nodes c, shape (s,)."""
        return np.array([sum(row) for row in self.a])

    def implicit(self, i: int) -> bool:
        """Whether stage i solves an equation."""
        return len(self.a[i]) > i

    @property
    def solution_stage(self) -> int | None:
        """The stage that is the implicit method's solution, so that its derivative begins the next step."""
        for i in range(1, self.stages):
            row = [*self.a[i], *[0.0] * (self.stages - len(self.a[i]))]
            if self.implicit(i) and row == list(self.b):
                return i
        return None

    def guess(self, i: int) -> np.ndarray:
        """Weights of the stages before i that extrapolate their derivative to node i, shape (i,).

        The polynomial through the nearest nodes, of degree two or less, as long as it does not magnify.
        """
        c, known = self.nodes, [j for j in range(i) if j > 0 or i == 1]
        distinct: list[int] = []
        for j in sorted(known, key=lambda j: (abs(c[j] - c[i]), -j)):
            if all(abs(c[j] - c[k]) > 1e-9 for k in distinct):
                distinct.append(j)
        for degree in (2, 1, 0):
            some = distinct[: degree + 1]
            weights = np.zeros(i)
            for j in some:
                weights[j] = np.prod([(c[i] - c[k]) / (c[j] - c[k]) for k in some if k != j])
            if np.abs(weights).sum() <= 5:
                break
        return weights


def esdirk(
    order: int,
    gamma: Number,
    a: Sequence[Sequence[Number]],
    embedded: Sequence[Number] | None = None,
    explicit_a: Sequence[Sequence[Number]] = (),
) -> DirkTableau:
    """The tableau of a stiffly accurate method, from the rows of `a` without their diagonal, exact or rounded.

    `embedded` are the weights of the solution that the error is estimated with; by default those of the stage before
    the last, which is one then.
    """
    full = [[*row, gamma] if i > 0 else [] for i, row in enumerate(a)]
    other = [*full[-2], 0] if embedded is None else embedded
    error = [float(w - b) for w, b in zip(other, full[-1], strict=True)]
    rows = [[float(w) for w in row] for row in full]
    explicit = [[float(w) for w in row] for row in explicit_a]
    return DirkTableau(order, order, float(gamma), rows, rows[-1], error, explicit_a=explicit)
