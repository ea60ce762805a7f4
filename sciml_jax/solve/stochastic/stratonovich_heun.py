"""StratonovichHeun: Heun's method with noise."""

from typing import ClassVar

from ...core import trees
from ..problem import Problem, State, Time
from .method import StochasticMethod, added


class StratonovichHeun(StochasticMethod):
    r"""Heun's method, in Stratonovich's sense:

    $$\bar y = y_0 + f_0 h + g_0 \Delta W, \qquad
    y_1 = y_0 + \tfrac h2 (f_0 + f(t_1, \bar y)) + \tfrac12 (g_0 + g(t_1, \bar y)) \Delta W.$$

    Strong order 1 for noise that commutes (diagonal, scalar, additive, commutative), 1/2 for general noise. Two
    evaluations of drift and diffusion a step. For an Itô equation the drift is converted. Adaptive steps, for noise
    that commutes: the estimate is the difference to Euler's $\bar y$.

    Source: W. Rümelin, Numerical treatment of stochastic differential equations, SIAM J. Numer. Anal. 19 (1982)
    604-613, doi:10.1137/0719041.

    >>> import jax, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: 0.1 * y)
    >>> key, method = jax.random.key(0), sj.StratonovichHeun()
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, key, method=method, steps=100)
    >>> 0.2 < float(sol.y) < 0.6
    True
    """

    interpretations: ClassVar[frozenset[str]] = frozenset({"stratonovich"})
    strong_order: ClassVar[float] = 0.5
    drift_order: ClassVar[int] = 2
    stages: ClassVar[int] = 2
    error_order: ClassVar[float | None] = 1.0

    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> tuple[State, State | None]:
        field, drift = problem.field, self.drift(problem)
        w = field.increment(t, dt)
        f, noise = drift(t, y), field.apply(field.spread(t, y, problem.args), w)
        guess = added(y, trees.scale(dt, f), noise)
        f_end, noise_end = drift(t + dt, guess), field.apply(field.spread(t + dt, guess, problem.args), w)
        y1 = added(y, trees.scale(0.5 * dt, added(f, f_end)), trees.scale(0.5, added(noise, noise_end)))
        changes = trees.subtract(f_end, f), trees.subtract(noise_end, noise)
        return y1, added(trees.scale(0.5 * dt, changes[0]), trees.scale(0.5, changes[1]))
