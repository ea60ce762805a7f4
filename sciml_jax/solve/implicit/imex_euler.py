"""IMEXEuler: the simplest pair of an explicit and an implicit method."""

from typing import ClassVar

from .dirk import Dirk
from .dirk_tableau import DirkTableau


class IMEXEuler(Dirk):
    """Forward Euler for one part of `sj.Split(explicit, implicit)`, backward Euler for the other: order 1.

    $y_1 = y_0 + h f_E(t_0, y_0) + h f_I(t_1, y_1)$; the estimate is the difference to the trapezoidal rule.

    Source: U. M. Ascher, S. J. Ruuth & B. Wetton, SIAM J. Numer. Anal. 32 (1995) 797-823, eq. 1.2.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> field = sj.Split(lambda t, y, args: jnp.cos(t) + 0 * y, lambda t, y, args: -1e4 * y)
    >>> sol = sj.solve_ode(field, (0.0, 1.0), 1.0, method=sj.IMEXEuler())
    >>> abs(float(sol.y) - 5.4e-5) < 1e-5
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
        explicit_a=[[], [1.0]],
        explicit_b=[1.0, 0.0],
        explicit_error=[-0.5, 0.5],
    )
