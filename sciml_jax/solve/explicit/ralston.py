"""Ralston: an explicit Runge-Kutta method."""

from typing import ClassVar

from .runge_kutta import RungeKutta
from .tableau import ButcherTableau
from .tableaux.ralston import TABLEAU


class Ralston(RungeKutta):
    """Ralston's method, order 2 with the smallest error bound of all two-stage methods; Euler's method embedded.

    Source: A. Ralston, Math. Comp. 16 (1962) 431-437, doi:10.1090/S0025-5718-1962-0150954-0.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.Ralston())
    >>> abs(float(sol.y) - 0.36787944) < 0.0001
    True
    """

    tableau: ClassVar[ButcherTableau] = TABLEAU
