"""StormerVerlet: a composition of leapfrogs."""

from typing import ClassVar

from .composition import Composition


class StormerVerlet(Composition):
    """The Störmer-Verlet method (leapfrog, velocity Verlet), order 2, symplectic and symmetric; constant steps only.

    For `sj.Separable` and `sj.SecondOrder` fields with y = (q, p).

    Source: L. Verlet, Phys. Rev. 159 (1967) 98-103, doi:10.1103/PhysRev.159.98.

    >>> import sciml_jax as sj
    >>> oscillator = sj.SecondOrder(lambda t, q, args: -q)
    >>> sol = sj.solve_ode(oscillator, (0.0, 1.0), (1.0, 0.0), method=sj.StormerVerlet(), steps=100)
    >>> abs(float(sol.y[0]) - 0.5403023058681398) < 1e-4
    True
    """

    weights: ClassVar[tuple] = (1,)

    @property
    def order(self) -> int:
        return 2
