"""Newton's iteration with a Jacobian and factors that are kept from step to step, and renewed where it slows down."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ...core import when, while_loop
from ...linalg import MatrixFree
from ..layout import Layout
from ..problem import Problem, State, Time
from .iteration_matrix import corrections, linearized, shifted, structure_of
from .newton import COUNTS, Residual, iterate

_STALE = 50  # steps after which a Jacobian is renewed in any case
_DRIFT = 0.25  # relative change of the shift that factors are kept through
_ITERATIONS = 4


class Matrices(NamedTuple):
    """Jacobian and factors, the shift they are for, the Jacobian's age in steps, the last rate of convergence, and how
    many attempts at the step have been rejected."""

    jac: Any
    factors: Any
    shift: Time
    age: Int[Array, ""]
    rate: Float[Array, ""]
    failures: Int[Array, ""]


class Work(NamedTuple):
    """Whether an iteration converged, its iterations, and what it has cost."""

    ok: Bool[Array, ""]
    iterations: Int[Array, ""]
    counts: dict[str, Int[Array, ""]]


class _Attempt(NamedTuple):
    matrices: Matrices
    renew: Bool[Array, ""]  # the Jacobian
    refactor: Bool[Array, ""]
    root: Float[Array, " n"]
    ok: Bool[Array, ""]
    done: Bool[Array, ""]
    iterations: Int[Array, ""]
    counts: dict[str, Int[Array, ""]]


def first_matrices(problem: Problem, t: Time, y: State, shift: Time) -> Matrices:
    """The matrices at the start of a solve. Cost: one Jacobian and one factorisation."""
    problem, layout = problem.frozen, Layout(y)
    structure = structure_of(problem, layout)
    t, v, shift = jax.lax.stop_gradient((t, layout.vector(y), shift))
    slope = layout.vector(problem.derivative(t, y))
    jac = linearized(problem, structure, layout, t, v, jax.lax.stop_gradient(slope))
    factors = structure.factorize(shifted(structure, problem, shift, jac))
    return Matrices(
        jac, factors, jnp.asarray(shift, layout.real), jnp.int32(1), jnp.ones((), layout.real), jnp.int32(0)
    )


def solve_with(
    matrices: Matrices,
    problem: Problem,
    layout: Layout,
    residual: Residual,
    t: Time,
    guess: Float[Array, " n"],
    slope: Float[Array, " n"],
    shift: Time,
    tolerance: float,
) -> tuple[Float[Array, " n"], Matrices, Work]:
    r"""The root d of `residual` near zero, by Newton steps with the matrix $\sigma M - J$ for a shift $\sigma$.

    The matrix at hand is used as long as its shift is within a quarter (its corrections are scaled then), and its
    Jacobian until an iteration fails with it: that one is repeated with a Jacobian at (t, guess, slope). After a
    rejected attempt factors are renewed, after two the Jacobian. Everything is a constant to derivatives.

    Source: P. N. Brown, G. D. Byrne & A. C. Hindmarsh, VODE, SIAM J. Sci. Stat. Comput. 10 (1989), section 2.
    """
    structure, y = structure_of(problem, layout), layout.state(guess)

    def measure(d: Array) -> Array:
        return problem.error_norm(layout.state(d), y, y)

    limit = jnp.maximum(tolerance, measure(10 * jnp.finfo(layout.real).eps * guess)).astype(layout.real)

    def new_jacobian(kept: Matrices, _, on):
        jac = linearized(problem, structure, layout, t, guess, slope)
        return kept._replace(jac=jac, age=jnp.int32(0)), ()

    def new_factors(kept: Matrices, _, on):
        factors = structure.factorize(shifted(structure, problem, shift, kept.jac))
        one = jnp.ones((), layout.real)  # nothing is known of how these converge
        return kept._replace(factors=factors, shift=jnp.asarray(shift, layout.real), rate=one), ()

    def attempt(a: _Attempt, _, on):
        kept, _ = when(a.renew, new_jacobian, a.matrices)
        kept, _ = when(a.refactor, new_factors, kept)
        # the correction that is right for stiff components
        scale = 1.0 if isinstance(structure, MatrixFree) else 2 / (1 + shift / kept.shift)
        correct = corrections(structure, kept.factors, residual, jnp.zeros_like(guess), (t, y, shift))
        d, newton = iterate(
            residual,
            jnp.zeros_like(guess),
            lambda r: scale * correct(r),
            measure,
            limit,
            kept.rate,
            _ITERATIONS,
        )
        counts = {
            "field_evaluations": newton.iterations,
            "jacobians": a.renew,
            "factorisations": a.refactor,
            "linear_solves": newton.iterations,
            "newton_failures": ~newton.ok,
        }
        yes = jnp.asarray(True)
        return _Attempt(
            matrices=kept._replace(rate=newton.rate),
            renew=yes,
            refactor=yes,
            root=d,
            ok=newton.ok,
            done=newton.ok | a.renew,
            iterations=newton.iterations,
            counts={name: a.counts[name] + n for name, n in counts.items()},
        ), ()

    no, zero = jnp.asarray(False), jnp.int32(0)
    stale = (matrices.age >= _STALE) | (matrices.failures > 1)
    drifted = (jnp.abs(shift / matrices.shift - 1) > _DRIFT) | (matrices.failures > 0)
    first = _Attempt(matrices, stale, stale | drifted, jnp.zeros_like(guess), no, no, zero, dict.fromkeys(COUNTS, zero))
    last, _ = while_loop(lambda a: ~a.done, attempt, first, ())
    after = last.matrices._replace(age=last.matrices.age + 1)
    return last.root, after, Work(last.ok, last.iterations, last.counts)
