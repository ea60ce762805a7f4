"""SOSRA: strong order 1.5 for additive noise, with a large region of stability."""

from typing import ClassVar

from .sra import SRA, SRATableau


class SOSRA(SRA):
    r"""The stability-optimised stochastic Runge-Kutta method SOSRA for additive noise.

    Strong order 1.5; adaptive or constant steps. Three evaluations of drift and diffusion a step (the coefficients were
    chosen for mean-square stability with drift and noise treated alike), and two normal numbers for each noise.

    Source: C. Rackauckas & Q. Nie, Stability-optimized high order methods and stiffness detection for pathwise stiff
    stochastic differential equations, IEEE HPEC 2020, arXiv:1804.04344; the scheme is that of `sj.SRA`.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: 0.1 * jnp.ones_like(y))
    >>> options = {"noise": "additive", "method": sj.SOSRA(), "rtol": 1e-3, "atol": 1e-3}
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, jax.random.key(0), **options)
    >>> 0.0 < float(sol.y) < 0.8
    True
    """

    stages: ClassVar[int] = 3
    tableau: ClassVar[SRATableau] = SRATableau(
        c0=(0.0, 0.6923962376159507, 1.0),
        c1=(0.0, 0.041248171110700504, 1.0),
        a=((), (0.6923962376159507,), (-3.1609142252828395, 4.1609142252828395)),
        b=((), (1.3371632704399763,), (1.442371048468624, 1.8632741501139225)),
        alpha=(0.2889874966892885, 0.6859880440839937, 0.025024459226717772),
        beta1=(-16.792534242221663, 17.514995785380226, 0.27753845684143835),
        beta2=(0.4237535769069274, 0.6010381474428539, -1.0247917243497813),
    )
