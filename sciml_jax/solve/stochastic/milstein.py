"""Milstein: the method of strong order 1 for noise that commutes."""

from typing import ClassVar

import jax

from ...core import trees
from ..problem import Problem, State, Time
from .forms import ENTRIES, ONE
from .method import StochasticMethod, added


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
    drift_order: ClassVar[int] = 1
    stages: ClassVar[int] = 1

    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> State:
        field, args = problem.field, problem.args
        w, spread = field.increment(t, dt), lambda y: field.spread(t, y, args)
        term = lambda y: field.apply(spread(y), w)  # noqa: E731
        noise = term(y)
        euler = [y, trees.scale(dt, problem.evaluate(t, y)), noise]
        if field.noise == "additive":
            return added(*euler)
        ito = dt if field.interpretation == "ito" else 0.0
        if field.form in (ENTRIES, ONE):  # of diagonal noise, the directions of other entries must not mix
            squares = jax.tree.map(lambda z: z * z - ito, w)
            return added(*euler, field.apply(field.correction(t, y, args), squares))
        second = trees.scale(0.5, jax.jvp(term, (y,), (noise,))[1])
        if field.interpretation == "ito":
            second = trees.axpy(-dt, field.correction(t, y, args), second)
        return added(*euler, second)
