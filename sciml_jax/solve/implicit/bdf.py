"""BDF: backward differentiation formulas of variable order, with matrices that are kept from step to step."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..layout import Layout
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time
from .differences import advanced, evaluate, predicted, rescaled, row
from .iteration_matrix import defect, structure_of
from .kept_matrices import first_matrices, solve_with
from .newton import COUNTS, Equations, check_iteration, direct, implicit

HIGHEST = 5
# of y' = sum_j gamma_j D_j / h with modification kappa, orders 0 to 5 (Shampine & Reichelt, table 2.1)
_KAPPA = np.array([0, -0.1850, -1 / 9, -0.0823, -0.0415, 0])
_GAMMA = np.concatenate([[0], np.cumsum(1 / np.arange(1, HIGHEST + 1))])
_ALPHA = (1 - _KAPPA) * _GAMMA
_ERROR = _KAPPA * _GAMMA + 1 / np.arange(1, HIGHEST + 2)
_HOPELESS = 1e-3  # a step below this fraction of the last one starts again at order 1
_WORTH, _MOST = 1.2, 10.0  # growth of the step that pays for new factors, and the most at once


class Carry(NamedTuple):
    """The history: backward differences for steps of size h, their order, and how many steps had this size."""

    differences: Float[Array, "8 n"]
    h: Time
    order: Int[Array, ""]
    equal: Int[Array, ""]


class BDF(Method):
    r"""Backward differentiation formulas of order 1 to 5 in the modified form NDF, with steps of quasi-constant size:

    $$\sum_{j=1}^{k} \frac1j \nabla^j y_{n+1} - h \dot y_{n+1} = \kappa_k \gamma_k (y_{n+1} - y^{(0)}_{n+1})$$

    One nonlinear system a step. The Jacobian is kept until Newton's iteration fails with it (50 steps at most), the
    factors until the step size or order changes: the method for large systems and expensive fields. Orders 1 and 2
    are L-stable, 3 to 5 stable in wedges around the negative axis; oscillations near the imaginary axis are for
    others. A jump or a `projection=` starts again at order 1.

    - `max_order`: the highest order, 1 to 5. `newton_tolerance`: what Newton's iteration leaves, as a fraction of the
      tolerance of the step.

    Cost a step: one to three evaluations and solves; rarely a Jacobian or a factorisation.
    Source: L. F. Shampine & M. W. Reichelt, The MATLAB ODE suite, SIAM J. Sci. Comput. 18 (1997) 1-22, section 2,
    doi:10.1137/S1064827594276424; order selection as in Hairer, Norsett & Wanner I, III.7.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * y, (0.0, 1.0), 1.0, method=sj.BDF())
    >>> abs(float(sol.y)) < 1e-6
    True
    """

    max_order: int = eqx.field(static=True, default=HIGHEST)
    newton_tolerance: float = 0.01

    def __check_init__(self):
        if self.max_order not in range(1, HIGHEST + 1):
            raise ValueError(f"max_order of sj.BDF is 1 to {HIGHEST}; got {self.max_order!r}")
        check_iteration(self)

    @property
    def order(self) -> int:
        return self.max_order

    @property
    def start_order(self) -> int:
        return 1

    @property
    def uses_jacobian(self) -> bool:
        return True

    @property
    def takes_mass(self) -> bool:
        return True

    @property
    def takes_residuals(self) -> bool:
        return True

    @property
    def takes_krylov(self) -> bool:
        return True

    @property
    def interpolation_order(self) -> int:
        return self.max_order

    def init_counts(self) -> dict[str, int]:
        return dict.fromkeys(COUNTS, 0) | {"field_evaluations": 1, "jacobians": 1, "factorisations": 1}

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(_first(problem, t, y, dt), first_matrices(problem, t, y, float(_ALPHA[1]) / dt))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return MethodState(_first(problem, t, y, state.carry.h), state.cache)

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        layout, old = Layout(y), state.carry
        structure = structure_of(problem, layout)
        # after many rejections the history is not to be trusted (what a step does follows from the carry and dt alone,
        # as recorded gradients repeat accepted steps only)
        k = jnp.where(jnp.abs(dt) < _HOPELESS * jnp.abs(old.h), 1, old.order)
        # the step size may have changed: a rejection, the controller, the end of the span; else up to rounding of t
        differences = rescaled(old.differences, k, dt / old.h, HIGHEST)
        same = jnp.abs(dt - old.h) <= 8 * jnp.finfo(t.dtype).eps * jnp.maximum(jnp.abs(t), jnp.abs(dt))
        guess, history = predicted(differences, k, jnp.asarray(_GAMMA, layout.real))
        alpha = jnp.asarray(_ALPHA, layout.real)[k]

        def equations(t1, dt, guess, history) -> Equations:
            slope = lambda d: (history + alpha * d) / dt  # noqa: E731
            return lambda problem: lambda d: defect(problem, structure, layout, t1, guess + d, slope(d))

        at = (t + dt, dt, guess, history)
        still, still_problem = jax.lax.stop_gradient(at), problem.frozen
        root, cache, work = solve_with(
            state.cache,
            still_problem,
            layout,
            equations(*still)(still_problem),
            t=still[0],
            guess=still[2],
            slope=still[3] / still[1],
            shift=alpha / still[1],
            tolerance=self.newton_tolerance,
        )
        d, _ = implicit(problem, equations(*at), root, direct(structure))
        y1 = layout.state(guess + d)
        after = advanced(differences, k, d)
        constants = jnp.asarray(_ERROR, layout.real)
        equal = jnp.where(same, old.equal, 0) + 1
        still_after = jax.lax.stop_gradient(after)
        change, factor = self._choose(problem, layout, y, y1, still_after, root, k, work.iterations)
        change, factor = jnp.where(equal > k, change, 0), jnp.where(equal > k, factor, 1.0)
        accepted = Carry(after, dt, k + change, jnp.where(factor == 1, equal, 0))
        return Step(
            y=y1,
            error=layout.state(constants[k] * d),
            accepted=MethodState(accepted, cache._replace(failures=jnp.int32(0))),
            rejected=MethodState(old, cache._replace(failures=cache.failures + 1)),
            dense=(after, k, dt, y1),
            ok=work.ok,
            counts=work.counts,
            order=k + 1,
            dt_next=still[1] * factor,
        )

    def _choose(self, problem: Problem, layout: Layout, y: State, y1: State, after, d, k, iterations):
        """From the errors that three orders would make: by how much the order changes, -1, 0 or 1, and the step."""
        constants = jnp.asarray(np.append(_ERROR, 0.0), layout.real)

        def growth(order, difference):
            norm = problem.error_norm(layout.state(constants[order] * difference), y, y1)
            return jnp.maximum(norm, 1e-10) ** (-1 / (order + 1))

        lower = jnp.where(k > 1, growth(k - 1, row(after, k)), 0.0)
        higher = jnp.where(k < self.max_order, growth(k + 1, row(after, k + 2)), 0.0)
        factors = jnp.stack([lower, growth(k, d), higher])
        best = jnp.argmax(factors)
        safety = 0.9 * 9 / (8 + iterations)
        factor = jnp.minimum(_MOST, safety * factors[best])
        keep = (factor >= 1) & (factor < _WORTH)
        change, factor = jnp.where(keep, 0, best - 1), jnp.where(keep, 1.0, factor)
        return change.astype(jnp.int32), factor.astype(layout.real)

    def interpolate(self, dense, t_left: Time, t_right: Time, t: Time) -> State:
        differences, order, h, like = dense
        return Layout(like).state(evaluate(differences, order, h, t_right, t))


def _first(problem: Problem, t: Time, y: State, dt: Time) -> Carry:
    """A history of one state and its derivative."""
    layout = Layout(y)
    v, slope = layout.vector(y), layout.vector(problem.derivative(t, y))
    rows = jnp.zeros((HIGHEST + 3, layout.size), v.dtype).at[0].set(v).at[1].set(dt * slope)
    return Carry(rows, dt, jnp.int32(1), jnp.int32(0))
