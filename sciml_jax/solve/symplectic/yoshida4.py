"""Yoshida4: a composition of leapfrogs."""

from typing import ClassVar

from .coefficients import YOSHIDA4
from .composition import Composition


class Yoshida4(Composition):
    """Yoshida's method of order 4, three leapfrogs a step, symplectic and symmetric; constant steps only.

    For `sj.Separable` and `sj.SecondOrder` fields with y = (q, p).

    Source: H. Yoshida, Phys. Lett. A 150 (1990) 262-268, doi:10.1016/0375-9601(90)90092-3.

    >>> import sciml_jax as sj
    >>> oscillator = sj.SecondOrder(lambda t, q, args: -q)
    >>> sol = sj.solve_ode(oscillator, (0.0, 1.0), (1.0, 0.0), method=sj.Yoshida4(), steps=50)
    >>> abs(float(sol.y[0]) - 0.5403023058681398) < 1e-5
    True
    """

    weights: ClassVar[tuple] = YOSHIDA4

    @property
    def order(self) -> int:
        return 4
