"""Tsit5: an explicit Runge-Kutta method."""

from typing import ClassVar

from .runge_kutta import RungeKutta
from .tableau import ButcherTableau
from .tableaux.tsit5 import TABLEAU


class Tsit5(RungeKutta):
    """Tsitouras' 5(4) pair, seven stages, first same as last, with a free interpolant of order 4: the default method.

    Source: Ch. Tsitouras, Comput. Math. Appl. 62 (2011) 770-775, doi:10.1016/j.camwa.2011.06.002.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.Tsit5())
    >>> abs(float(sol.y) - 0.36787944) < 1e-05
    True
    """

    tableau: ClassVar[ButcherTableau] = TABLEAU
