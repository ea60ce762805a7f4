"""Vern9: an explicit Runge-Kutta method."""

from typing import ClassVar

from .runge_kutta import RungeKutta
from .tableau import ButcherTableau
from .tableaux.vern9 import TABLEAU


class Vern9(RungeKutta):
    """Verner's most efficient 9(8) pair, sixteen stages, with an interpolant of order 9 (nine extra stages). For
    tight tolerances.

    Source: J. H. Verner, Numer. Algorithms 53 (2010) 383-396, doi:10.1007/s11075-009-9290-3.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.Vern9())
    >>> abs(float(sol.y) - 0.36787944) < 1e-05
    True
    """

    tableau: ClassVar[ButcherTableau] = TABLEAU
