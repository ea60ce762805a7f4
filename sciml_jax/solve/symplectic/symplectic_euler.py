"""SymplecticEuler: the simplest geometric method."""

from ...core import trees
from ..method import MethodState, Step
from ..problem import Problem, State, Time
from .composition import Ends, Symplectic, drift, kick


class SymplecticEuler(Symplectic):
    r"""The symplectic Euler method, order 1: $p_1 = p + h\,g(t, q)$, $q_1 = q + h\,v(t + h, p_1)$; constant steps only.

    Source: Hairer, Lubich & Wanner, Geometric Numerical Integration, eq. I.1.9.

    >>> import sciml_jax as sj
    >>> oscillator = sj.SecondOrder(lambda t, q, args: -q)
    >>> sol = sj.solve_ode(oscillator, (0.0, 1.0), (1.0, 0.0), method=sj.SymplecticEuler(), steps=1000)
    >>> abs(float(sol.y[0]) - 0.5403) < 1e-3
    True
    """

    @property
    def order(self) -> int:
        return 1

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(())

    def init_counts(self) -> dict[str, int]:
        return {"field_evaluations": 0}

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        q, p = y
        p = trees.axpy(dt, kick(problem, t, q, p), p)
        q = trees.axpy(dt, drift(problem, t + dt, p, q), q)
        y1 = (q, p)
        return Step(y1, None, state, state, Ends(y, y1), True, {"field_evaluations": 1}, 1)
