"""The matrices of implicit steps: Jacobians of the field, mass matrices, and their combinations."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...linalg import Dense, MatrixFree, Structure
from ..fully_implicit import FullyImplicit
from ..layout import Layout
from ..problem import Problem, Time


def structure_of(problem: Problem, layout: Layout) -> Structure:
    """What is known of the zeros of the Jacobian."""
    return problem.structure if problem.structure is not None else Dense(layout.size)


def jacobian_at(
    problem: Problem, structure: Structure, layout: Layout, field: Callable, t: Time, v: Float[Array, " n"]
) -> Any:
    """The Jacobian of `field(t, v)` in v, stored by its structure, as a constant: the user's, or by forward mode."""
    if problem.jacobian is not None:
        stored = structure.store(problem.jacobian(t, layout.state(v), problem.args))
    else:
        stored = structure.jacobian(lambda v: field(t, v), jax.lax.stop_gradient(v))
    return jax.lax.stop_gradient(stored)


def field_on_vectors(problem: Problem, layout: Layout) -> Callable[[Time, Array], Float[Array, " n"]]:
    """The field as a function of (t, vector)."""
    return lambda t, v: layout.vector(problem.evaluate(t, layout.state(v)))


class Linearized(NamedTuple):
    """Of a fully implicit equation: the stored derivatives dF/d(dy/dt), and -dF/dy."""

    mass: Any
    jac: Any


def defect(
    problem: Problem, structure: Structure, layout: Layout, t: Time, v: Float[Array, " n"], slope: Float[Array, " n"]
) -> Float[Array, " n"]:
    """f(t, y) - M dy/dt, or -F(t, y, dy/dt): zero in a solution."""
    if isinstance(problem.field, FullyImplicit):
        return -problem.field.residual(t, v, slope, problem.args)
    return field_on_vectors(problem, layout)(t, v) - times_mass(structure, problem, slope)


def linearized(
    problem: Problem, structure: Structure, layout: Layout, t: Time, v: Float[Array, " n"], slope: Float[Array, " n"]
) -> Any:
    """The derivatives of the defect, as constants: the Jacobian, or both derivatives of a fully implicit equation."""
    field = problem.field
    if not isinstance(field, FullyImplicit):
        return jacobian_at(problem, structure, layout, field_on_vectors(problem, layout), t, v)
    v, slope = jax.lax.stop_gradient((v, slope))
    mass = structure.jacobian(lambda dy: field.residual(t, v, dy, problem.args), slope)
    jac = structure.jacobian(lambda y: -field.residual(t, y, slope, problem.args), v)
    return jax.lax.stop_gradient(Linearized(mass, jac))


def shifted(structure: Structure, problem: Problem, shift: Any, jac: Any) -> Any:
    """The stored matrix shift M - J, real or complex like the shift; M is the mass matrix or the identity."""
    mass = problem.mass
    if isinstance(jac, Linearized):
        mass, jac = jac
    if mass is None:
        mass = structure.diagonal(jnp.ones(structure.n, jax.tree.leaves(jac)[0].dtype))
    return jax.tree.map(lambda m, j: shift * m - j, mass, jac)


def times_mass(structure: Structure, problem: Problem, x: Float[Array, " n"]) -> Float[Array, " n"]:
    """M x."""
    return x if problem.mass is None else structure.multiply(problem.mass, x)


def corrections(
    structure: Structure, factors: Any, residual: Callable[[Array], Array], x: Float[Array, " n"], place: tuple
) -> Callable[[Array], Array]:
    """Newton's corrections b -> A^-1 b with A = -d residual / dx, a constant to derivatives: from the factors of A, or
    where there are none from products at x. `place`, (t, y, shift), is what the user's preconditioner gets."""
    if not isinstance(structure, MatrixFree):
        return partial(structure.solve, factors)
    push = jax.linearize(residual, jax.lax.stop_gradient(x))[1]
    given = structure.preconditioner
    return structure.solver(factors, lambda v: -push(v), preconditioner=given and given(*place))
