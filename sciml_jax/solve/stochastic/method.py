"""What stochastic methods share: which equations they solve, and a straight line between steps."""

from abc import abstractmethod
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import ClassVar, NamedTuple

import jax
from jaxtyping import PyTree

from ...core import trees
from ..interpolation import theta
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time
from .field import INTERPRETATIONS, Stochastic
from .forms import NOISES


class Ends(NamedTuple):
    """The states at both ends of a step."""

    y0: State
    y1: State


class StochasticMethod(Method):
    """A method for `sj.solve_sde`; subclasses say for which `noises` and `interpretations` they converge.

    An equation of the other interpretation is solved with its drift converted. `strong_order` is that of the paths,
    for the most general of the `noises`, `drift_order` that without noise; `stages` evaluations of drift and diffusion
    make a step.
    """

    noises: ClassVar[frozenset[str]] = frozenset(NOISES)
    interpretations: ClassVar[frozenset[str]] = frozenset(INTERPRETATIONS)
    strong_order: ClassVar[float]
    drift_order: ClassVar[int]
    stages: ClassVar[int]

    @abstractmethod
    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> State:
        """The state at t + dt."""

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        y1 = self.advance(problem, t, y, dt)
        counts = {"field_evaluations": self.stages, "diffusion_evaluations": self.stages}
        return Step(y1, None, state, state, Ends(y, y1), True, counts, self.order)

    @property
    def order(self) -> int:
        return self.drift_order

    @property
    def adaptive(self) -> bool:
        return False

    @property
    def interpolation_order(self) -> int:
        return 1

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(())

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return state

    def interpolate(self, dense: Ends, t_left: Time, t_right: Time, t: Time) -> State:
        """A straight line: the path between its ends, but for a bridge whose mean is zero."""
        s = theta(t_left, t_right, t)
        return jax.tree.map(lambda a, b: a + s * (b - a), *dense)

    def init_counts(self) -> dict[str, int]:
        return {"field_evaluations": 0, "diffusion_evaluations": 0}

    def check(self, field, y0: State) -> None:
        name = type(self).__name__
        if not isinstance(field, Stochastic):
            raise TypeError(f"{name} is for stochastic equations: call sj.solve_sde(drift, diffusion, ...)")
        if field.noise not in self.noises:
            kinds = ", ".join(repr(n) for n in NOISES if n in self.noises)
            raise ValueError(f"{name} is for noise={kinds}, not {field.noise!r}: EulerMaruyama takes every kind")

    def drift(self, problem: Problem) -> Callable[[Time, State], State]:
        """The drift in an interpretation that the method converges to, as a function of (t, y)."""
        field = problem.field
        assert isinstance(field, Stochastic)
        if field.interpretation in self.interpretations:
            return problem.evaluate
        sign = -1.0 if field.interpretation == "ito" else 1.0

        def converted(t: Time, y: State) -> State:
            return trees.axpy(sign, field.correction(t, y, problem.args), problem.evaluate(t, y))

        return converted


def added(*terms: PyTree) -> PyTree:
    """The sum of states, leaf by leaf, in the dtypes of the first."""
    return jax.tree.map(lambda y, *xs: reduce(add, xs, y).astype(y.dtype), *terms)
