"""Midpoint: an explicit Runge-Kutta method."""

from typing import ClassVar

from .runge_kutta import RungeKutta
from .tableau import ButcherTableau
from .tableaux.midpoint import TABLEAU


class Midpoint(RungeKutta):
    """The explicit midpoint rule (Runge's method), order 2, with Euler's method embedded.

    Source: C. Runge, Math. Ann. 46 (1895) 167-178, doi:10.1007/BF01446807.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.Midpoint())
    >>> abs(float(sol.y) - 0.36787944) < 0.0001
    True
    """

    tableau: ClassVar[ButcherTableau] = TABLEAU
