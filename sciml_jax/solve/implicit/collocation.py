"""Steps by collocation: fully implicit Runge-Kutta methods, all stages of a step in one system of equations."""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ...core import when
from ...linalg import Dense, gmres
from ..interpolation import theta
from ..layout import Layout
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time
from .collocation_newton import Kept, Work, combined, correction, factors_of, nothing_kept, solve_stages
from .collocation_tableau import CollocationTableau
from .iteration_matrix import field_on_vectors, jacobian_at, structure_of, times_mass
from .newton import COUNTS, LinearSolve, Residual, check_iteration, direct, implicit

_DENSE = 500  # unknowns of all stages up to which derivatives factorise the whole system
_KEEP = 1.2  # growth of the step that does not pay for new factors


class Last(NamedTuple):
    """The stages of the last step, less its start, and its size: where the next iteration starts from."""

    z: Float[Array, "s n"]
    h: Time


class Cache(NamedTuple):
    """Matrices, whether this is the first step or follows a rejection, and size and error of the last accepted step
    (size 0: there was none)."""

    matrices: Kept
    fresh: Bool[Array, ""]
    h: Time
    error: Float[Array, ""]


class Polynomial(NamedTuple):
    """The collocation polynomial of a step: its start, and its values at the nodes less that."""

    y0: State
    z: Float[Array, "s n"]


class Collocation(Method):
    r"""A fully implicit Runge-Kutta method by collocation; subclasses give a `tableau`.

    $$M z_i = h \sum_j a_{ij} f(t_0 + c_j h, y_0 + z_j), \qquad y_1 = y_0 + \sum_i d_i z_i$$

    All stages are one nonlinear system of s n unknowns, solved by simplified Newton steps. The eigenvalues of
    $A^{-1}$ decouple its matrix into one real or complex system of n unknowns each. Jacobian and factors are kept from
    step to step while the iteration is fast and the step size stays. A derivative solves the system of all stages
    with each stage's own Jacobian. The step control is the method's own, Gustafsson's, and keeps a step size that
    would grow by less than a fifth; `controller=` has a say after rejections only.

    - `newton_tolerance`: what Newton's iteration leaves, as a fraction of the tolerance of the step.
      `max_iterations`: of one system of equations; where they are not enough the step becomes smaller.

    Cost a step: s evaluations and one real or (s + 1) / 2 real and complex solves an iteration, two to four iterations.
    """

    newton_tolerance: float = 1e-3
    max_iterations: int = eqx.field(static=True, default=10)

    def __check_init__(self):
        check_iteration(self)

    @property
    @abstractmethod
    def tableau(self) -> CollocationTableau:
        """Nodes and coefficients (a property, or an attribute of the class)."""

    @property
    def memory(self) -> CollocationTableau:
        """The nodes that keep the polynomial of a step: this tableau's, or more of them that several methods share."""
        return self.tableau

    @property
    def order(self) -> int:
        return self.tableau.order

    @property
    def uses_jacobian(self) -> bool:
        return True

    @property
    def interpolation_order(self) -> int:
        return self.tableau.stages

    def init_counts(self) -> dict[str, int]:
        return dict.fromkeys(COUNTS, 0)

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        layout = Layout(y)
        matrices = nothing_kept(problem.frozen, layout, self.tableau, t, dt)
        none = jnp.zeros_like(jax.lax.stop_gradient(t))
        return MethodState(
            self._no_stages(layout, t), Cache(matrices, jnp.asarray(True), none, jnp.ones((), layout.real))
        )

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        cache: Any = state.cache
        matrices = cache.matrices._replace(stale=jnp.asarray(True), current=jnp.asarray(False), t=t)
        again = cache._replace(matrices=matrices, fresh=jnp.asarray(True), h=jnp.zeros_like(cache.h))
        return MethodState(self._no_stages(Layout(y), t), again)

    def _no_stages(self, layout: Layout, t: Time) -> Last:
        """Stages that extrapolate to a constant."""
        return Last(jnp.zeros((self.memory.stages, layout.size), layout.real), jnp.ones((), t.dtype))

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        return self.attempt(problem, t, y, dt, state)[0]

    def attempt(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> tuple[Step, Work]:
        """The step, and how Newton's iteration went."""
        tableau, layout = self.tableau, Layout(y)
        still, (t0, y0, h) = problem.frozen, jax.lax.stop_gradient((t, y, dt))
        carry, cache = jax.lax.stop_gradient(state.carry), state.cache
        v0 = layout.vector(y0)
        guess = extrapolated(self.memory, tableau.nodes, carry, h)
        residual = equations(still, layout, tableau, t0, v0, h)
        tolerance, most = self.newton_tolerance, self.max_iterations
        root, kept, work = solve_stages(
            cache.matrices, still, layout, tableau, residual, (t0, v0, h), guess, tolerance, most
        )
        z = differentiable(problem, layout, tableau, root, t, layout.vector(y), dt)
        y1 = layout.state(layout.vector(y) + tableau_end(tableau, z))
        error = norm = None
        if self.adaptive:
            error, norm, work = estimate(still, layout, tableau, kept, work, cache.fresh, root, t0, y0, h)
        accepted, rejected, dt_next = verdicts(kept, work, cache, norm, t0, h, tableau.stages + 1, most)
        step = Step(
            y=y1,
            error=error,
            accepted=MethodState(Last(sampled(tableau, self.memory, root), h), accepted),
            rejected=MethodState(carry, rejected),
            dense=Polynomial(y, sampled(tableau, self.memory, z)),
            ok=work.ok,
            counts=work.counts,
            order=tableau.stages + 1,
            dt_next=dt_next,
        )
        return step, work

    def interpolate(self, dense: Polynomial, t_left: Time, t_right: Time, t: Time) -> State:
        layout = Layout(dense.y0)
        weights = [w.astype(layout.real) for w in self.memory.polynomials(theta(t_left, t_right, t))]
        return layout.state(layout.vector(dense.y0) + combined(weights, dense.z))


def tableau_end(tableau: CollocationTableau, z: Float[Array, "s n"]) -> Float[Array, " n"]:
    """y1 - y0: the last stage, or a sum over stages."""
    if tableau.nodes[-1] == 1:
        return z[-1]
    return combined(tableau.end, z)


def sampled(tableau: CollocationTableau, other: CollocationTableau, z: Float[Array, "s n"]) -> Float[Array, "m n"]:
    """The polynomial with values z at the nodes of `tableau`, at those of another: the same one, if these are more."""
    if other is tableau:
        return z
    return jnp.stack([combined(tableau.polynomials(float(c)), z) for c in other.nodes])


def extrapolated(memory: CollocationTableau, nodes: Any, last: Last, h: Time) -> Float[Array, "s n"]:
    """The stages on the polynomial of the last step, less its end (Hairer & Wanner II, IV.8, eq. 8.12)."""
    end, ratio = tableau_end(memory, last.z), (h / last.h).astype(last.z.dtype)
    return jnp.stack([combined(memory.polynomials(1 + float(c) * ratio), last.z) for c in nodes]) - end


def equations(
    problem: Problem, layout: Layout, tableau: CollocationTableau, t: Time, v: Float[Array, " n"], dt: Time
) -> Residual:
    """f at the stages less M times the derivatives of the polynomial there, as a function of z, shape (s, n)."""
    field, structure = field_on_vectors(problem, layout), structure_of(problem, layout)
    times = t + dt * jnp.asarray(tableau.nodes, t.dtype)

    def residual(z):
        slopes = jnp.stack([combined(row, z) for row in tableau.inverse]) / dt
        slopes = jax.vmap(lambda x: times_mass(structure, problem, x))(slopes)
        stages = zip(times, v + z, strict=True)
        values = jnp.stack([field(*stage) for stage in stages]) if problem.notes else jax.vmap(field)(times, v + z)
        return values - slopes.astype(z.dtype)

    return residual


def differentiable(
    problem: Problem, layout: Layout, tableau: CollocationTableau, root: Float[Array, "s n"], t: Time, v, dt: Time
) -> Float[Array, "s n"]:
    """The stages, of which `root` are the values, as a function of the problem and (t, y, dt)."""
    shape = root.shape

    def flat(problem: Problem) -> Residual:
        residual = equations(problem, layout, tableau, t, v, dt)
        return lambda x: residual(x.reshape(shape)).ravel()

    solve = direct(Dense(root.size))
    if root.size > _DENSE:
        solve = _krylov(problem.frozen, layout, tableau, root, *jax.lax.stop_gradient((t, v, dt)))
    return implicit(problem, flat, root.ravel(), solve)[0].reshape(shape)


def _krylov(
    problem: Problem, layout: Layout, tableau: CollocationTableau, root: Float[Array, "s n"], t: Time, v, dt: Time
) -> LinearSolve:
    """Solves systems with the Jacobian of all stages by GMRES; the simplified Newton step is the preconditioner."""
    structure, field = structure_of(problem, layout), field_on_vectors(problem, layout)
    shape, rtol = root.shape, 100 * float(jnp.finfo(layout.real).eps)

    def solve(linear, b):
        jac = jacobian_at(problem, structure, layout, field, t + dt, v + tableau_end(tableau, root))
        factors = factors_of(structure, problem, tableau, dt, jac)

        def by(transposed):
            def precondition(x):
                return -correction(structure, tableau, factors, x.reshape(shape), transposed).ravel()

            return lambda multiply, b: gmres(multiply, b, rtol=rtol, preconditioner=precondition).x

        return jax.lax.custom_linear_solve(linear, b, by(False), by(True))

    return solve


def estimate(
    problem: Problem,
    layout: Layout,
    tableau: CollocationTableau,
    kept: Kept,
    work: Work,
    fresh: Bool[Array, ""],
    z: Float[Array, "s n"],
    t: Time,
    y: State,
    dt: Time,
) -> tuple[State, Float[Array, ""], Work]:
    """The error estimate, filtered once, and twice where a first step or one after a rejection would fail by it.

    Source: Hairer & Wanner II, IV.8, eqs. 8.19 and 8.20.
    """
    structure, field = structure_of(problem, layout), field_on_vectors(problem, layout)
    v = layout.vector(y)
    y1 = layout.state(v + tableau_end(tableau, z))
    sums = times_mass(structure, problem, combined(tableau.estimate, z)) / dt
    sums = sums.astype(v.dtype)

    def filtered(v):
        error = structure.solve(kept.factors[0][0], field(t, v) + sums)
        return error, problem.error_norm(layout.state(error), y, y1).astype(layout.real)

    error, norm = filtered(v)
    again = fresh & (norm >= 1)
    (error, norm), _ = when(again, lambda found, _, on: (filtered(v + found[0]), ()), (error, norm))
    more = {"field_evaluations": 1 + again, "linear_solves": 1 + again}
    counts = {name: n + more.get(name, 0) for name, n in work.counts.items()}
    return layout.state(error), norm, work._replace(counts=counts)


def verdicts(kept: Kept, work: Work, cache: Cache, norm: Any, t: Time, h: Time, order: int, most: int):
    """The caches after acceptance and rejection, and the next step size; `norm` is `None` for constant steps.

    After a rejection that was not for want of convergence an old Jacobian is renewed, a current one kept.
    Source: Hairer & Wanner II, IV.8, eqs. 8.21 to 8.25 (Gustafsson's predictive controller; keeping the step size).
    """
    no, yes = jnp.asarray(False), jnp.asarray(True)
    again = Cache(kept._replace(stale=yes, t=t), yes, cache.h, cache.error)
    if norm is None:
        accepted = Cache(kept._replace(current=no, t=t + h), no, h, cache.error)
        return accepted, again, None
    power = 1.0 / order
    norm = jnp.maximum(jnp.where(jnp.isfinite(norm), norm, jnp.inf), 1e-10)
    safety = 0.9 * (2 * most + 1) / (2 * most + jnp.maximum(work.iterations, 1))
    factor = jnp.clip(safety * norm**-power, 0.2, 8.0)
    known = cache.h != 0
    ratio = jnp.abs(h / jnp.where(known, cache.h, 1.0)).astype(norm.dtype)
    predicted = jnp.clip(safety * ratio * (cache.error / norm**2) ** power, 0.2, 8.0)
    factor = jnp.where(known, jnp.minimum(factor, predicted), factor)
    factor = jnp.where(cache.fresh & known, jnp.minimum(factor, 1.0), factor)  # after a rejection
    factor = jnp.where(~kept.stale & (factor >= 1) & (factor < _KEEP), 1.0, factor)
    accepted = Cache(kept._replace(current=no, t=t + h), no, h, jnp.maximum(norm, 1e-2))
    return accepted, again, h * factor.astype(h.dtype)
