"""SRA1: strong order 1.5 for additive noise."""

from typing import ClassVar

from ...core import trees
from ..problem import Problem, State, Time
from .method import StochasticMethod, added


class SRA1(StochasticMethod):
    r"""Rößler's stochastic Runge-Kutta method SRA1 for additive noise, with the mean of the noise over the step,
    $X = \tfrac12 \Delta W + H$ (H is its space-time area):

    $$k_1 = f(t_0, y_0), \quad k_2 = f(t_0 + \tfrac34 h,\; y_0 + \tfrac34 h k_1 + \tfrac32 g(t_1) X),$$
    $$y_1 = y_0 + \tfrac h3 (k_1 + 2 k_2) + g(t_1) (\Delta W - X) + g(t_0) X.$$

    Strong order 1.5; constant steps. Two evaluations of drift and diffusion a step, and two normal numbers for each
    noise. For small noise its error is nearly that of a method of order 2.

    Source: A. Rößler, Runge-Kutta methods for the strong approximation of solutions of stochastic differential
    equations, SIAM J. Numer. Anal. 48 (2010) 922-952, doi:10.1137/09076636X.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: 0.1 * jnp.ones_like(y))
    >>> options = {"noise": "additive", "method": sj.SRA1(), "steps": 20}
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, jax.random.key(0), **options)
    >>> 0.0 < float(sol.y) < 0.8
    True
    """

    noises: ClassVar[frozenset[str]] = frozenset({"additive"})
    strong_order: ClassVar[float] = 1.5
    drift_order: ClassVar[int] = 2
    stages: ClassVar[int] = 2

    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> State:
        field, args = problem.field, problem.args
        w, area = field.increment_and_area(t, dt)
        mean = trees.axpy(0.5, w, area)
        g0, g1 = field.spread(t, y, args), field.spread(t + dt, y, args)
        k1 = problem.evaluate(t, y)
        inner = added(y, trees.scale(0.75 * dt, k1), trees.scale(1.5, field.apply(g1, mean)))
        k2 = problem.evaluate(t + 0.75 * dt, inner)
        noise = added(field.apply(g1, trees.subtract(w, mean)), field.apply(g0, mean))
        return added(y, trees.scale(dt / 3, trees.axpy(2.0, k2, k1)), noise)
