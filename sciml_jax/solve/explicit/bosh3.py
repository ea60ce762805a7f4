"""Bosh3: an explicit Runge-Kutta method."""

from typing import ClassVar

from .runge_kutta import RungeKutta
from .tableau import ButcherTableau
from .tableaux.bosh3 import TABLEAU


class Bosh3(RungeKutta):
    """Bogacki and Shampine's 3(2) pair, four stages, first same as last; cubic Hermite interpolant. For loose
    tolerances.

    Source: P. Bogacki & L. F. Shampine, Appl. Math. Lett. 2 (1989) 321-325, doi:10.1016/0893-9659(89)90079-7.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.Bosh3())
    >>> abs(float(sol.y) - 0.36787944) < 1e-05
    True
    """

    tableau: ClassVar[ButcherTableau] = TABLEAU
