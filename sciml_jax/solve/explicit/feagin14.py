"""Feagin14: an explicit Runge-Kutta method."""

from typing import ClassVar

from .runge_kutta import RungeKutta
from .tableau import ButcherTableau
from .tableaux.feagin14 import TABLEAU


class Feagin14(RungeKutta):
    """Feagin's method of order 14 with an embedded one of order 12, thirty-five stages. For long spans at
    the tightest tolerances. Between steps there is only the cubic Hermite interpolant: name times that are to be as
    accurate as the steps in `step_to=`. Its error estimate is the difference of two of its stages and can miss a wild
    step: at tolerances of 1e-5 and looser a nonlinear problem may end as `non_finite`, and Vern9 is the better choice.

    Source: T. Feagin, High-order explicit Runge-Kutta methods using m-symmetry, Neural Parallel Sci. Comput. 20
    (2012) 437-458.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.Feagin14())
    >>> abs(float(sol.y) - 0.36787944) < 1e-05
    True
    """

    tableau: ClassVar[ButcherTableau] = TABLEAU
