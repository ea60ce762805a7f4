"""Dopri5: an explicit Runge-Kutta method."""

from typing import ClassVar

from .runge_kutta import RungeKutta
from .tableau import ButcherTableau
from .tableaux.dopri5 import TABLEAU


class Dopri5(RungeKutta):
    """Dormand and Prince's 5(4) pair, seven stages, first same as last, with the interpolant of order 4.

    Source: J. R. Dormand & P. J. Prince, J. Comput. Appl. Math. 6 (1980) 19-26, doi:10.1016/0771-050X(80)90013-3;
    Hairer, Norsett & Wanner I, II.5 and II.6.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.Dopri5())
    >>> abs(float(sol.y) - 0.36787944) < 1e-05
    True
    """

    tableau: ClassVar[ButcherTableau] = TABLEAU
