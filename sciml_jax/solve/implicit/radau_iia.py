"""RadauIIA: Radau IIA methods of order 5, 9 and 13, for tight tolerances; the order may be chosen on the way."""

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from ..method import Method, MethodState, Phase, Step
from ..problem import Problem, State, Time
from .collocation import Cache as StepCache
from .collocation import Collocation, Last, Polynomial
from .collocation_tableau import CollocationTableau, radau_iia
from .newton import check_iteration
from .order_choice import Choice, after_acceptance, after_rejection, first_choice

_TABLEAUS = {order: radau_iia((order + 1) // 2) for order in (5, 9, 13)}


class Carry(NamedTuple):
    """The place of the next step's order among those to choose from, the number of that step, and the last stages."""

    which: Int[Array, ""]
    step: Int[Array, ""]
    last: Last


class Cache(NamedTuple):
    """What methods of one order keep, their factors (in `kept` there are none), and how the order is chosen."""

    kept: StepCache
    factors: tuple
    choice: Choice


class OfOrder(Collocation):
    """The method of one order, among others up to the `highest`, at whose nodes steps are remembered."""

    max_iterations: int = eqx.field(static=True, default=20)
    order: int = eqx.field(static=True, default=5)  # type: ignore[assignment]
    highest: int = eqx.field(static=True, default=5)

    @property
    def tableau(self) -> CollocationTableau:
        return _TABLEAUS[self.order]

    @property
    def memory(self) -> CollocationTableau:
        return _TABLEAUS[self.highest]


class RadauIIA(Method):
    r"""Radau IIA of 3, 5 or 7 stages: order 5, 9 or 13, L-stable, stiffly accurate; chosen from step to step.

    $$M z_i = h \sum_j a_{ij} f(t_0 + c_j h, y_0 + z_j), \qquad y_1 = y_0 + z_s$$

    The higher orders take far longer steps at tolerances below about 1e-8, on stiff and differential-algebraic
    problems (a singular mass matrix, index 1) alike. A solve starts with order 5. The order rises where Newton's
    iteration contracts by 0.002 or faster, after ten steps of one order and with steady step sizes; it falls where
    the iteration contracts by 0.8 only, or has failed. Each order runs in a loop of its own, so that under `vmap`
    nobody pays for all three in every step (but in solves with `steps=`, and in the backward pass of a gradient).
    Gradients follow the orders that were chosen, as far as the last 256 changes. The estimate of the error has the
    order of the stages, 3, 5 or 7.

    - `newton_tolerance`: what Newton's iteration leaves, as a fraction of the tolerance of the step.
      `max_iterations`: of one system of equations; where they are not enough the step becomes smaller.
    - `order`: 5, 9 or 13, constant throughout a solve (5 is `sj.Radau5`); `None`: chosen on the way. A constant order
      compiles faster.

    `sol.stats["order_changes"]` counts the changes. Raises `ValueError` for another order.

    Cost: one real and one, two or three complex systems of n unknowns are factorised when step size or order change.
    Source: E. Hairer & G. Wanner, Stiff differential equations solved by Radau methods, J. Comput. Appl. Math. 111
    (1999) 93-111, doi:10.1016/S0377-0427(99)00134-X.

    >>> import sciml_jax as sj
    >>> field = lambda t, y, args: -1e4 * y
    >>> sol = sj.solve_ode(field, (0.0, 1.0), 1.0, method=sj.RadauIIA())
    >>> abs(float(sol.y)) < 1e-6
    True
    >>> sol = sj.solve_ode(field, (0.0, 1.0), 1.0, method=sj.RadauIIA(order=9))
    >>> abs(float(sol.y)) < 1e-6
    True
    """

    newton_tolerance: float
    max_iterations: int = eqx.field(static=True)
    orders: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, newton_tolerance: float = 1e-3, max_iterations: int = 20, *, order: int | None = None):
        if order is not None and not (isinstance(order, int) and order in _TABLEAUS):
            raise ValueError(f"order of sj.RadauIIA is 5, 9 or 13; got {order!r}. Without it the order is chosen")
        self.newton_tolerance, self.max_iterations = newton_tolerance, max_iterations
        self.orders = tuple(_TABLEAUS) if order is None else (order,)

    def __check_init__(self):
        check_iteration(self)

    @property
    def encloses(self) -> bool:
        return len(self.orders) > 1

    @property
    def methods(self) -> tuple[OfOrder, ...]:
        """The methods to choose from, by order."""
        highest = self.orders[-1]
        return tuple(OfOrder(self.newton_tolerance, self.max_iterations, order, highest) for order in self.orders)

    @property
    def order(self) -> int:
        return self.orders[0]

    @property
    def uses_jacobian(self) -> bool:
        return True

    @property
    def takes_mass(self) -> bool:
        return True

    @property
    def interpolation_order(self) -> int:
        return self.methods[0].interpolation_order

    def init_counts(self) -> dict[str, int]:
        return self.methods[0].init_counts()

    def state_counts(self, state: MethodState) -> dict[str, Array]:
        return {"order_changes": state.cache.choice.changes}

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        states = [method.init(problem, t, y, dt) for method in self.methods]
        first = states[0]
        factors = tuple(state.cache.matrices.factors for state in states)
        cache = Cache(_with_factors(first.cache, ()), factors, first_choice())
        return MethodState(Carry(jnp.int32(0), jnp.int32(0), first.carry), cache)

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        carry, cache = state.carry, state.cache
        new = self.methods[0].restart(problem, t, y, MethodState(carry.last, cache.kept))
        return MethodState(carry._replace(last=new.carry), cache._replace(kept=new.cache))

    def phases(self) -> tuple[Phase, ...]:
        return tuple(
            Phase(lambda state, k=k: state.carry.which == k, partial(self._step, k)) for k in range(len(self.orders))
        )

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        def one(k):
            # lanes of another order compute this one too: a short step keeps their numbers, and derivatives, finite
            short = jnp.where(state.carry.which == k, dt, 1e-3 * dt)
            return self._step(k, problem, t, y, short, state)

        return jax.lax.switch(state.carry.which, [partial(one, k) for k in range(len(self.orders))])

    def _step(self, k: int, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        """A step of one order, and the choice of the next."""
        carry, cache = state.carry, state.cache
        inner = MethodState(carry.last, _with_factors(cache.kept, cache.factors[k]))
        step, work = self.methods[k].attempt(problem, t, y, dt, inner)
        known = cache.kept.h != 0
        ratio = jnp.where(known, jax.lax.stop_gradient(dt) / jnp.where(known, cache.kept.h, 1.0), 1.0)
        which, choice = after_acceptance(cache.choice, work, ratio, carry.step, k, len(self.orders) - 1)
        changed = which != k
        accepted = Cache(
            _changed(_with_factors(step.accepted.cache, ()), changed),
            _put(cache.factors, k, step.accepted.cache.matrices.factors),
            choice,
        )
        rejected = Cache(
            _with_factors(step.rejected.cache, ()),
            _put(cache.factors, k, step.rejected.cache.matrices.factors),
            after_rejection(cache.choice, work),
        )
        return step._replace(
            accepted=MethodState(Carry(which, carry.step + 1, step.accepted.carry), accepted),
            rejected=MethodState(carry, rejected),
            order=jnp.asarray(step.order, t.dtype),
        )

    def interpolate(self, dense: Polynomial, t_left: Time, t_right: Time, t: Time) -> State:
        return self.methods[-1].interpolate(dense, t_left, t_right, t)


def _with_factors(cache: StepCache, factors: tuple) -> StepCache:
    """The cache with these factors in the place of its own."""
    return cache._replace(matrices=cache.matrices._replace(factors=factors))


def _put(factors: tuple, k: int, new: tuple) -> tuple:
    """The factors of all orders, with those of one renewed."""
    return (*factors[:k], new, *factors[k + 1 :])


def _changed(cache: StepCache, changed: Array) -> StepCache:
    """The cache for a step of another order: the Jacobian is kept; factors, rate and error say nothing of it."""
    matrices = cache.matrices
    matrices = matrices._replace(
        h=jnp.where(changed, 0.0, matrices.h),
        eta=jnp.where(changed, 1.0, matrices.eta),
    )
    return cache._replace(matrices=matrices, h=jnp.where(changed, 0.0, cache.h))
