"""Heun: an explicit Runge-Kutta method."""

from typing import ClassVar

from .runge_kutta import RungeKutta
from .tableau import ButcherTableau
from .tableaux.heun import TABLEAU


class Heun(RungeKutta):
    """Heun's method (explicit trapezoidal rule), order 2, with Euler's method embedded.

    Source: K. Heun, Z. Math. Phys. 45 (1900) 23-38.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.Heun())
    >>> abs(float(sol.y) - 0.36787944) < 0.0001
    True
    """

    tableau: ClassVar[ButcherTableau] = TABLEAU
