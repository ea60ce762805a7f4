"""Kvaerno4: an implicit method of order 4."""

from typing import ClassVar

import numpy as np

from .dirk import Dirk
from .dirk_tableau import DirkTableau, esdirk

_G = 0.5728160624821349  # a root of x^4 - 4 x^3 + 3 x^2 - 2 x / 3 + 1 / 24, of which 0.43586652 belongs to the 3/4 mode


def _p(*coefficients: int) -> float:
    """A polynomial at gamma, highest power first."""
    return float(np.polyval(coefficients, _G))


class Kvaerno4(Dirk):
    """Kvaerno's method of order 4(3), five stages, L-stable and stiffly accurate.

    Source: A. Kvaerno, Singly diagonally implicit Runge-Kutta methods with an explicit first stage, BIT 44 (2004)
    489-502, doi:10.1023/B:BITN.0000046811.70614.38, section 4: the formulas of its
    methods with five stages, at the gamma that makes the solution of order 4 L-stable.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * y, (0.0, 1.0), 1.0, method=sj.Kvaerno4())
    >>> abs(float(sol.y)) < 1e-6
    True
    """

    tableau: ClassVar[DirkTableau] = esdirk(
        order=4,
        gamma=_G,
        a=[
            [],
            [_G],
            [_G * _p(144, -180, 81, -15, 1) / _p(12, -6, 1) ** 2, _G * _p(-36, 39, -15, 2) / _p(12, -6, 1) ** 2],
            [
                _p(-144, 396, -330, 117, -18, 1) / (12 * _G**2 * _p(12, -9, 2)),
                _p(72, -126, 69, -15, 1) / (12 * _G**2 * _p(3, -1)),
                _p(-6, 6, -1) * _p(12, -6, 1) ** 2 / (12 * _G**2 * _p(12, -9, 2) * _p(3, -1)),
            ],
            [
                _p(288, -312, 120, -18, 1) / (48 * _G**2 * _p(12, -9, 2)),
                _p(24, -12, 1) / (48 * _G**2 * _p(3, -1)),
                -(_p(12, -6, 1) ** 3) / (48 * _G**2 * _p(3, -1) * _p(12, -9, 2) * _p(6, -6, 1)),
                _p(-24, 36, -12, 1) / _p(24, -24, 4),
            ],
        ],
    )
