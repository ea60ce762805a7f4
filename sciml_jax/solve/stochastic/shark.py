"""ShARK: the shifted additive-noise Runge-Kutta method."""

from typing import ClassVar

from ...core import trees
from ..problem import Problem, State, Time
from .method import StochasticMethod, added


class ShARK(StochasticMethod):
    r"""The shifted Runge-Kutta method for additive noise, with the space-time area H of the noise:

    $$\tilde y = y_0 + g_0 H, \quad k_1 = f(t_0, \tilde y), \quad
    k_2 = f(t_0 + \tfrac56 h,\; \tilde y + \tfrac56 (h k_1 + g_0 \Delta W)),$$
    $$y_1 = y_0 + \tfrac h5 (2 k_1 + 3 k_2)
    + \tfrac25 g_0 (\Delta W + 3 H) + \tfrac35 g(t_0 + \tfrac56 h) (\Delta W - 2 H).$$

    Strong order 1.5, with a smaller error than SRA1's on many problems. Two evaluations of drift and diffusion a step,
    and two normal numbers for each noise. Adaptive steps: the estimate is the difference to $y_0 + h k_1$ with the
    noise of $g_0$ and $g(t_0 + \tfrac56 h)$ over $\Delta W$ alone, a method of order 1.

    Source: J. Foster, G. dos Reis & C. Strange, High order splitting methods for SDEs satisfying a commutativity
    condition, SIAM J. Numer. Anal. 62 (2024) 500-532, eq. 6.1, arXiv:2210.17543.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: 0.1 * jnp.ones_like(y))
    >>> options = {"noise": "additive", "method": sj.ShARK(), "steps": 20}
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, jax.random.key(0), **options)
    >>> 0.0 < float(sol.y) < 0.8
    True
    """

    noises: ClassVar[frozenset[str]] = frozenset({"additive"})
    strong_order: ClassVar[float] = 1.5
    drift_order: ClassVar[int] = 2
    stages: ClassVar[int] = 2
    error_order: ClassVar[float | None] = 1.5

    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> tuple[State, State | None]:
        field, args = problem.field, problem.args
        w, area = field.increment_and_area(t, dt)
        g0, g1 = field.spread(t, y, args), field.spread(t + 5 / 6 * dt, y, args)
        shifted = added(y, field.apply(g0, area))
        k1 = problem.evaluate(t, shifted)
        inner = added(shifted, trees.scale(5 / 6 * dt, k1), trees.scale(5 / 6, field.apply(g0, w)))
        k2 = problem.evaluate(t + 5 / 6 * dt, inner)
        early, late = trees.axpy(3.0, area, w), trees.axpy(-2.0, area, w)
        noise = added(trees.scale(0.4, field.apply(g0, early)), trees.scale(0.6, field.apply(g1, late)))
        y1 = added(y, trees.scale(dt, added(trees.scale(0.4, k1), trees.scale(0.6, k2))), noise)
        drifts = trees.scale(0.6 * dt, trees.subtract(k2, k1))
        spread = trees.subtract(field.apply(g0, area), field.apply(g1, area))
        return y1, trees.axpy(1.2, spread, drifts)
