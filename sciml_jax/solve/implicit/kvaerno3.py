"""Kvaerno3: an implicit method of order 3."""

from typing import ClassVar

from .dirk import Dirk
from .dirk_tableau import DirkTableau, esdirk

_G = 0.4358665215


class Kvaerno3(Dirk):
    """Kvaerno's method of order 3(2), four stages, both L-stable and stiffly accurate.

    Source: A. Kvaerno, Singly diagonally implicit Runge-Kutta methods with an explicit first stage, BIT 44 (2004)
    489-502, doi:10.1023/B:BITN.0000046811.70614.38, method 3/2 a.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * y, (0.0, 1.0), 1.0, method=sj.Kvaerno3())
    >>> abs(float(sol.y)) < 1e-6
    True
    """

    # fmt: off
    tableau: ClassVar[DirkTableau] = esdirk(
        order=3,
        gamma=_G,
        a=[
            [],
            [_G],
            [0.490563388419108, 0.073570090080892],
            [0.308809969973036, 1.490563388254106, -1.235239879727145],
        ],
    )
    # fmt: on
