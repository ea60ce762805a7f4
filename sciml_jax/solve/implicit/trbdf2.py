"""TRBDF2: an implicit method of order 2."""

from typing import ClassVar

from .dirk import Dirk
from .dirk_tableau import DirkTableau

_D = 1 - 2**0.5 / 2
_W = 2**0.5 / 4


class TRBDF2(Dirk):
    """A step of the trapezoidal rule and one of the second backward differentiation formula: order 2(3), L-stable,
    three stages. Robust at loose tolerances.

    Source: R. E. Bank et al., IEEE Trans. Electron Devices 32 (1985) 1992-2007; the estimate of M. E. Hosea & L. F.
    Shampine, Appl. Numer. Math. 20 (1996) 21-37, doi:10.1016/0168-9274(95)00115-8.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * y, (0.0, 1.0), 1.0, method=sj.TRBDF2())
    >>> abs(float(sol.y)) < 1e-6
    True
    """

    tableau: ClassVar[DirkTableau] = DirkTableau(
        order=2,
        error_order=3,
        gamma=_D,
        a=[[], [_D, _D], [_W, _W, _D]],
        b=[_W, _W, _D],
        error=[(1 - 2**0.5) / 3, 1 / 3, (2**0.5 - 2) / 3],
        filters=1,
    )
