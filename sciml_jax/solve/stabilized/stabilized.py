"""What the stabilised methods share: the number of stages from the spectral radius, memory, interpolant."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from ...core import when
from ..arguments import callable_with, number
from ..interpolation import Hermite, hermite
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time
from .recurrence import march
from .spectral_radius import first_vector, spectral_radius
from .table import Table

# Accepted steps after which the spectral radius is estimated anew.
_LIFETIME = 25


class Memory(NamedTuple):
    """What is known of the spectral radius: a bound, the vector to go on from, the steps since, the last step size, and
    the longest step that the bound is accurate enough for."""

    rate: Float[Array, ""]
    vector: State
    age: Int[Array, ""]
    dt: Time
    dt_most: Time


class Carry(NamedTuple):
    """The derivative at the start of the next step, and the memory (empty where the user gives the radius).

    The memory is no cache, because it decides the number of stages: a gradient that replays a step from its carry has
    to take the same ones.
    """

    f: State
    memory: Memory | tuple[()]


class Stabilized(Method):
    r"""A Runge-Kutta-Chebyshev method; subclasses give a `table` of members and their finishing stages.

    A member of s stages is stable for $-\ell_s \le h \lambda \le 0$ with $\ell_s$ growing as $s^2$; every step takes
    the one of fewest stages for which $h \rho \le \ell_s$, with the spectral radius $\rho$ of $\partial f/\partial y$:
    `spectral_radius`, a number or a function of (t, y, args), or else the power method's: at the start, every 25
    accepted steps, when a step is shorter than nine tenths of the last (after a rejection it soon is), and when it is
    twice as long as that of the estimate.

    The decision is a constant for derivatives, like the step size.
    """

    max_stages: int | None = eqx.field(default=None, static=True)
    spectral_radius: Callable | ArrayLike | None = None

    error_order: ClassVar[int]

    def __check_init__(self):
        name, n = type(self).__name__, self.max_stages
        least, most = int(self.table.stages[0]), int(self.table.stages[-1])
        if n is not None and (not isinstance(n, int) or isinstance(n, bool) or not least <= n <= most):
            raise ValueError(f"max_stages of {name} must be a whole number from {least} to {most}; got {n!r}")

    def check(self, field, y0: State) -> None:
        given, name = self.spectral_radius, f"spectral_radius of {type(self).__name__}"
        if callable(given):
            callable_with(name, given, "t, y, args")
        elif given is not None:
            number(name, given)

    def closed(self, close: Callable[[Callable], Callable]) -> "Stabilized":
        """The method with the user's function traced."""
        given = self.spectral_radius
        return eqx.tree_at(lambda m: m.spectral_radius, self, close(given)) if callable(given) else self

    @property
    def encloses(self) -> bool:
        return True

    @property
    @abstractmethod
    def table(self) -> Table:
        """The members of the family."""

    @abstractmethod
    def finish(
        self, problem: Problem, t: Time, dt: Time, t_inner: Time, inner: State, weights: Float[Array, " k"]
    ) -> tuple[State, State, State]:
        """The solution at t + dt, its derivative, and the error estimate, from the end of the recurrence."""

    def members(self) -> Table:
        """The members of at most `max_stages` stages."""
        return self.table if self.max_stages is None else self.table.up_to(self.max_stages)

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        f = problem.evaluate(t, y)
        if self.spectral_radius is not None:
            return MethodState(Carry(f, ()))
        zero = jnp.zeros((), t.dtype)
        return MethodState(Carry(f, Memory(zero, first_vector(f), jnp.int32(_LIFETIME), zero, zero)))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        f, memory = problem.evaluate(t, y), state.carry.memory
        if isinstance(memory, Memory):
            memory = memory._replace(age=jnp.full_like(memory.age, _LIFETIME))
        return MethodState(Carry(f, memory))

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        table, carry = self.members(), state.carry
        rate, memory, evaluations = self._rate(problem, t, y, dt, carry)
        length = (jnp.abs(jax.lax.stop_gradient(dt)) * rate).astype(t.dtype)
        member = jnp.minimum(jnp.sum(table.limits < length), len(table.limits) - 1)
        t_inner, inner = march(table, member, problem, t, y, dt, carry.f)
        weights = jnp.asarray(table.finish, t.dtype)[member]
        y1, f1, error = self.finish(problem, t, dt, t_inner, inner, weights)
        error = self._limited(problem, error, y, y1, length / float(table.limits[-1]))
        counts = {"field_evaluations": jnp.asarray(table.stages, jnp.int32)[member] + evaluations}
        dense = Hermite(y, y1, carry.f, f1)
        return Step(y1, error, MethodState(Carry(f1, memory)), state, dense, True, counts, self.error_order)

    def _rate(self, problem: Problem, t: Time, y: State, dt: Time, carry: Carry):
        """The spectral radius to reckon with, the memory after the step, and the evaluations it took."""
        # stopped out here, not inside: what a while loop closes over must not be differentiated in reverse mode
        arrays, rest = eqx.partition((problem, t, y, carry), eqx.is_inexact_array)
        problem, t, y, carry = eqx.combine(jax.lax.stop_gradient(arrays), rest)
        given = self.spectral_radius
        if given is not None:
            rate = jnp.asarray(given(t, y, problem.args) if callable(given) else given)
            if rate.shape:
                raise ValueError(f"spectral_radius(t, y, args) must return one number; its shape is {rate.shape}")
            return jax.lax.stop_gradient(jnp.abs(rate)), (), 0
        memory: Any = carry.memory
        size = jnp.abs(jax.lax.stop_gradient(dt))

        # while h rho is below that, the fewest stages will do, whatever it is
        coarse = float(self.table.limits[0]) / size

        def estimate(_, buffers, on):
            return spectral_radius(problem, t, y, carry.f, memory.vector, coarse), buffers

        due = (memory.age >= _LIFETIME) | (size < 0.9 * memory.dt) | (size > memory.dt_most)
        known = (memory.rate, memory.vector, jnp.int32(0))
        (rate, vector, evaluations), _ = when(due, estimate, known)
        age = jnp.where(due, 1, memory.age + 1).astype(jnp.int32)
        return rate, Memory(rate, vector, age, size, jnp.where(due, 2 * size, memory.dt_most)), evaluations

    def _limited(self, problem: Problem, error: State, y: State, y1: State, used: Time) -> State:
        """The error estimate, or one of norm `used**order` where that is more.

        `used` is the part of the longest interval of stability that the step takes. An accurate step says nothing of
        stability, and the controller would go on to one ten times as long; this way it approaches the limit as it
        approaches a tolerance, and a step beyond the limit is rejected.
        """
        ones = jax.tree.map(lambda x: jnp.ones(x.shape, x.real.dtype), y)
        units = problem.scaled(ones, y, y1)
        norm = used**self.error_order
        substitute = norm / problem.norm(ones)
        above = norm**2 > problem.error_norm_squared(error, y, y1)
        return jax.tree.map(lambda e, u: jnp.where(above, (substitute / u).astype(e.dtype), e), error, units)

    @property
    def interpolation_order(self) -> int:
        return min(3, self.order)

    @property
    def damps(self) -> bool:
        return True

    def interpolate(self, dense: Hermite, t_left: Time, t_right: Time, t: Time) -> State:
        return hermite(dense, t_left, t_right, t)
