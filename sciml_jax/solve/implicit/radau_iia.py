"""RadauIIA: Radau IIA methods of order 5, 9 and 13, for tight tolerances."""

import equinox as eqx

from .collocation import Collocation
from .collocation_tableau import CollocationTableau, radau_iia

_TABLEAUS = {order: radau_iia((order + 1) // 2) for order in (5, 9, 13)}


class RadauIIA(Collocation):
    r"""Radau IIA of 3, 5 or 7 stages: order 5, 9 or 13, L-stable, stiffly accurate.

    The higher orders take far longer steps at tolerances below about 1e-8, on stiff and differential-algebraic
    problems (a singular mass matrix, index 1) alike; `order=5` is `sj.Radau5`. The estimate of the error has the order
    of the stages, 3, 5 or 7.

    - `order`: 5, 9 or 13; constant throughout a solve.

    Cost: one real and one, two or three complex systems of n unknowns are factorised when the step size changes.
    Source: E. Hairer & G. Wanner, Stiff differential equations solved by Radau methods, J. Comput. Appl. Math. 111
    (1999) 93-111, doi:10.1016/S0377-0427(99)00134-X.

    >>> import sciml_jax as sj
    >>> method = sj.RadauIIA(order=9)
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * y, (0.0, 1.0), 1.0, method=method)
    >>> abs(float(sol.y)) < 1e-6
    True
    """

    max_iterations: int = eqx.field(static=True, default=20)
    order: int = eqx.field(static=True, default=9)  # type: ignore[assignment]

    def __check_init__(self):
        if self.order not in _TABLEAUS:
            raise ValueError(f"order of sj.RadauIIA is 5, 9 or 13; got {self.order!r}")

    @property
    def tableau(self) -> CollocationTableau:
        return _TABLEAUS[self.order]

    @property
    def takes_mass(self) -> bool:
        return True
