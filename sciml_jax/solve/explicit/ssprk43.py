"""SSPRK43: an explicit Runge-Kutta method."""

from typing import ClassVar

from .runge_kutta import RungeKutta
from .tableau import ButcherTableau
from .tableaux.ssprk43 import TABLEAU


class SSPRK43(RungeKutta):
    """The strong-stability-preserving method of four stages and order 3 (SSP coefficient 2), with an embedded one of
    order 2.

    Source: J. F. B. M. Kraaijevanger, BIT 31 (1991) 482-528, doi:10.1007/BF01933264.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.SSPRK43())
    >>> abs(float(sol.y) - 0.36787944) < 1e-05
    True
    """

    tableau: ClassVar[ButcherTableau] = TABLEAU
