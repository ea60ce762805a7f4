"""Trapezoid: an implicit method of order 2."""

from typing import ClassVar

from .dirk import Dirk
from .dirk_tableau import DirkTableau


class Trapezoid(Dirk):
    """The trapezoidal rule (Crank-Nicolson): order 2, A-stable, symmetric, no damping at infinity. The estimate is the
    difference to Simpson's rule, with the middle taken from the cubic through both ends.

    Source: Hairer & Wanner II, IV.3, eq. 3.7.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * y, (0.0, 1.0), 1.0, method=sj.Trapezoid())
    >>> abs(float(sol.y)) < 1e-6
    True
    """

    tableau: ClassVar[DirkTableau] = DirkTableau(
        order=2,
        error_order=3,
        gamma=0.5,
        a=[[], [1 / 2, 1 / 2], [3 / 8, 1 / 8]],
        b=[1 / 2, 1 / 2, 0.0],
        error=[-1 / 3, -1 / 3, 2 / 3],
        filters=2,
    )

    @property
    def damps(self) -> bool:
        return False  # symmetric: what decays forwards, grows alike backwards
