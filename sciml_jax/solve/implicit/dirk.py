"""Diagonally implicit Runge-Kutta steps: one Newton iteration a stage, one matrix a step."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core import trees
from ..interpolation import Hermite, hermite
from ..layout import Layout
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time
from .dirk_tableau import DirkTableau
from .iteration_matrix import corrections, jacobian_at, shifted, structure_of
from .newton import COUNTS, check_iteration, solve_equations
from .parts import parts, split_of


class Dirk(Method):
    r"""A diagonally implicit Runge-Kutta method whose first stage is explicit (ESDIRK); subclasses give a `tableau`.

    Every other stage is one nonlinear system, solved by Newton's iteration with the matrix $I/(h\gamma) - J$ of the
    whole step. Of a field `sj.Split(explicit, implicit)` the additive methods treat the first part explicitly; the
    others, and additive ones with a plain field, treat the whole field implicitly.

    - `newton_tolerance`: what Newton's iteration leaves, as a fraction of the tolerance of the step.

    Cost a step: one Jacobian, one factorisation, and two to four evaluations and solves a stage.
    """

    newton_tolerance: float = 0.01

    tableau: ClassVar[DirkTableau]

    def __check_init__(self):
        check_iteration(self)

    @property
    def order(self) -> int:
        return self.tableau.order

    @property
    def uses_jacobian(self) -> bool:
        return True

    @property
    def takes_krylov(self) -> bool:
        return True

    @property
    def interpolation_order(self) -> int:
        return min(3, self.order)

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(derivatives_at(problem, self.tableau, t, y))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return self.init(problem, t, y, t)

    def init_counts(self) -> dict[str, int]:
        return dict.fromkeys(COUNTS, 0) | {"field_evaluations": 1}

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        def estimate(error: Array, damp: Damp) -> Array:
            for _ in range(self.tableau.filters):
                error = damp(error)
            return error

        return dirk_step(self.tableau, self.newton_tolerance, problem, t, y, dt, state, estimate)

    def interpolate(self, dense: Hermite, t_left: Time, t_right: Time, t: Time) -> State:
        return hermite(dense, t_left, t_right, t)


Damp = Callable[[Float[Array, " n"]], Float[Array, " n"]]


def dirk_step(
    tableau: DirkTableau,
    newton_tolerance: Any,
    problem: Problem,
    t: Time,
    y: State,
    dt: Time,
    state: MethodState,
    estimate: Callable[[Float[Array, " n"], Damp], Float[Array, " n"]],
    kicks: Sequence[Float[Array, " n"]] = (),
) -> Step:
    r"""One step; `state` holds the derivatives at its start (`derivatives_at`).

    - `estimate`: makes the error estimate from the difference of the two solutions, with a function that applies
      $(I - h\gamma J)^{-1}$.
    - `kicks`: noise that is added to the state in every stage but the first, and the last one's to the solution, of a
      stiffly accurate method.
    """
    layout = Layout(y)
    v, shift = layout.vector(y), 1 / (dt * tableau.gamma)
    correct = _corrections(tableau, problem, layout, t, y, dt)
    ks, es, ok, solves = _stages(tableau, newton_tolerance, problem, layout, t, y, dt, state, correct, kicks)
    v1 = trees.axpy(dt, trees.combine(tableau.b, ks), v)
    if kicks:
        v1 = trees.axpy(1.0, kicks[-1], v1)
    error: Any = trees.combine(tableau.error, ks)
    if es:
        v1 = trees.axpy(dt, trees.combine(tableau.explicit_b or tableau.b, es), v1)
        error = trees.axpy(1.0, trees.combine(tableau.explicit_error or tableau.error, es), error)
    error = estimate(dt * error, lambda x: correct(jax.lax.stop_gradient(x) * shift))
    y1 = layout.state(v1)
    last = None if es else tableau.solution_stage
    accepted = derivatives_at(problem, tableau, t + dt, y1) if last is None else (layout.state(ks[last]),)
    begin, end = _total(state.carry), _total(accepted)
    explicit_stages = sum(not tableau.implicit(i) for i in range(1, tableau.stages))
    counts = {
        "field_evaluations": solves + (explicit_stages + (last is None)),
        "jacobians": 1,
        "factorisations": 1,
        "linear_solves": solves + tableau.filters,
        "newton_failures": (~ok).astype(jnp.int32),
    }
    return Step(
        y=y1,
        error=layout.state(error),
        accepted=MethodState(accepted),
        rejected=state,
        dense=Hermite(y, y1, begin, end),
        ok=ok,
        counts=counts,
        order=tableau.error_order,
    )


def _corrections(tableau: DirkTableau, problem: Problem, layout: Layout, t: Time, y: State, dt: Time) -> Damp:
    r"""Solves with the matrix of the step, $I / (h\gamma) - J$, a constant to derivatives."""
    v, structure = layout.vector(y), structure_of(problem, layout)
    shift = 1 / (dt * tableau.gamma)
    still_problem = problem.frozen
    jac = jacobian_at(still_problem, structure, layout, parts(still_problem, layout, tableau.additive)[1], t, v)
    factors = structure.factorize(shifted(structure, problem, shift, jac))
    still = jax.lax.stop_gradient((t, v, dt, shift))

    def equation(k: Array) -> Array:  # of a stage at the start of the step: its derivative is that of all stages
        _, implicit = parts(still_problem, layout, tableau.additive)
        return (implicit(still[0], still[1] + still[2] * tableau.gamma * k) - k) * still[3]

    return corrections(structure, factors, equation, jnp.zeros_like(v), (t, y, shift))


def _stages(tableau, newton_tolerance, problem, layout, t, y, dt, state, correct, kicks):
    """The derivatives in all stages, implicit and explicit (none where there is no explicit part), whether all
    equations were solved, and by how many corrections."""
    v, structure, shift = layout.vector(y), structure_of(problem, layout), 1 / (dt * tableau.gamma)
    explicit, implicit = parts(problem, layout, tableau.additive)
    ks = [layout.vector(state.carry[0])]
    es = [layout.vector(state.carry[1])] if explicit else []
    ok, solves, rate = jnp.asarray(True), jnp.int32(0), jnp.ones((), layout.real)

    def measure(k):
        return problem.error_norm(layout.state(dt * tableau.gamma * k), y, y)

    rounding = 10 * jnp.finfo(layout.real).eps * shift
    nodes = [float(c) for c in tableau.nodes]
    for i in range(1, tableau.stages):
        t_i = t + nodes[i] * dt
        known: Any = trees.axpy(dt, trees.combine(tableau.a[i][:i], ks), v)
        if kicks:
            known = trees.axpy(1.0, kicks[i - 1], known)
        if explicit:
            known = trees.axpy(dt, trees.combine(tableau.explicit_a[i], es), known)
        if tableau.implicit(i):

            def equations(problem, t_i=t_i, known=known):
                _, field = parts(problem, layout, tableau.additive)
                # in units in which the derivative is the iteration matrix, but for its sign
                return lambda slope: (field(t_i, known + dt * tableau.gamma * slope) - slope) * shift

            guess: Any = trees.combine(tableau.guess(i), ks)
            tolerance = jnp.maximum(newton_tolerance, measure(rounding * known)).astype(layout.real)
            k, newton = solve_equations(problem, equations, guess, correct, measure, structure, tolerance, rate)
            rate, solves, ok = newton.rate, solves + newton.iterations, ok & newton.ok
            known = known + dt * tableau.gamma * k
        else:
            k = implicit(t_i, known)
        ks.append(k)
        if explicit:
            es.append(explicit(t_i, known))
    return ks, es, ok, solves


def derivatives_at(problem: Problem, tableau: DirkTableau, t: Time, y: State) -> tuple[State, ...]:
    """dy/dt at the start of a step: of the whole field, or of its implicit and explicit parts."""
    split = split_of(problem) if tableau.additive else None
    if split is not None:
        return problem.part(split.implicit)(t, y), problem.part(split.explicit)(t, y)
    return (problem.evaluate(t, y),)


def _total(parts: tuple[State, ...]) -> State:
    return parts[0] if len(parts) == 1 else jax.tree.map(jnp.add, *parts)
