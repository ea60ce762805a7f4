"""RK4: an explicit Runge-Kutta method."""

from typing import ClassVar

from .runge_kutta import RungeKutta
from .tableau import ButcherTableau
from .tableaux.rk4 import TABLEAU


class RK4(RungeKutta):
    """The classical Runge-Kutta method, order 4; constant steps only.

    Source: W. Kutta, Z. Math. Phys. 46 (1901) 435-453; Hairer, Norsett & Wanner I, table II.1.2.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.RK4(), steps=100)
    >>> abs(float(sol.y) - 0.36787944) < 1e-06
    True
    """

    tableau: ClassVar[ButcherTableau] = TABLEAU
