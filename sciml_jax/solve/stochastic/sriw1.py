"""SRIW1: strong order 1.5 for diagonal noise."""

from typing import ClassVar

from .sri import SRI, SRITableau


class SRIW1(SRI):
    r"""Rößler's stochastic Runge-Kutta method SRIW1 for diagonal or scalar noise in Itô's sense.

    Strong order 1.5; adaptive or constant steps. Two evaluations of the drift and four of the diffusion a step, and two
    normal numbers for each noise. For a Stratonovich equation the drift is converted.

    Source: A. Rößler, SIAM J. Numer. Anal. 48 (2010) 922-952, doi:10.1137/09076636X; the scheme is that of `sj.SRI`.

    >>> import jax, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: 0.1 * y)
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, jax.random.key(0), method=sj.SRIW1(), steps=20)
    >>> 0.2 < float(sol.y) < 0.6
    True
    """

    stages: ClassVar[int] = 2
    diffusion_stages: ClassVar[int | None] = 4
    tableau: ClassVar[SRITableau] = SRITableau(
        c0=(0.0, 3 / 4, 0.0, 0.0),
        c1=(0.0, 1 / 4, 1.0, 1 / 4),
        a0=((), (3 / 4,), (0.0, 0.0), (0.0, 0.0, 0.0)),
        a1=((), (1 / 4,), (1.0, 0.0), (0.0, 0.0, 1 / 4)),
        b0=((), (3 / 2,), (0.0, 0.0), (0.0, 0.0, 0.0)),
        b1=((), (1 / 2,), (-1.0, 0.0), (-5.0, 3.0, 1 / 2)),
        alpha=(1 / 3, 2 / 3, 0.0, 0.0),
        betas=(
            (-1.0, 4 / 3, 2 / 3, 0.0),
            (-1.0, 4 / 3, -1 / 3, 0.0),
            (2.0, -4 / 3, -2 / 3, 0.0),
            (-2.0, 5 / 3, -2 / 3, 1.0),
        ),
    )
