"""VCABM: Adams-Bashforth-Moulton with variable order and variable steps."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..interpolation import theta
from ..layout import Layout
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time
from .modified_differences import advanced, factors, integrals, lengths, up_to, weighted

HIGHEST = 12
# of the next step after an accepted one: the local error aimed at, in tolerances, and the limits of the factor
_AIM, _SMALLEST, _LARGEST = 0.25, 0.5, 2.0


class Carry(NamedTuple):
    """The history: modified differences of dy/dt, the sizes of the steps behind (newest first), the order of the next
    step, and how many of the differences are known, all but the first."""

    differences: Float[Array, "rows n"]
    steps: Float[Array, " rows-1"]
    order: Int[Array, ""]
    known: Int[Array, ""]


class Dense(NamedTuple):
    """The step's polynomial: its left state, rows that are multiplied by the integrals of Newton's basis, and the
    lengths that basis belongs to."""

    y: State
    rows: Float[Array, "rows n"]
    r: Float[Array, " rows"]


class VCABM(Method):
    r"""Adams-Bashforth-Moulton of variable order and fully variable step size, as predictor, evaluation, corrector,
    evaluation. At order k the predictor integrates the polynomial through the last k derivatives, and the corrector
    the one that goes through the predicted derivative as well:

    $$p = y_n + h \sum_{j<k} g_j \Phi^*_j, \qquad y_{n+1} = p + h g_k \Phi_k(f(t_{n+1}, p))$$

    so solutions have order k + 1. Two evaluations a step, whatever the order: the method for smooth fields that are
    expensive, and tight tolerances. Each step works on all `max_order` + 1 rows of n numbers, which is where time goes
    when the field is cheap. A jump or a `projection=` starts again at order 1. A field that jumps unannounced
    is crossed with errors of some hundred tolerances, which estimates of high order do not see: give its times as
    `step_to=`.

    - `max_order`: the highest k, 1 to 12.

    Saved times are read off the corrector's polynomial, which joins the states continuously, with the order of the
    solution. A rejected step leaves the order alone, so that what a gradient differentiates is determined by the
    accepted times.

    Cost a step: two evaluations, and about ten operations on each row.
    Source: Hairer, Norsett & Wanner I, III.5 (the formulas) and III.7 (errors and orders); L. F. Shampine &
    M. K. Gordon, Computer Solution of Ordinary Differential Equations (1975).

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.VCABM())
    >>> abs(float(sol.y) - 0.36787944) < 1e-5
    True
    """

    max_order: int = eqx.field(static=True, default=HIGHEST)

    def __check_init__(self):
        if self.max_order not in range(1, HIGHEST + 1):
            raise ValueError(f"max_order of sj.VCABM is 1 to {HIGHEST}; got {self.max_order!r}")

    @property
    def order(self) -> int:
        return self.max_order + 1

    @property
    def start_order(self) -> int:
        return 1

    @property
    def interpolation_order(self) -> int:
        return self.max_order + 1

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(self._first(problem, t, y, dt))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return MethodState(self._first(problem, t, y, state.carry.steps[0]))

    def _first(self, problem: Problem, t: Time, y: State, dt: Time) -> Carry:
        layout = Layout(y)
        f = layout.vector(problem.evaluate(t, y))
        rows = jnp.zeros((self.max_order + 1, layout.size), f.dtype).at[0].set(f)
        # the sizes only fill the places
        steps = jnp.full(self.max_order, jax.lax.stop_gradient(dt), layout.real)
        return Carry(rows, steps, jnp.int32(1), jnp.int32(0))

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        layout, old = Layout(y), state.carry
        v, k = layout.vector(y), old.order
        numbers = jnp.arange(self.max_order + 1)

        def field(v):
            return layout.vector(problem.evaluate(t + dt, layout.state(v)))

        r = lengths(old.steps, dt)
        g = integrals(r, 1.0)
        stars = up_to(factors(r)[:, None] * old.differences, old.known)
        guess = v + dt * weighted(jnp.where(numbers < k, g, 0.0), stars)
        tried = advanced(stars, field(guess))
        v1 = guess + dt * weighted(jnp.where(numbers == k, g, 0.0), tried)
        y1 = layout.state(v1)
        after = up_to(advanced(stars, field(v1)), old.known + 1)

        # the local error of order m is what the corrector with one point more changes
        constants = dt * (g - jnp.concatenate([jnp.zeros(1, g.dtype), g[:-1]]))
        error = weighted(jnp.where(numbers == k, constants, 0.0), tried)
        known = jnp.minimum(old.known + 1, self.max_order)

        def size(m, rows):
            e = weighted(jnp.where(numbers == m, constants, 0.0), rows)
            return jax.lax.stop_gradient(problem.error_norm(layout.state(e), y, y1))

        sizes = (size(k - 2, tried), size(k - 1, tried), size(k, tried), size(k + 1, after))
        change, factor = self._choose(sizes, k, known)
        rows = jnp.where((numbers < k)[:, None], stars, jnp.where((numbers == k)[:, None], tried, 0.0))
        steps = jnp.concatenate([jnp.asarray(dt, layout.real)[None], old.steps[:-1]])
        return Step(
            y=y1,
            error=layout.state(error),
            accepted=MethodState(Carry(after, steps, k + change, known)),
            rejected=state,
            dense=Dense(y, dt * rows, r),
            ok=True,
            counts={"field_evaluations": 2},
            order=k + 1,
            dt_next=jax.lax.stop_gradient(dt) * factor.astype(layout.real),
        )

    def _choose(self, sizes, k: Int[Array, ""], known: Int[Array, ""]):
        """By how much the order changes after an accepted step, -1, 0 or 1, and the factor of the step size, from the
        errors of orders k - 2 to k + 1 (Shampine & Gordon; HNW I, III.7)."""
        lowest, lower, same, higher = sizes
        # without any history the order rises in every step, unless a lower one was better
        starting = (known == k) & (k < self.max_order)
        can_rise = (known > k) & (k < self.max_order)
        down = jnp.where(k > 2, jnp.maximum(lowest, lower) <= same, (k == 2) & (lower <= 0.5 * same))
        down = down | (can_rise & (k > 1) & (lower <= jnp.minimum(same, higher)))
        up = ~down & (starting | (can_rise & jnp.where(k > 1, higher < same, higher < 0.5 * same)))
        change = up.astype(jnp.int32) - down.astype(jnp.int32)
        risen = up & ~starting  # a first step at an order has no estimate of its own then
        error = jnp.where(down, lower, jnp.where(risen, higher, same))
        order = jnp.where(starting & up, k, k + change)
        factor = (_AIM / jnp.maximum(error, 1e-10)) ** (1 / (order + 1))
        return change, jnp.clip(factor, _SMALLEST, _LARGEST)

    def interpolate(self, dense: Dense, t_left: Time, t_right: Time, t: Time) -> State:
        layout = Layout(dense.y)
        weights = integrals(dense.r, theta(t_left, t_right, t))
        return layout.state(layout.vector(dense.y) + weighted(weights, dense.rows))
