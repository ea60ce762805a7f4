"""Initial states of differential-algebraic equations: whether they satisfy the algebraic ones, or which ones do."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .problem import Problem, Time

LARGEST = 512  # unknowns up to which the null space of a mass matrix is computed
_ITERATIONS = 50
RANK = 1e-10  # singular values of a mass matrix below this fraction of the largest are zero
_SINGULAR = 1e-13  # those of the algebraic equations' Jacobian, as a fraction of the field's


class Start(NamedTuple):
    """An initial state, whether it is consistent, and the largest residual of an algebraic equation in it."""

    y: Float[Array, " n"]
    ok: Bool[Array, ""]
    residual: Float[Array, ""]


def start(problem: Problem, mass: Float[Array, "n n"], t: Time, y: Float[Array, " n"], find: bool) -> Start:
    r"""The state to start $M \dot y = f$ from: y itself, or with `find` the one that its algebraic variables miss.

    The algebraic equations are $Q f = 0$ with $Q = I - M M^+$, and what may be moved are the directions
    $P = I - M^+ M$ in which M does not feel y: Newton's iteration $y \leftarrow y - P (Q J P)^+ Q f$. A state is
    consistent when this correction is within the tolerance, and leaves nothing behind (else the index is above one).

    Cost: one singular value decomposition and one Jacobian; with `find` one of both an iteration.
    """
    u, sizes, v = jnp.linalg.svd(mass)
    null = (sizes <= RANK * sizes[0]).astype(y.dtype)
    equations, moved = (u * null) @ u.T, (v.T * null) @ v

    def correction(y, problem: Problem = problem):
        f = equations @ problem.evaluate(t, y)
        jac = jax.lax.stop_gradient(jax.jacfwd(lambda y: problem.evaluate(t, y))(y))
        algebraic = equations @ jac @ moved
        left, values, right = jnp.linalg.svd(algebraic)
        used = values > _SINGULAR * jnp.max(jnp.abs(jac))
        delta = -right.T @ (jnp.where(used, 1 / jnp.where(used, values, 1.0), 0.0) * (left.T @ f))
        return f, delta, f + algebraic @ delta

    def judge(y):
        f, delta, rest = correction(y)
        largest = jnp.max(jnp.abs(f))
        ok = (problem.error_norm(delta, y, y) <= 1) & (jnp.max(jnp.abs(rest)) <= 1e-3 * largest)
        return delta, ok | (largest == 0), largest

    if find:
        still = problem.frozen

        def active(state):
            _, done, k = state
            return ~done & (k < _ITERATIONS)

        def iterate(state):
            y, _, k = state
            delta = correction(y, still)[1]
            # a hundredth of the tolerance, or nothing left to gain
            return y + delta, problem.error_norm(delta, y, y) <= 0.01, k + 1

        found = jax.lax.while_loop(active, iterate, (jax.lax.stop_gradient(y), jnp.asarray(False), 0))[0]
        # one more correction carries the derivative: of the differential variables and of the field's parameters
        y = y - moved @ (y - found)
        y = y + correction(y)[1]
    _, ok, largest = judge(jax.lax.stop_gradient(y))
    return Start(y, ok, largest)


class ImplicitStart(NamedTuple):
    """An initial state and its derivative, whether they are consistent, and the largest residual in them."""

    y: Float[Array, " n"]
    slope: Float[Array, " n"]
    ok: Bool[Array, ""]
    residual: Float[Array, ""]


def start_implicit(problem: Problem, t: Time, t1: Time, y: Array, slope: Array, find: bool) -> ImplicitStart:
    r"""The state and derivative to start $F(t, y, \dot y) = 0$ from: the given ones, or with `find` the nearest ones.

    What may be moved are the derivative, and y in the directions that $\partial F/\partial \dot y$ does not feel; each
    Newton step is the least such change. A start is consistent when it is within the tolerance, that of the derivative
    over a thousandth of the span, and leaves nothing behind (else the index is above one).

    Cost: two singular value decompositions and two Jacobians an iteration.
    """
    n = y.shape[0]

    def correction(y, slope, problem: Problem):
        f = problem.field.residual(t, y, slope, problem.args)  # type: ignore[attr-defined]
        of = jax.lax.stop_gradient((y, slope))
        residual = problem.frozen.field.residual  # type: ignore[attr-defined]
        args = problem.frozen.args
        mass = jax.jacfwd(lambda dy: residual(t, of[0], dy, args))(of[1])
        jac = jax.jacfwd(lambda y: residual(t, y, of[1], args))(of[0])
        _, sizes, v = jnp.linalg.svd(mass)
        null = (sizes <= RANK * sizes[0]).astype(y.dtype)
        both = jnp.concatenate([mass, jac @ (v.T * null) @ v], axis=1)
        change = -jnp.linalg.pinv(both, rtol=_SINGULAR) @ f
        return f, change[n:], change[:n], f + both @ change

    def size(dy, dslope, y):
        moved = problem.error_norm(dy, y, y)
        return jnp.maximum(moved, problem.error_norm(1e-3 * (t1 - t) * dslope, y, y))

    if find:
        still = problem.frozen

        def active(state):
            _, _, done, k = state
            return ~done & (k < _ITERATIONS)

        def iterate(state):
            y, slope, _, k = state
            _, dy, dslope, _ = correction(y, slope, still)
            return y + dy, slope + dslope, size(dy, dslope, y) <= 1e-4, k + 1

        begin = (*jax.lax.stop_gradient((y, slope)), jnp.asarray(False), 0)
        found_y, found_slope, _, _ = jax.lax.while_loop(active, iterate, begin)
        # one more correction carries the derivative
        y = y + jax.lax.stop_gradient(found_y - y)
        slope = slope + jax.lax.stop_gradient(found_slope - slope)
        _, dy, dslope, _ = correction(y, slope, problem)
        y, slope = y + dy, slope + dslope
    f, dy, dslope, rest = correction(*jax.lax.stop_gradient((y, slope)), problem.frozen)
    largest = jnp.max(jnp.abs(f))
    ok = (size(dy, dslope, y) <= 1) & (jnp.max(jnp.abs(rest)) <= 1e-3 * largest)
    return ImplicitStart(y, slope, ok | (largest == 0), largest)
