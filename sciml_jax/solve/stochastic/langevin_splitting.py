"""What splittings of the Langevin equation share."""

from abc import abstractmethod
from typing import ClassVar

from ...core import trees
from ..method import MethodState, Step
from ..problem import Problem, State, Time
from .langevin import Langevin
from .method import Ends, StochasticMethod


class LangevinSplitting(StochasticMethod):
    """A composition of the exact flows of kicks (B), drifts (A) and the thermostat (O) of `sj.Langevin`.

    The force at the end of a step is kept for the next one.
    """

    noises: ClassVar[frozenset[str]] = frozenset({"additive"})
    strong_order: ClassVar[float] = 1.0
    drift_order: ClassVar[int] = 2
    stages: ClassVar[int] = 1
    diffusion_stages: ClassVar[int | None] = 0

    @abstractmethod
    def split(self, problem: Problem, t: Time, y: State, dt: Time, force: State) -> tuple[State, State]:
        """The state at t + dt, and the force there."""

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        assert isinstance(problem.field, Langevin)
        return MethodState(problem.field.pushed(t, y[0], problem.args))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return self.init(problem, t, y, t)

    def init_counts(self) -> dict[str, int]:
        return {"field_evaluations": 1, "diffusion_evaluations": 0}

    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> tuple[State, State | None]:
        return self.split(problem, t, y, dt, self.init(problem, t, y, dt).carry)[0], None

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        y1, force = self.split(problem, t, y, dt, state.carry)
        counts = {"field_evaluations": 1, "diffusion_evaluations": 0}
        return Step(y1, None, MethodState(force), state, Ends(y, y1), True, counts, self.order)

    def check(self, field, y0: State) -> None:
        if not isinstance(field, Langevin):
            name = type(self).__name__
            raise TypeError(
                f"{name} is for the Langevin equation: sj.solve_sde(sj.Langevin(force, friction, temperature), None, "
                "t_span, (q0, p0), key)"
            )


def moved(dt: Time, slope: State, y: State) -> State:
    """y + dt slope."""
    return trees.axpy(dt, slope, y)
