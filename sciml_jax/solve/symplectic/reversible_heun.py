"""ReversibleHeun: an algebraically reversible method for any field."""

from typing import NamedTuple

import jax

from ...core import trees
from ..interpolation import Hermite, hermite
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time


class Shadow(NamedTuple):
    """The second state of a reversible method, and the field's value there."""

    y: State
    f: State


class ReversibleHeun(Method):
    r"""The reversible Heun method, order 2, one evaluation a step, with Euler's method embedded:

    $$\hat y_1 = 2 y_0 - \hat y_0 + h f(t_0, \hat y_0), \qquad
    y_1 = y_0 + \tfrac h2 \big(f(t_0, \hat y_0) + f(t_1, \hat y_1)\big)$$

    A step can be undone exactly (but for rounding). Its linear stability region is [-i, i]: steps stay short.

    Source: P. Kidger, J. Foster, X. Li & T. Lyons, Efficient and accurate gradients for neural SDEs, NeurIPS 2021,
    algorithm 1, arXiv:2105.13493.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.ReversibleHeun())
    >>> abs(float(sol.y) - 0.36787944) < 1e-4
    True
    """

    @property
    def order(self) -> int:
        return 2

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(Shadow(y, problem.evaluate(t, y)))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return self.init(problem, t, y, t)

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        shadow = state.carry
        reflected = jax.tree.map(lambda a, b: 2 * a - b, y, shadow.y)
        y_hat = trees.axpy(dt, shadow.f, reflected)
        f_hat = problem.evaluate(t + dt, y_hat)
        y1 = trees.axpy(0.5 * dt, jax.tree.map(lambda a, b: a + b, shadow.f, f_hat), y)
        error = trees.scale(0.5 * dt, trees.subtract(f_hat, shadow.f))
        dense = Hermite(y, y1, shadow.f, f_hat)
        counts = {"field_evaluations": 1}
        return Step(y1, error, MethodState(Shadow(y_hat, f_hat)), state, dense, True, counts, 2)

    def interpolate(self, dense: Hermite, t_left: Time, t_right: Time, t: Time) -> State:
        return hermite(dense, t_left, t_right, t)
