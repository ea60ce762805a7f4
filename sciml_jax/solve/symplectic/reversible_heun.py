"""ReversibleHeun: an algebraically reversible method for any field, with noise or without."""

from typing import Any, ClassVar, NamedTuple

import jax
from jaxtyping import PyTree

from ...core import trees
from ..interpolation import Hermite, hermite
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time
from ..stochastic import Stochastic
from ..stochastic.forms import OPERATOR
from ..stochastic.method import Ends, added, drift_in, straight


class Shadow(NamedTuple):
    """The second state of a reversible method, and drift and diffusion there (`None` without noise, and for operators,
    which are no arrays to carry: they are made again)."""

    y: State
    f: State
    g: Any


class ReversibleHeun(Method):
    r"""The reversible Heun method, order 2, one evaluation a step, with Euler's method embedded:

    $$\hat y_1 = 2 y_0 - \hat y_0 + h f(t_0, \hat y_0), \qquad
    y_1 = y_0 + \tfrac h2 \big(f(t_0, \hat y_0) + f(t_1, \hat y_1)\big)$$

    with $h f + g\, \Delta W$ in place of $h f$ for stochastic equations, in Stratonovich's sense (Itô's drift is
    converted): strong order 1/2, for commuting and additive noise 1; constant or adaptive steps. A step can be undone
    exactly (but for rounding): with `gradient=sj.Reversible()` no states are kept. Its linear stability region is
    [-i, i]: steps stay short.

    Source: P. Kidger, J. Foster, X. Li & T. Lyons, Efficient and accurate gradients for neural SDEs, NeurIPS 2021,
    algorithm 1, arXiv:2105.13493.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.ReversibleHeun())
    >>> abs(float(sol.y) - 0.36787944) < 1e-4
    True
    """

    strong_order: ClassVar[float] = 0.5

    @property
    def order(self) -> int:
        return 2

    @property
    def takes_noise(self) -> bool:
        return True

    @property
    def reversible(self) -> bool:
        return True

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(_shadow(problem, t, y))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return self.init(problem, t, y, t)

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        before: Shadow = state.carry
        w = _noise(problem, t, dt)
        first = _change(problem, t, before, dt, w)
        after = _shadow(problem, t + dt, added(_reflected(y, before.y), first))
        last = _change(problem, t + dt, after, dt, w)
        y1 = trees.axpy(0.5, added(first, last), y)
        error = trees.scale(0.5, trees.subtract(last, first))
        noisy = w is not None
        dense = Ends(y, y1) if noisy else Hermite(y, y1, before.f, after.f)
        counts = {"field_evaluations": 1} | ({"diffusion_evaluations": 1} if noisy else {})
        return Step(y1, error, MethodState(after), state, dense, True, counts, 1 if noisy else 2)

    def undo(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> tuple[State, PyTree]:
        after: Shadow = state.carry
        w = _noise(problem, t, dt)
        last = _change(problem, t + dt, after, dt, w)
        before = _shadow(problem, t, trees.subtract(_reflected(y, after.y), last))
        return trees.axpy(-0.5, added(_change(problem, t, before, dt, w), last), y), before

    def interpolate(self, dense: Ends | Hermite, t_left: Time, t_right: Time, t: Time) -> State:
        if isinstance(dense, Ends):
            return straight(dense, t_left, t_right, t)
        return hermite(dense, t_left, t_right, t)


def _shadow(problem: Problem, t: Time, y: State) -> Shadow:
    """Drift and diffusion at (t, y)."""
    field = problem.field
    f = drift_in(problem, frozenset({"stratonovich"}))(t, y)
    carried = isinstance(field, Stochastic) and field.form != OPERATOR
    return Shadow(y, f, field.spread(t, y, problem.args) if carried else None)


def _noise(problem: Problem, t: Time, dt: Time) -> State | None:
    """The increment of the path over a step."""
    return problem.field.increment(t, dt) if isinstance(problem.field, Stochastic) else None


def _change(problem: Problem, t: Time, at: Shadow, dt: Time, w: State | None) -> State:
    """h f + g dW of a shadow at t."""
    change, field = trees.scale(dt, at.f), problem.field
    if not isinstance(field, Stochastic):
        return change
    g = field.spread(t, at.y, problem.args) if at.g is None else at.g
    return added(change, field.apply(g, w))


def _reflected(y: State, shadow: State) -> State:
    return jax.tree.map(lambda a, b: 2 * a - b, y, shadow)
