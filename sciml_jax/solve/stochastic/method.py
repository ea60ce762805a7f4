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
    make a step (`diffusion_stages` of the diffusion, where these are others). `error_order` is the power of the step
    size with which the error estimate shrinks; `None` where there is none, and steps are constant.
    """

    noises: ClassVar[frozenset[str]] = frozenset(NOISES)
    interpretations: ClassVar[frozenset[str]] = frozenset(INTERPRETATIONS)
    strong_order: ClassVar[float]
    drift_order: ClassVar[int]
    stages: ClassVar[int]
    diffusion_stages: ClassVar[int | None] = None
    error_order: ClassVar[float | None] = None

    @abstractmethod
    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> tuple[State, State | None]:
        """The state at t + dt, and its estimated error, shaped like it, or `None`."""

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        y1, error = self.advance(problem, t, y, dt)
        diffusions = self.stages if self.diffusion_stages is None else self.diffusion_stages
        counts = {"field_evaluations": self.stages, "diffusion_evaluations": diffusions}
        return Step(y1, error, state, state, Ends(y, y1), True, counts, self.error_order or self.order)

    @property
    def order(self) -> int:
        return self.drift_order

    @property
    def takes_noise(self) -> bool:
        return True

    @property
    def adaptive(self) -> bool:
        return self.error_order is not None

    @property
    def interpolation_order(self) -> int:
        return 1

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(())

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return state

    def interpolate(self, dense: Ends, t_left: Time, t_right: Time, t: Time) -> State:
        return straight(dense, t_left, t_right, t)

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
        return drift_in(problem, self.interpretations)


def drift_in(problem: Problem, interpretations: frozenset[str]) -> Callable[[Time, State], State]:
    """The drift in one of these interpretations, as a function of (t, y); the field itself without noise."""
    field = problem.field
    if not isinstance(field, Stochastic) or field.interpretation in interpretations:
        return problem.evaluate
    sign = -1.0 if field.interpretation == "ito" else 1.0

    def converted(t: Time, y: State) -> State:
        return trees.axpy(sign, field.correction(t, y, problem.args), problem.evaluate(t, y))

    return converted


def straight(dense: Ends, t_left: Time, t_right: Time, t: Time) -> State:
    """A straight line between the ends of a step: the path, but for a bridge whose mean is zero."""
    s = theta(t_left, t_right, t)
    return jax.tree.map(lambda a, b: a + s * (b - a), *dense)


def added(*terms: PyTree) -> PyTree:
    """The sum of states, leaf by leaf, in the dtypes of the first."""
    return jax.tree.map(lambda y, *xs: reduce(add, xs, y).astype(y.dtype), *terms)
