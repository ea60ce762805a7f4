"""The contract of a one-step method: configuration in a frozen module, mathematics in pure functions."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
from jaxtyping import Array, Bool, PyTree

from .problem import Problem, State, Time


class MethodState(NamedTuple):
    """What a method remembers between steps.

    `carry` belongs to the mathematics (a first-same-as-last derivative, a history, an order): gradients keep
    snapshots of it and differentiate its floating-point leaves. `cache` (a Jacobian, a factorisation) is neither.
    """

    carry: PyTree
    cache: PyTree = ()


class Step(NamedTuple):
    """What one attempted step returns.

    - `y`: the solution at t + dt. `error`: its estimated error, shaped like y, or `None` (constant steps only).
    - `accepted`, `rejected`: the state to go on with after either verdict. A rejected step may renew the cache, but
      leaves the carry as it was: recorded gradients repeat accepted steps only.
    - `dense`: what `interpolate` needs for this step, any pytree.
    - `ok`: whether the step could be computed at all (`True`, or a traced boolean).
    - `counts`: work done, by name, such as `{"field_evaluations": 6}`: whole numbers, Python's or traced.
    - `order`: of the error estimate plus one: the step control takes this root. A number, or traced.
    - `dt_next`: a next step that the method proposes itself; `None` leaves it to the controller.
    """

    y: State
    error: State | None
    accepted: MethodState
    rejected: MethodState
    dense: PyTree
    ok: Bool[Array, ""] | bool
    counts: Mapping[str, Any]
    order: Any
    dt_next: Time | None = None


class Phase(NamedTuple):
    """A loop of the driver: it runs while `active(state)`, each turn one `step` with the arguments of `Method.step`."""

    active: Callable[[MethodState], Bool[Array, ""] | bool]
    step: Callable[..., Step]


class Method(eqx.Module):
    """A one-step (or multistep) method for `solve_ode`: subclass it, give `order` and the functions below.

    Everything a method does is a pure function of its arguments. Configuration lives in fields; keep them static
    where they decide what is computed. `problem.evaluate(t, y)` is the field.
    """

    @property
    @abstractmethod
    def order(self) -> int:
        """The order of convergence (a property, or a field of the same name)."""

    @abstractmethod
    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        """The state before the first step."""

    @abstractmethod
    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        """One attempt from t to t + dt; `dt` is negative backwards in time."""

    @abstractmethod
    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        """The state after y has jumped: fresh derivatives, a multistep method at order 1."""

    @abstractmethod
    def interpolate(self, dense: PyTree, t_left: Time, t_right: Time, t: Time) -> State:
        """The solution at `t` inside a step from `t_left` to `t_right` whose (prepared) dense data this is."""

    def phases(self) -> tuple[Phase, ...]:
        """The loops in which the steps are taken, one after the other and over again; by default one."""
        return (Phase(lambda state: True, self.step),)

    def samples(self, dense: PyTree, t_left: Time, t_right: Time, fractions: tuple[float, ...]) -> list[State]:
        """The solution at fractions of a step that are known while tracing."""
        return [self.interpolate(dense, t_left, t_right, t_left + s * (t_right - t_left)) for s in fractions]

    def prepare(self, problem: Problem, t: Time, dt: Time, dense: PyTree) -> PyTree:
        """Completes dense data, once in a step that is interpolated (extra stages); by default they are complete."""
        return dense

    def condense(self, dense: PyTree) -> PyTree:
        """Prepared dense data in the form with which `interpolate` is cheapest, for steps that are interpolated many
        times; by default as they are."""
        return dense

    @property
    def prepares(self) -> bool:
        """Whether `prepare` does work that should be spared in steps that nobody interpolates."""
        return type(self).prepare is not Method.prepare

    @property
    def adaptive(self) -> bool:
        """Whether the steps carry an error estimate."""
        return True

    @property
    def start_order(self) -> int:
        """The order of the first step, for its size."""
        return self.order

    @property
    def uses_jacobian(self) -> bool:
        """Whether steps need the Jacobian of the field: implicit methods."""
        return False

    @property
    def damps(self) -> bool:
        """Whether decay far faster than the steps is damped: stabilised methods do, implicit ones unless symmetric.

        Backwards in time such decay is growth, and `sj.Backsolve` refuses these methods.
        """
        return self.uses_jacobian

    @property
    def takes_mass(self) -> bool:
        """Whether the method solves $M \\dot y = f$ with a mass matrix, singular ones too."""
        return False

    @property
    def encloses(self) -> bool:
        """Whether steps call the field in the branches of a `lax.cond` or the body of a loop, also where they are
        differentiated: what it notes there is lost, and with it recorded gradients of delay equations."""
        return False

    @property
    def takes_krylov(self) -> bool:
        """Whether Newton's corrections may come from products with the Jacobian alone."""
        return False

    @property
    def takes_residuals(self) -> bool:
        """Whether the method solves fully implicit equations, those of `solve_dae`."""
        return False

    @property
    def takes_noise(self) -> bool:
        """Whether the method solves stochastic equations, those of `solve_sde`."""
        return False

    @property
    def reversible(self) -> bool:
        """Whether `undo` gives a step's start back, but for rounding: what `sj.Reversible` needs."""
        return False

    def undo(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> tuple[State, PyTree]:
        """State and carry before the step of size dt that began at t and ended with `y` and `state`.

        For reversible methods. As it stands here it is that of symmetric ones: a step back.
        """
        step = self.step(problem, t + dt, y, -dt, state)
        return step.y, step.accepted.carry

    @property
    def interpolation_order(self) -> int:
        """The order of what `interpolate` gives between steps; 3, cubic Hermite, unless said otherwise."""
        return 3

    @property
    def stability_limit(self) -> float | None:
        """The length of the interval of absolute stability on the negative real axis, for the hint that a problem
        looks stiff; `None` where there is no limit or none is known."""
        return None

    def init_counts(self) -> dict[str, int]:
        """Work done by `init` and by `restart`."""
        return {"field_evaluations": 1}

    def state_counts(self, state: MethodState) -> dict[str, Array]:
        """What the state has counted so far, changes of order, say, under other names than those of work."""
        return {}

    def prepare_counts(self) -> dict[str, int]:
        """Work done by `prepare`."""
        return {}

    def closed(self, close: Callable[[Callable], Callable]) -> "Method":
        """The method with its functions of (t, y, args), where it has some, traced by `close`."""
        return self

    def check(self, field, y0: State) -> None:
        """Raises `TypeError` or `ValueError` where the method cannot solve this field or state."""
