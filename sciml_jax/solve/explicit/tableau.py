"""Butcher tableaux: the coefficients of a Runge-Kutta method, exact, with their float64 copies."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from ..interpolation import bernstein_rows

Number = int | str | Fraction
Row = tuple[Fraction, ...]


def exact(numbers: Sequence[Number]) -> Row:
    """Exact fractions from integers, fractions and strings such as `"44/45"` or `"-0.0034"`."""
    return tuple(Fraction(number) for number in numbers)


def exact_rows(rows: Sequence[Sequence[Number]]) -> tuple[Row, ...]:
    """`exact` of every row."""
    return tuple(exact(row) for row in rows)


@dataclass(frozen=True)
class ButcherTableau:
    r"""An explicit Runge-Kutta pair with its continuous extension, as exact fractions.

    $$k_i = f(t + c_i h,\; y + h \sum_{j<i} a_{ij} k_j), \qquad
    y_1 = y + h \sum_i b_i k_i, \qquad
    e = h \sum_i (b_i - \hat b_i) k_i$$
    $$y(t + \theta h) = y + h \sum_i \beta_i(\theta) k_i, \qquad
    \beta_i(\theta) = \sum_{j \ge 1} \mathrm{dense}_{ij}\, \theta^j$$

    **Arguments:** (s stages)

    - `order`: of the solution that is carried on.
    - `c`, `b`: s entries each. `a`: s rows, row i with i entries (the first is empty).
    - `b_embedded`: s or s + 1 entries (the last then belongs to $f(t + h, y_1)$); `None` without an estimate.
    - `embedded_order`: its order, which sets the exponent of the step control.
    - `dense`: rows of polynomial coefficients of $\theta, \theta^2, \ldots$: one a stage, then one for
      $f(t + h, y_1)$ unless the last stage already is that (`fsal`), then one an extra stage. `None`: cubic Hermite.
    - `extra_c`, `extra_a`: extra stages that only the interpolant needs; row i of `extra_a` has an entry for every
      stage before it in the order of `dense`.
    - `dense_order`: order of the interpolant (uniform in $\theta$).
    """

    order: int
    c: Row
    a: tuple[Row, ...]
    b: Row
    b_embedded: Row | None = None
    embedded_order: int | None = None
    dense: tuple[Row, ...] | None = None
    dense_order: int = 3
    extra_c: Row = ()
    extra_a: tuple[Row, ...] = ()

    @property
    def stages(self) -> int:
        """Number of stages s (the extra ones of the interpolant not counted)."""
        return len(self.c)

    @cached_property
    def fsal(self) -> bool:
        """Whether the last stage is the first of the next step (first same as last)."""
        return self.c[-1] == 1 and self.a[-1] == self.b[:-1] and self.b[-1] == 0

    @cached_property
    def b_error(self) -> Row | None:
        """The weights of the error estimate, $b - \\hat b$, as long as `b_embedded`."""
        if self.b_embedded is None:
            return None
        b = self.b + (Fraction(0),) * (len(self.b_embedded) - self.stages)
        return tuple(x - y for x, y in zip(b, self.b_embedded, strict=True))

    @cached_property
    def stability_limit(self) -> float:
        """The largest x with |R(-x)| <= 1 throughout, R being the stability polynomial (Hairer & Wanner II, IV.2)."""
        a = np.zeros((self.stages, self.stages))
        for i, row in enumerate(as_floats(self.a)):
            a[i, : len(row)] = row
        b = np.array([float(w) for w in self.b])
        powers, terms = np.ones(self.stages), [1.0]
        for _ in range(self.stages):
            terms.append(float(b @ powers))
            powers = a @ powers
        x = np.linspace(0.0, 40.0, 4001)[1:]
        unstable = np.abs(np.polynomial.polynomial.polyval(-x, terms)) > 1 + 1e-9
        return float(x[np.argmax(unstable)]) if unstable.any() else 40.0

    @cached_property
    def dense_table(self) -> np.ndarray:
        """The polynomials of `dense` in Bernstein's basis, float64."""
        if self.dense is None:
            raise ValueError("this tableau has no interpolant of its own")
        return bernstein_rows(self.dense)


def as_floats(rows: Sequence[Row]) -> tuple[np.ndarray, ...]:
    """Rows of exact fractions as float64 arrays, correctly rounded."""
    return tuple(np.array([float(x) for x in row], dtype=np.float64) for row in rows)
