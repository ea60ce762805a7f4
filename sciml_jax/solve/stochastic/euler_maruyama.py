"""EulerMaruyama: Euler's method with noise."""

from typing import ClassVar

from ...core import trees
from ..problem import Problem, State, Time
from .method import StochasticMethod, added


class EulerMaruyama(StochasticMethod):
    r"""The Euler-Maruyama method, $y_1 = y_0 + f(t_0, y_0) h + g(t_0, y_0) \Delta W$, in Itô's sense.

    Strong order 1/2, 1 with additive noise; weak order 1. Every kind of noise; constant steps. One evaluation of the
    drift and one of the diffusion a step. For a Stratonovich equation the drift is converted.

    Source: G. Maruyama, Rend. Circ. Mat. Palermo 4 (1955) 48-90; P. E. Kloeden & E. Platen, Numerical Solution of
    Stochastic Differential Equations, Springer 1992, section 10.2.

    >>> import jax, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: 0.1 * y)
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, jax.random.key(0), method=sj.EulerMaruyama(), steps=100)
    >>> 0.2 < float(sol.y) < 0.6
    True
    """

    interpretations: ClassVar[frozenset[str]] = frozenset({"ito"})
    strong_order: ClassVar[float] = 0.5
    drift_order: ClassVar[int] = 1
    stages: ClassVar[int] = 1

    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> tuple[State, State | None]:
        field = problem.field
        f, g = self.drift(problem)(t, y), field.spread(t, y, problem.args)
        return added(y, trees.scale(dt, f), field.apply(g, field.increment(t, dt))), None
