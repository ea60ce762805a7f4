"""KenCarp4: a pair of methods, one explicit and one implicit."""

from fractions import Fraction as F
from typing import ClassVar

from .dirk import Dirk
from .dirk_tableau import DirkTableau, esdirk

_G = F(1, 4)


class KenCarp4(Dirk):
    """Kennedy and Carpenter's additive pair 4(3) of 6 stages: an explicit method for one part of
    `sj.Split(explicit, implicit)`, an L-stable, stiffly accurate implicit one for the other. A plain field is solved
    implicitly.

    Source: C. A. Kennedy & M. H. Carpenter, Additive Runge-Kutta schemes for convection-diffusion-reaction equations,
    Appl. Numer. Math. 44 (2003) 139-181, doi:10.1016/S0168-9274(02)00138-1, ARK4(3)6L[2]SA.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> field = sj.Split(lambda t, y, args: jnp.cos(t) + 0 * y, lambda t, y, args: -1e4 * y)
    >>> sol = sj.solve_ode(field, (0.0, 1.0), 1.0, method=sj.KenCarp4())
    >>> abs(float(sol.y) - 5.4e-5) < 1e-6
    True
    """

    # fmt: off
    tableau: ClassVar[DirkTableau] = esdirk(
        order=4,
        gamma=_G,
        a=[
            [],
            [_G],
            [F(8611, 62500), F(-1743, 31250)],
            [F(5012029, 34652500), F(-654441, 2922500), F(174375, 388108)],
            [F(15267082809, 155376265600), F(-71443401, 120774400), F(730878875, 902184768), F(2285395, 8070912)],
            [F(82889, 524892), 0, F(15625, 83664), F(69875, 102672), F(-2260, 8211)],
        ],
        embedded=[F(4586570599, 29645900160), 0, F(178811875, 945068544), F(814220225, 1159782912),
                  F(-3700637, 11593932), F(61727, 225920)],
        explicit_a=[
            [],
            [F(1, 2)],
            [F(13861, 62500), F(6889, 62500)],
            [F(-116923316275, 2393684061468), F(-2731218467317, 15368042101831), F(9408046702089, 11113171139209)],
            [F(-451086348788, 2902428689909), F(-2682348792572, 7519795681897), F(12662868775082, 11960479115383),
             F(3355817975965, 11060851509271)],
            [F(647845179188, 3216320057751), F(73281519250, 8382639484533), F(552539513391, 3454668386233),
             F(3354512671639, 8306763924573), F(4040, 17871)],
        ],
    )
    # fmt: on
