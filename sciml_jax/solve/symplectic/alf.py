"""ALF: the asynchronous leapfrog of MALI, reversible for any field."""

from ...core import trees
from ..interpolation import Hermite, hermite
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time


class ALF(Method):
    r"""The asynchronous leapfrog method, order 2, one evaluation a step, with Euler's method embedded:

    $$z_m = z_0 + \tfrac h2 v_0, \quad u = f(t_0 + \tfrac h2, z_m), \quad v_1 = 2 u - v_0, \quad
    z_1 = z_m + \tfrac h2 v_1$$

    A step can be undone exactly (but for rounding).

    Source: U. Mutze, An asynchronous leapfrog method II, 2013, arXiv:1311.6602; J. Zhuang, N. Dvornek, S. Tatikonda &
    J. Duncan, MALI, ICLR 2021, algorithm 2, arXiv:2102.04668.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.ALF())
    >>> abs(float(sol.y) - 0.36787944) < 1e-4
    True
    """

    @property
    def order(self) -> int:
        return 2

    @property
    def reversible(self) -> bool:
        return True

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(problem.evaluate(t, y))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return self.init(problem, t, y, t)

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        v = state.carry
        u = problem.evaluate(t + 0.5 * dt, trees.axpy(0.5 * dt, v, y))
        v1 = trees.combine((2.0, -1.0), (u, v))
        y1 = trees.axpy(dt, u, y)
        error = trees.scale(dt, trees.subtract(u, v))
        counts = {"field_evaluations": 1}
        return Step(y1, error, MethodState(v1), state, Hermite(y, y1, v, v1), True, counts, 2)

    def interpolate(self, dense: Hermite, t_left: Time, t_right: Time, t: Time) -> State:
        return hermite(dense, t_left, t_right, t)
