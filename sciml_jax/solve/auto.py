"""Auto: an explicit method while a problem is easy, an implicit one while it is stiff."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ..core import trees
from .explicit import Tsit5
from .implicit import Rodas5P
from .method import Method, MethodState, Phase, Step
from .problem import Problem, State, Time

_LIMIT = 0.9  # of the interval of stability, above which a step is limited by it
_STIFF, _EASY = 10, 3  # such steps in a row that switch to the implicit method, and others that switch back


class Carry(NamedTuple):
    """Which method is at work (0: explicit, 1: implicit), both histories, and what is known of the stiffness.

    `direction` is where the power method stands, `count` the number of steps in a row that spoke for the other method,
    `switches` how often they have changed.
    """

    which: Int[Array, ""]
    carries: tuple[PyTree, PyTree]
    direction: State
    count: Int[Array, ""]
    switches: Int[Array, ""]


class Dense(NamedTuple):
    """Which method made a step, and the dense data of both (one of them means nothing)."""

    which: Int[Array, ""]
    data: tuple[PyTree, PyTree]


class Auto(Method):
    r"""Switches between an explicit and an implicit method, both ways.

    The spectral radius $\rho$ of the Jacobian is followed by one directional derivative a step. After ten steps with
    $h \rho$ above 0.9 of the explicit method's interval of stability the implicit one takes over; after three that the
    explicit one could have taken it is its turn again. Each runs in a loop of its own, so that under `vmap` nobody pays
    for both in every step (but in solves with `steps=`, and in the backward pass of a gradient). Gradients follow the
    choices that were made.

    - `nonstiff`, `stiff`: methods that estimate their error; the first with a known `stability_limit`.

    Cost: that of the method at work, and one directional derivative a step.
    Source: L. F. Shampine, Stiffness and nonstiff differential equation solvers II, ACM Trans. Math. Softw. 3 (1977)
    44-53, doi:10.1145/355719.355722, for the idea; the counts as usual in practice.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> field = lambda t, y, mu: jnp.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])
    >>> sol = sj.solve_ode(field, (0.0, 300.0), jnp.array([2.0, 0.0]), 100.0, method=sj.Auto())
    >>> int(sol.stats["jacobians"]) > 0 and int(sol.stats["steps"]) < 3000
    True
    """

    nonstiff: Method = eqx.field(default_factory=Tsit5)
    stiff: Method = eqx.field(default_factory=Rodas5P)

    def __check_init__(self):
        for name in ("nonstiff", "stiff"):
            method = getattr(self, name)
            if not isinstance(method, Method) or not method.adaptive:
                raise ValueError(f"{name} of sj.Auto must be a method with an error estimate; got {method!r}")
        if self.nonstiff.stability_limit is None:
            raise ValueError(
                f"nonstiff of sj.Auto must have a known interval of stability; {type(self.nonstiff).__name__} has none"
            )

    @property
    def methods(self) -> tuple[Method, Method]:
        """Both methods."""
        return self.nonstiff, self.stiff

    @property
    def order(self) -> int:
        return min(method.order for method in self.methods)

    @property
    def start_order(self) -> int:
        return self.nonstiff.start_order

    @property
    def uses_jacobian(self) -> bool:
        return True

    @property
    def encloses(self) -> bool:
        return True

    @property
    def interpolation_order(self) -> int:
        return min(method.interpolation_order for method in self.methods)

    @property
    def prepares(self) -> bool:
        return any(method.prepares for method in self.methods)

    def init_counts(self) -> dict[str, int]:
        return _sum([method.init_counts() for method in self.methods])

    def state_counts(self, state: MethodState) -> dict[str, Array]:
        return {"switches": state.carry.switches}

    def prepare_counts(self) -> dict[str, int]:
        return {}

    def check(self, field, y0: State) -> None:
        for method in self.methods:
            method.check(field, y0)

    def closed(self, close) -> "Auto":
        return Auto(self.nonstiff.closed(close), self.stiff.closed(close))

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        states = [method.init(problem, t, y, dt) for method in self.methods]
        direction = jax.lax.stop_gradient(problem.derivative(t, y))
        carry = Carry(jnp.int32(0), (states[0].carry, states[1].carry), direction, jnp.int32(0), jnp.int32(0))
        return MethodState(carry, (states[0].cache, states[1].cache))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        new = [method.restart(problem, t, y, old) for method, old in zip(self.methods, _split(state), strict=True)]
        return _joined(state.carry, new)

    def phases(self) -> tuple[Phase, ...]:
        return tuple(
            Phase(lambda state, k=k: state.carry.which == k, lambda *args, k=k: self._step(k, *args)) for k in (0, 1)
        )

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        return jax.lax.cond(
            state.carry.which == 0,
            lambda: self._step(0, problem, t, y, dt, state),
            lambda: self._step(1, problem, t, y, dt, state),
        )

    def _step(self, which: int, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        """A step of one method, and the decision who takes the next."""
        method, states = self.methods[which], list(_split(state))
        step = method.step(problem, t, y, dt, states[which])
        if step.dt_next is not None:
            raise ValueError(f"{type(method).__name__} chooses its own steps and cannot be part of sj.Auto")
        direction, radius = _power(problem, t + dt, step.y, state.carry.direction)
        limit = self.nonstiff.stability_limit
        assert limit is not None
        limited = jnp.abs(dt) * radius > _LIMIT * limit
        count = jnp.where(limited == (which == 0), state.carry.count + 1, 0)
        switch = jax.lax.stop_gradient(count >= (_STIFF, _EASY)[which])
        accepted, rejected = list(states), list(states)
        accepted[which], rejected[which] = step.accepted, step.rejected

        other = states[1 - which]
        accepted[1 - which] = jax.lax.cond(
            switch, lambda: self.methods[1 - which].restart(problem, t + dt, step.y, other), lambda: other
        )
        carry = Carry(
            jnp.where(switch, 1 - which, which).astype(jnp.int32),
            (accepted[0].carry, accepted[1].carry),
            direction,
            jnp.where(switch, 0, count).astype(jnp.int32),
            state.carry.switches + switch,
        )
        idle = _zeros(lambda: self.methods[1 - which].step(problem, t, y, dt, other).dense)
        data = (step.dense, idle) if which == 0 else (idle, step.dense)
        names = self.init_counts()
        return Step(
            y=step.y,
            error=step.error,
            accepted=MethodState(carry, (accepted[0].cache, accepted[1].cache)),
            rejected=_joined(state.carry, rejected),
            dense=Dense(jnp.int32(which), data),
            ok=jnp.asarray(step.ok),
            counts={name: jnp.asarray(step.counts.get(name, 0), jnp.int32) for name in names},
            order=jnp.asarray(step.order, t.dtype),
        )

    def prepare(self, problem: Problem, t: Time, dt: Time, dense: Dense) -> Dense:
        done = [lambda k=k: self.methods[k].prepare(problem, t, dt, dense.data[k]) for k in (0, 1)]
        data = jax.lax.cond(
            dense.which == 0, lambda: (done[0](), _zeros(done[1])), lambda: (_zeros(done[0]), done[1]())
        )
        return Dense(dense.which, data)

    def condense(self, dense: Dense) -> Dense:
        return Dense(dense.which, tuple(m.condense(x) for m, x in zip(self.methods, dense.data, strict=True)))

    def interpolate(self, dense: Dense, t_left: Time, t_right: Time, t: Time) -> State:
        at = [lambda k=k: self.methods[k].interpolate(dense.data[k], t_left, t_right, t) for k in (0, 1)]
        return jax.lax.cond(dense.which == 0, *at)


def _split(state: MethodState) -> tuple[MethodState, MethodState]:
    """The states of both methods."""
    first, second = (MethodState(c, k) for c, k in zip(state.carry.carries, state.cache, strict=True))
    return first, second


def _joined(carry: Carry, states: list[MethodState]) -> MethodState:
    """The state with those of both methods renewed."""
    new = carry._replace(carries=(states[0].carry, states[1].carry))
    return MethodState(new, (states[0].cache, states[1].cache))


def _zeros(value: Callable[[], PyTree]) -> PyTree:
    """Zeros like a value that is not computed."""
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(value))


def _sum(counts: list) -> dict[str, Any]:
    """Counts added up by name."""
    names = dict.fromkeys(name for each in counts for name in each)
    return {name: sum(each.get(name, 0) for each in counts) for name in names}


def _power(problem: Problem, t: Time, y: State, direction: State) -> tuple[State, Float[Array, ""]]:
    """One step of the power method: the new direction and the estimate of the spectral radius; constants."""
    t, y, direction = jax.lax.stop_gradient((t, y, direction))
    problem = problem.frozen
    size = trees.rms_norm(direction)
    unit = trees.scale(1 / jnp.where(size == 0, 1.0, size), direction)
    # a direction that the Jacobian has sent to zero starts anew from one in which everything takes part
    unit = jax.tree.map(lambda u: jnp.where(size == 0, 1.0, u).astype(u.dtype), unit)
    after = jax.jvp(lambda y: problem.evaluate(t, y), (y,), (unit,))[1]
    after = jax.tree.map(lambda x: jnp.where(jnp.isfinite(x), x, 0.0).astype(x.dtype), after)
    return after, trees.rms_norm(after)
