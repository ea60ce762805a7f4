"""Symmetric compositions of the leapfrog, for separable systems and second-order equations."""

from typing import ClassVar

from ...core import trees
from ..interpolation import Ends, Hermite, hermite
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time, as_derivative
from ..structured import SecondOrder, Separable


class Symplectic(Method):
    r"""Kicks and drifts: $p \leftarrow p + c h\, g(q)$, $q \leftarrow q + d h\, v(p)$; constant steps only.

    Time is split like the state: kicks advance the time that velocities see, drifts the one that forces see, so that
    the order holds for explicit times too. Steps are interpolated by cubic Hermite: with the
    methods of order 6 and 8, name times that are to be as accurate as the steps in `step_to=`.
    """

    @property
    def adaptive(self) -> bool:
        return False

    @property
    def prepares(self) -> bool:
        return True

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return self.init(problem, t, y, t)

    def prepare(self, problem: Problem, t: Time, dt: Time, dense: Ends) -> Hermite:
        f0, f1 = problem.evaluate(t, dense.y0), problem.evaluate(t + dt, dense.y1)
        return Hermite(dense.y0, dense.y1, f0, f1)

    def prepare_counts(self) -> dict[str, int]:
        return {"field_evaluations": 2}

    def interpolate(self, dense: Hermite, t_left: Time, t_right: Time, t: Time) -> State:
        return hermite(dense, t_left, t_right, t)

    def check(self, field, y0: State) -> None:
        name = type(self).__name__
        if not isinstance(field, Separable | SecondOrder):
            raise TypeError(
                f"{name} needs a field that is separable: give sj.Separable(velocity, force) or "
                f"sj.SecondOrder(acceleration) with y0 = (q, p); got {type(field).__name__}"
            )
        field.check(y0)


def kick(problem: Problem, t: Time, q: State, p: State) -> State:
    """dp/dt at (t, q)."""
    return as_derivative(problem.field.force(t, q, problem.args), p)  # type: ignore[attr-defined]


def drift(problem: Problem, t: Time, p: State, q: State) -> State:
    """dq/dt at (t, p)."""
    return as_derivative(problem.field.velocity(t, p, problem.args), q)  # type: ignore[attr-defined]


class Composition(Symplectic):
    r"""A symmetric composition $\Phi_{\gamma_m h} \circ \cdots \circ \Phi_{\gamma_1 h}$ of the leapfrog $\Phi$.

    The leapfrog is half a kick, a drift, half a kick; the force at the end of each part serves the next one.

    Source: H. Yoshida, Phys. Lett. A 150 (1990) 262-268, doi:10.1016/0375-9601(90)90092-3; Hairer, Lubich & Wanner,
    Geometric Numerical Integration, V.3.
    """

    weights: ClassVar[tuple]

    @property
    def reversible(self) -> bool:
        return True

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        q, p = y
        return MethodState(kick(problem, t, q, p))

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        (q, p), force = y, state.carry
        start = 0.0  # times in units of dt: forces are seen at `start`, velocities half a part later
        for weight in map(float, self.weights):
            p = trees.axpy(0.5 * weight * dt, force, p)
            q = trees.axpy(weight * dt, drift(problem, t + (start + 0.5 * weight) * dt, p, q), q)
            start += weight
            force = kick(problem, t + start * dt, q, p)
            p = trees.axpy(0.5 * weight * dt, force, p)
        y1 = (q, p)
        counts = {"field_evaluations": len(self.weights)}
        return Step(y1, None, MethodState(force), state, Ends(y, y1), True, counts, self.order)
