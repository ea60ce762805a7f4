"""Radau5: the Radau IIA method of three stages."""

from typing import ClassVar

from .collocation import Collocation
from .collocation_tableau import CollocationTableau, radau_iia


class Radau5(Collocation):
    r"""Radau IIA, three stages: order 5, L-stable, stiffly accurate.

    The standard for very stiff problems, differential-algebraic ones (a singular mass matrix, index 1) and high
    accuracy. One real and one complex system of n unknowns are factorised when the step size changes. The estimate of
    the error has order 3; at tolerances below about 1e-9 `sj.RadauIIA` takes longer steps.

    Source: E. Hairer & G. Wanner, Solving ordinary differential equations II (2nd ed.), IV.5 table 5.6 and IV.8.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * y, (0.0, 1.0), 1.0, method=sj.Radau5())
    >>> abs(float(sol.y)) < 1e-6
    True
    """

    tableau: ClassVar[CollocationTableau] = radau_iia(3)

    @property
    def takes_mass(self) -> bool:
        return True
