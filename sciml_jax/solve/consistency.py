"""Initial states of differential-algebraic equations: whether they satisfy the algebraic ones, or which ones do."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .problem import Problem, Time

LARGEST = 512  # unknowns up to which the null space of a mass matrix is computed
_ITERATIONS = 50
_RANK = 1e-10  # singular values of a mass matrix below this fraction of the largest are zero
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
    null = (sizes <= _RANK * sizes[0]).astype(y.dtype)
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
