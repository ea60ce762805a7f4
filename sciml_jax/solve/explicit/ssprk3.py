"""SSPRK3: an explicit Runge-Kutta method."""

from typing import ClassVar

from .runge_kutta import RungeKutta
from .tableau import ButcherTableau
from .tableaux.ssprk3 import TABLEAU


class SSPRK3(RungeKutta):
    """The optimal strong-stability-preserving method of three stages and order 3, for hyperbolic problems.

    Source: C.-W. Shu & S. Osher, J. Comput. Phys. 77 (1988) 439-471, doi:10.1016/0021-9991(88)90177-5.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.SSPRK3())
    >>> abs(float(sol.y) - 0.36787944) < 1e-05
    True
    """

    tableau: ClassVar[ButcherTableau] = TABLEAU
