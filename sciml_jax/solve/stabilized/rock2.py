"""ROCK2: a stabilised explicit method of order 2."""

from typing import ClassVar

from jaxtyping import Array, Float

from ...core import trees
from ..problem import Problem, State, Time
from .stabilized import Stabilized
from .table import Table
from .tableaux.rock2 import table


class ROCK2(Stabilized):
    r"""The second-order orthogonal Runge-Kutta-Chebyshev method, 3 to 200 stages, with an embedded one of order 1, for
    mildly stiff problems whose stiff eigenvalues are real and negative: diffusion, above all, in any dimension and
    without linear algebra.

    $$g = Y_{s-2}, \quad k_0 = f(g), \quad k_1 = f(g + h \sigma k_0), \quad
    y_1 = g + h (\sigma k_0 + \sigma k_1) + e, \quad e = h \tau (k_1 - k_0)$$

    Stable for $h \rho \le 0.807 s^2 - 1.5$: a stage is worth up to s/2 steps of an explicit method of few stages.

    **Arguments:**

    - `max_stages`: 3 to 200 (the default): steps are kept short enough for so many.
    - `spectral_radius`: an upper bound of the spectral radius of df/dy, in 1/time: a number, or a function of
      (t, y, args), named (a new lambda recompiles). By default it is estimated, by a few evaluations of the field every
      25 steps.

    A step multiplies rounding in stiff components by about $0.3 (h \rho)^2$. The error estimate sees it, and in float32
    keeps steps at a few dozen stages. With constant steps too long for `max_stages`, the solution grows like that of
    any explicit method. Cost a step: s evaluations of the field. Interpolant: cubic Hermite, order 2 like the steps.

    Source: A. Abdulle & A. A. Medovikov, Second order Chebyshev methods based on orthogonal polynomials, Numer. Math.
    90 (2001) 1-18, doi:10.1007/s002110100292.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> heat = lambda t, y, args: 1e4 * (jnp.roll(y, 1) - 2 * y + jnp.roll(y, -1))
    >>> wave = 1 + jnp.cos(2 * jnp.pi * jnp.arange(100) / 100)
    >>> sol = sj.solve_ode(heat, (0.0, 0.1), wave, method=sj.ROCK2(), rtol=1e-2, atol=1e-3)
    >>> bool(jnp.all(abs(sol.y - 1) < 0.05)) and int(sol.stats["field_evaluations"]) < 1500
    True
    """

    error_order: ClassVar[int] = 2

    @property
    def table(self) -> Table:
        return table()

    @property
    def order(self) -> int:
        return 2

    def finish(
        self, problem: Problem, t: Time, dt: Time, t_inner: Time, inner: State, weights: Float[Array, " 2"]
    ) -> tuple[State, State, State]:
        sigma, tau = dt * weights[0], dt * weights[1]
        k0 = problem.evaluate(t_inner, inner)
        g = trees.axpy(sigma, k0, inner)
        k1 = problem.evaluate(t_inner + sigma, g)
        error = trees.scale(tau, trees.subtract(k1, k0))
        y1 = trees.axpy(1.0, error, trees.axpy(sigma, k1, g))
        return y1, problem.evaluate(t + dt, y1), error
