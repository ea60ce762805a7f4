"""Rosenbrock-Wanner steps: implicit methods without Newton's iteration, one matrix a step."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core import trees
from ...linalg import Structure, linear_solver
from ..interpolation import theta
from ..layout import Layout
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time
from .iteration_matrix import shifted, structure_of, times_mass
from .rosenbrock_tableau import RosenbrockTableau


class Polynomial(NamedTuple):
    """Dense data of a step: its ends, and the states that correct the straight line between them."""

    y0: State
    y1: State
    k: tuple[State, ...]


class Rosenbrock(Method):
    r"""A Rosenbrock-Wanner method; subclasses give a `tableau`.

    Every stage solves one linear system with the matrix $W = M/(h\gamma) - J$, M being the mass matrix (singular ones
    too, of differential-algebraic equations of index 1) and J the Jacobian of the field at the start of the step:
    exact, and differentiated where a gradient goes through. There is no iteration that could fail to converge; none
    either that would correct the rounding of the linear systems, which is $h |\lambda|$ times that of the state: where
    components die out over many decades (`data.problems.e5`), `sj.Radau5`, `sj.Kvaerno5` or `sj.BDF` keep more digits.

    Cost a step: s - 1 evaluations of the field, one Jacobian (n directional derivatives, or the user's `jacobian=`),
    one derivative in time unless the field does not depend on it, one LU factorisation, s solves.
    """

    tableau: ClassVar[RosenbrockTableau]

    @property
    def order(self) -> int:
        return self.tableau.order

    @property
    def uses_jacobian(self) -> bool:
        return True

    @property
    def takes_mass(self) -> bool:
        return True

    @property
    def interpolation_order(self) -> int:
        return self.tableau.dense_order

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(problem.evaluate(t, y))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return MethodState(problem.evaluate(t, y))

    def init_counts(self) -> dict[str, int]:
        return {"field_evaluations": 1, "jacobians": 0, "factorisations": 0, "linear_solves": 0}

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        tableau, layout = self.tableau, Layout(y)
        v = layout.vector(y)

        def field(t: Time, v: Float[Array, " n"]) -> Float[Array, " n"]:
            return layout.vector(problem.evaluate(t, layout.state(v)))

        shift = 1 / (dt * tableau.gamma)
        structure = structure_of(problem, layout)
        solve, jac = _solver(problem, structure, layout, lambda v: field(t, v), t, y, v, shift, tableau.stages)
        slope = None
        if any(tableau.time) and not problem.autonomous:
            slope = dt * jax.jvp(lambda t: field(t, v), (t,), (jnp.ones_like(t),))[1]
        f0, us, evaluations, inner = layout.vector(state.carry), [], 0, v
        for i in range(tableau.stages):
            inner = trees.axpy(1.0, trees.combine(tableau.a[i], us), v)
            first = not any(tableau.a[i]) and tableau.nodes[i] == 0
            rhs = f0 if first else field(t + tableau.nodes[i] * dt, inner)
            evaluations += not first
            coupled = trees.combine(tableau.coupling[i], us)
            if coupled is not None:
                rhs = rhs + times_mass(structure, problem, coupled) / dt
            if slope is not None and tableau.time[i]:
                rhs = rhs + tableau.time[i] * slope
            us.append(solve(rhs))
        v1: Any = trees.axpy(1.0, trees.combine(tableau.m, us), v)
        # an infinite Jacobian makes every stage zero, and with it the estimate: the step must not pass for exact
        estimate: Any = trees.combine(tableau.error, us)
        error = estimate + 0.0 * structure.multiply(jac, jnp.ones_like(v))
        y1 = layout.state(v1)
        f1 = problem.evaluate(t + dt, y1)
        counts = {
            "field_evaluations": evaluations + 1,
            "jacobians": 1,
            "factorisations": 1,
            "linear_solves": tableau.stages,
        }
        rows: Any = [trees.combine(row, us) for row in tableau.dense]
        dense = Polynomial(y, y1, tuple(layout.state(row) for row in rows))
        return Step(y1, layout.state(error), MethodState(f1), state, dense, True, counts, tableau.error_order)

    def interpolate(self, dense, t_left: Time, t_right: Time, t: Time) -> State:
        s = theta(t_left, t_right, t)

        def leaf(y0, y1, *k):
            total = k[-1]
            for x in k[-2::-1]:
                total = x + s * total
            return (y0 + s * (y1 - y0 + (1 - s) * total)).astype(y0.dtype)

        return jax.tree.map(leaf, dense.y0, dense.y1, *dense.k)


def _solver(problem: Problem, structure: Structure, layout: Layout, field, t: Time, y: State, v, shift, stages: int):
    """A solver for W = shift M - J, and J as stored.

    Derivatives go through products with J, not through the elimination: with the matrix itself where it has fewer
    columns than there are stages to multiply it with, else by directional derivatives of the field.
    """
    given = problem.jacobian
    whole = given is not None or layout.size <= stages
    if given is not None:
        jac = structure.store(given(t, y, problem.args))
    else:
        jac = structure.jacobian(field, v if whole else jax.lax.stop_gradient(v))
    matrix = shifted(structure, problem, shift, jac)

    def multiply(x):
        jx = structure.multiply(jac, x) if whole else jax.jvp(field, (v,), (x,))[1]
        return shift * times_mass(structure, problem, x) - jx

    return linear_solver(matrix, multiply, structure=structure), jax.lax.stop_gradient(jac)
