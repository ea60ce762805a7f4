"""Milstein: the method of strong order 1 for noise that commutes."""

from typing import ClassVar

import jax

from ...core import trees
from ..method import MethodState, Step
from ..problem import Problem, State, Time
from .forms import ENTRIES
from .method import Ends, StochasticMethod, added


class Milstein(StochasticMethod):
    r"""Milstein's method for noise that commutes,

    $$y_1 = y_0 + f h + g \Delta W
    + \tfrac12 \sum_{jk} (g_j \cdot \nabla) g_k (\Delta W_j \Delta W_k - \delta_{jk} h),$$

    without $\delta_{jk} h$ in Stratonovich's sense: it solves both as they are. Strong order 1.

    Diagonal, scalar, additive and commutative noise; constant steps. One evaluation of the drift, and of the diffusion
    with a directional derivative (commutative noise in Itô's sense: one more for each noise).

    Source: G. N. Milstein, Theory Probab. Appl. 19 (1975) 557-562; P. E. Kloeden & E. Platen, Numerical Solution of
    Stochastic Differential Equations, Springer 1992, section 10.3.

    >>> import jax, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: 0.1 * y)
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, jax.random.key(0), method=sj.Milstein(), steps=100)
    >>> 0.2 < float(sol.y) < 0.6
    True
    """

    noises: ClassVar[frozenset[str]] = frozenset({"diagonal", "scalar", "additive", "commutative"})
    strong_order: ClassVar[float] = 1.0

    @property
    def order(self) -> int:
        return 1

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        field, args = problem.field, problem.args
        w, f = field.increment(t, dt), problem.evaluate(t, y)
        counts = {"field_evaluations": 1, "diffusion_evaluations": 1}
        euler = [y, trees.scale(dt, f)]
        spread = lambda y: field.spread(t, y, args)  # noqa: E731
        if field.noise == "additive":
            y1 = added(*euler, field.apply(spread(y), w))
            return Step(y1, None, state, state, Ends(y, y1), True, counts, 1)
        if field.form == ENTRIES:  # the directions of other entries must not mix: g itself is differentiated along g
            g = spread(y)
            slope = jax.jvp(spread, (y,), (g,))[1]
            noise = field.apply(g, w)
            second = jax.tree.map(lambda s, z: 0.5 * s * (z * z), slope, w)
            ito = slope
        else:
            term = lambda y: field.apply(spread(y), w)  # noqa: E731
            noise = term(y)
            second = trees.scale(0.5, jax.jvp(term, (y,), (noise,))[1])
            ito = field.curl(t, y, args) if field.interpretation == "ito" else None
        if field.interpretation == "ito":
            second = trees.axpy(-0.5 * dt, ito, second)
        y1 = added(*euler, noise, second)
        return Step(y1, None, state, state, Ends(y, y1), True, counts, 1)
