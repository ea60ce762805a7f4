"""ImplicitEuler: an implicit method of order 1."""

from typing import ClassVar

from .dirk import Dirk
from .dirk_tableau import DirkTableau


class ImplicitEuler(Dirk):
    """The backward Euler method, $y_1 = y_0 + h f(t_1, y_1)$: order 1, L-stable, monotone. The estimate is half the
    difference of the slopes at both ends.

    Source: Hairer & Wanner II, IV.3.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * y, (0.0, 1.0), 1.0, method=sj.ImplicitEuler())
    >>> abs(float(sol.y)) < 1e-4
    True
    """

    tableau: ClassVar[DirkTableau] = DirkTableau(
        order=1,
        error_order=2,
        gamma=1.0,
        a=[[], [0.0, 1.0]],
        b=[0.0, 1.0],
        error=[0.5, -0.5],
        filters=1,
    )
