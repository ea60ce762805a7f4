"""KenCarp3: a pair of methods, one explicit and one implicit."""

from fractions import Fraction as F
from typing import ClassVar

from .dirk import Dirk
from .dirk_tableau import DirkTableau, esdirk

_G = F(1767732205903, 4055673282236)


class KenCarp3(Dirk):
    """Kennedy and Carpenter's additive pair 3(2) of 4 stages: an explicit method for one part of
    `sj.Split(explicit, implicit)`, an L-stable, stiffly accurate implicit one for the other. A plain field is solved
    implicitly.

    Source: C. A. Kennedy & M. H. Carpenter, Additive Runge-Kutta schemes for convection-diffusion-reaction equations,
    Appl. Numer. Math. 44 (2003) 139-181, doi:10.1016/S0168-9274(02)00138-1, ARK3(2)4L[2]SA.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> field = sj.Split(lambda t, y, args: jnp.cos(t) + 0 * y, lambda t, y, args: -1e4 * y)
    >>> sol = sj.solve_ode(field, (0.0, 1.0), 1.0, method=sj.KenCarp3())
    >>> abs(float(sol.y) - 5.4e-5) < 1e-6
    True
    """

    # fmt: off
    tableau: ClassVar[DirkTableau] = esdirk(
        order=3,
        gamma=_G,
        a=[
            [],
            [_G],
            [F(2746238789719, 10658868560708), F(-640167445237, 6845629431997)],
            [F(1471266399579, 7840856788654), F(-4482444167858, 7529755066697), F(11266239266428, 11593286722821)],
        ],
        embedded=[F(2756255671327, 12835298489170), F(-10771552573575, 22201958757719),
                  F(9247589265047, 10645013368117), F(2193209047091, 5459859503100)],
        explicit_a=[
            [],
            [F(1767732205903, 2027836641118)],
            [F(5535828885825, 10492691773637), F(788022342437, 10882634858940)],
            [F(6485989280629, 16251701735622), F(-4246266847089, 9704473918619), F(10755448449292, 10357097424841)],
        ],
    )
    # fmt: on
