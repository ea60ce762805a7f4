"""SPaRK: the splitting-path Runge-Kutta method."""

import math
from typing import ClassVar

from ...core import trees
from ..problem import Problem, State, Time
from .method import StochasticMethod, added

_OUTER, _INNER = (3 - math.sqrt(3)) / 6, math.sqrt(3) / 3


class SPaRK(StochasticMethod):
    r"""The splitting-path Runge-Kutta method, in Stratonovich's sense, with the space-time area H of the noise:

    $$\bar y = y_0 + \tfrac12 f_0 h + g_0 (\tfrac12 \Delta W + \sqrt3 H), \qquad
    \hat y = y_0 + \bar f h + \bar g \Delta W,$$
    $$y_1 = y_0 + \big(a f_0 + b \bar f + a \hat f\big) h + \big(a g_0 + b \bar g + a \hat g\big) \Delta W
    + (g_0 - \hat g) H, \qquad a = \tfrac{3 - \sqrt3}6,\; b = \tfrac{\sqrt3}3,$$

    a Runge-Kutta step along a path of straight lines that has the increment and the area of the noise. Strong order 1.5
    for additive noise, 1 for noise that commutes, 1/2 for general noise. Three evaluations of drift and diffusion a
    step, and two normal numbers for each noise. For an Itô equation the drift is converted. Adaptive steps: the
    estimate is the difference to Euler's $y_0 + f_0 h + g_0 \Delta W$.

    Source: J. Foster & A. Jelinčič, On the convergence of adaptive approximations for stochastic differential
    equations, arXiv:2311.14201, definition 1.6.

    >>> import jax, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: 0.1 * y)
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, jax.random.key(0), method=sj.SPaRK(), steps=20)
    >>> 0.2 < float(sol.y) < 0.6
    True
    """

    interpretations: ClassVar[frozenset[str]] = frozenset({"stratonovich"})
    strong_order: ClassVar[float] = 0.5
    drift_order: ClassVar[int] = 2
    stages: ClassVar[int] = 3
    error_order: ClassVar[float | None] = 1.0

    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> tuple[State, State | None]:
        field, args, drift = problem.field, problem.args, self.drift(problem)
        w, area = field.increment_and_area(t, dt)
        half = t + 0.5 * dt
        early = trees.combine((0.5, math.sqrt(3)), (w, area))
        first = trees.combine((_OUTER, 1.0), (w, area))
        last = trees.combine((_OUTER, -1.0), (w, area))
        f0, g0 = drift(t, y), field.spread(t, y, args)
        inner = added(y, trees.scale(0.5 * dt, f0), field.apply(g0, early))
        f1, g1 = drift(half, inner), field.spread(half, inner, args)
        kick = field.apply(g1, w)
        end = added(y, trees.scale(dt, f1), kick)
        f2, g2 = drift(t + dt, end), field.spread(t + dt, end, args)
        slope = trees.combine((_OUTER, _INNER, _OUTER), (f0, f1, f2))
        ends = field.apply(g0, first), trees.scale(_INNER, kick), field.apply(g2, last)
        y1 = added(trees.axpy(dt, slope, y), *ends)
        euler = trees.scale(-1.0, field.apply(g0, w))
        drifts = trees.combine((_OUTER - 1.0, _INNER, _OUTER), (f0, f1, f2))
        return y1, trees.axpy(dt, drifts, added(*ends, euler))
