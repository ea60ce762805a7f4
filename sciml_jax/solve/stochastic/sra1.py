"""SRA1: strong order 1.5 for additive noise."""

from typing import ClassVar

from .sra import SRA, SRATableau


class SRA1(SRA):
    r"""Rößler's stochastic Runge-Kutta method SRA1 for additive noise, with the mean of the noise over the step,
    $X = \tfrac12 \Delta W + H$ (H is its space-time area):

    $$k_1 = f(t_0, y_0), \quad k_2 = f(t_0 + \tfrac34 h,\; y_0 + \tfrac34 h k_1 + \tfrac32 g(t_1) X),$$
    $$y_1 = y_0 + \tfrac h3 (k_1 + 2 k_2) + g(t_1) (\Delta W - X) + g(t_0) X.$$

    Strong order 1.5; adaptive or constant steps. Two evaluations of drift and diffusion a step, and two normal numbers
    for each noise. For small noise its error is nearly that of a method of order 2.

    Source: A. Rößler, Runge-Kutta methods for the strong approximation of solutions of stochastic differential
    equations, SIAM J. Numer. Anal. 48 (2010) 922-952, doi:10.1137/09076636X.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: 0.1 * jnp.ones_like(y))
    >>> options = {"noise": "additive", "method": sj.SRA1(), "steps": 20}
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, jax.random.key(0), **options)
    >>> 0.0 < float(sol.y) < 0.8
    True
    """

    stages: ClassVar[int] = 2
    tableau: ClassVar[SRATableau] = SRATableau(
        c0=(0.0, 3 / 4),
        c1=(1.0, 0.0),
        a=((), (3 / 4,)),
        b=((), (3 / 2,)),
        alpha=(1 / 3, 2 / 3),
        beta1=(1.0, 0.0),
        beta2=(-1.0, 1.0),
    )
