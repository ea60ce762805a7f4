"""KahanLi8: a composition of leapfrogs."""

from typing import ClassVar

from .coefficients import KAHANLI8
from .composition import Composition


class KahanLi8(Composition):
    """Kahan and Li's method of order 8, seventeen leapfrogs a step, symplectic and symmetric; constant steps only.

    For `sj.Separable` and `sj.SecondOrder` fields with y = (q, p).

    Source: W. Kahan & R.-C. Li, Math. Comp. 66 (1997) 1089-1099 (s17odr8a), doi:10.1090/S0025-5718-97-00873-9.

    >>> import sciml_jax as sj
    >>> oscillator = sj.SecondOrder(lambda t, q, args: -q)
    >>> sol = sj.solve_ode(oscillator, (0.0, 1.0), (1.0, 0.0), method=sj.KahanLi8(), steps=10)
    >>> abs(float(sol.y[0]) - 0.5403023058681398) < 1e-5
    True
    """

    weights: ClassVar[tuple] = KAHANLI8

    @property
    def order(self) -> int:
        return 8
