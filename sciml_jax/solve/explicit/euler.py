"""Euler: an explicit Runge-Kutta method."""

from typing import ClassVar

from .runge_kutta import RungeKutta
from .tableau import ButcherTableau
from .tableaux.euler import TABLEAU


class Euler(RungeKutta):
    """Euler's method, order 1, one evaluation a step; constant steps only.

    Source: L. Euler, Institutionum calculi integralis I (1768); Hairer, Norsett & Wanner I, eq. I.7.3.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.Euler(), steps=1000)
    >>> abs(float(sol.y) - 0.36787944) < 0.01
    True
    """

    tableau: ClassVar[ButcherTableau] = TABLEAU
