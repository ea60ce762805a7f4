"""Kvaerno5: an implicit method of order 5."""

from typing import ClassVar

from .dirk import Dirk
from .dirk_tableau import DirkTableau, esdirk


class Kvaerno5(Dirk):
    """Kvaerno's method of order 5(4), seven stages, both L-stable and stiffly accurate.

    Source: A. Kvaerno, Singly diagonally implicit Runge-Kutta methods with an explicit first stage, BIT 44 (2004)
    489-502, doi:10.1023/B:BITN.0000046811.70614.38, method 5/4 a.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * y, (0.0, 1.0), 1.0, method=sj.Kvaerno5())
    >>> abs(float(sol.y)) < 1e-6
    True
    """

    # fmt: off
    tableau: ClassVar[DirkTableau] = esdirk(
        order=5,
        gamma=0.26,
        a=[
            [],
            [0.26],
            [0.13, 0.84033320996790809],
            [0.22371961478320505, 0.47675532319799699, -0.06470895363112615],
            [0.16648564323248321, 0.1045001884159172, 0.03631482272098715, -0.13090704451073998],
            [0.13855640231268224, 0.0, -0.04245337201752043, 0.02446657898003141, 0.61943039072480676],
            [0.13659751177640291, 0.0, -0.05496908796538376, -0.04118626728321046, 0.62993304899016403,
             0.06962479448202728],
        ],
    )
    # fmt: on
