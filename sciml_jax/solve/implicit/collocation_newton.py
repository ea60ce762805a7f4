"""Newton's iteration for all stages of a collocation method at once, with a Jacobian and factors that are kept."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ...core import when, while_loop
from ...linalg import Structure
from ..layout import Layout
from ..problem import Problem, Time
from .collocation_tableau import CollocationTableau
from .iteration_matrix import field_on_vectors, jacobian_at, shifted, structure_of
from .newton import COUNTS, Residual

_FAST = 1e-3  # rate of convergence below which a Jacobian is kept
_SAME = 1e-4  # relative change of the step size that factors are kept through; their rate suffers as much


class Kept(NamedTuple):
    """What is kept from step to step.

    - `jac`: a Jacobian, `current` where it belongs to this step's start, `stale` where it must be renewed.
      `t`: where the next step should start; a replay of single steps starts elsewhere, and needs its own Jacobian.
    - `factors` of $(\\lambda_k / h) M - J$, a tuple by k, for step size `h`.
    - `eta`: the expected error of an iterate in units of its last correction.
    """

    jac: Any
    current: Bool[Array, ""]
    stale: Bool[Array, ""]
    t: Time
    factors: tuple
    h: Time
    eta: Float[Array, ""]


class Work(NamedTuple):
    """Whether an iteration converged, its iterations and rate, and what it has cost."""

    ok: Bool[Array, ""]
    iterations: Int[Array, ""]
    rate: Float[Array, ""]
    counts: dict[str, Int[Array, ""]]


class _Attempt(NamedTuple):
    kept: Kept
    root: Float[Array, "s n"]
    ok: Bool[Array, ""]
    done: Bool[Array, ""]
    iterations: Int[Array, ""]
    rate: Float[Array, ""]
    counts: dict[str, Int[Array, ""]]


def nothing_kept(problem: Problem, layout: Layout, tableau: CollocationTableau, t: Time, dt: Time) -> Kept:
    """The matrices before the first step: zeros, to be renewed."""
    structure = structure_of(problem, layout)
    zeros = structure.diagonal(jnp.zeros(layout.size, layout.real))

    def factors():
        return factors_of(structure, problem, tableau, jax.lax.stop_gradient(dt), zeros)

    blank = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(factors))
    no, yes = jnp.asarray(False), jnp.asarray(True)
    one = jnp.ones((), layout.real)
    return Kept(zeros, no, yes, jax.lax.stop_gradient(t), blank, jnp.zeros_like(t), one)


def factors_of(structure: Structure, problem: Problem, tableau: CollocationTableau, dt: Time, jac: Any) -> tuple:
    r"""The factors of $(\lambda_k / h) M - J$: of the real eigenvalue, and of the complex ones, all together."""

    def factorize(value):
        return structure.factorize(shifted(structure, problem, value / dt, jac))

    real, pairs = tableau.decoupled.split
    # one program for several systems: unrolled eliminations are long
    pairs = [complex(value) for value in pairs.eigenvalues]
    together = factorize(pairs[0]) if len(pairs) == 1 else jax.vmap(factorize)(_complex(pairs, dt.dtype))
    return tuple(factorize(float(np.real(value))) for value in real.eigenvalues), together


def correction(
    structure: Structure, tableau: CollocationTableau, factors: tuple, r: Float[Array, "s n"], transposed: bool = False
) -> Float[Array, "s n"]:
    r"""$(h^{-1} A^{-1} \otimes M - I \otimes J)^{-1} r$ from the factors of $(\lambda_k / h) M - J$, or transposed.

    Source: Hairer & Wanner II, IV.8, eq. 8.5; the eigenvectors are taken as they are, complex.
    """
    solve = structure.solve_transposed if transposed else structure.solve
    real, pairs = tableau.decoupled.split
    (left, right), kept = (pairs.left, pairs.right)[:: -1 if transposed else 1], factors[1]
    sums = [(combined(np.real(row), r), combined(np.imag(row), r)) for row in left]
    if len(sums) == 1:
        ws = [solve(kept, jax.lax.complex(*sums[0]))]
    else:
        ws = list(jax.vmap(solve)(kept, jnp.stack([jax.lax.complex(*pair) for pair in sums])))
    parts = [part for w in ws for part in (w.real, -w.imag)]
    columns = [part for column in right for part in (np.real(column), np.imag(column))]
    if factors[0]:
        (inward,), (outward,) = (np.real(real.left), np.real(real.right))[:: -1 if transposed else 1]
        parts, columns = [*parts, solve(factors[0][0], combined(inward, r))], [*columns, outward]
    return jnp.stack([combined(row, parts) for row in np.stack(columns, -1)])


def combined(weights: Any, rows: Any) -> Array:
    """The sum of rows by weights, in the dtype of the rows where the weights are known while tracing."""
    known = [w if isinstance(w, jax.Array) else float(w) for w in weights]
    total = known[0] * rows[0]
    for i in range(1, len(known)):
        total = total + known[i] * rows[i]
    return total


def _complex(values: list[complex], dtype) -> Array:
    """Numbers in the complex dtype that belongs to a real one."""
    return jnp.asarray(values, jnp.result_type(dtype, jnp.complex64))


def _iterate(
    residual: Callable[[Array], Array],
    guess: Float[Array, "s n"],
    correct: Callable[[Array], Array],
    measure: Callable[[Array], Array],
    limit: Callable[[Array], Array],
    eta: Float[Array, ""],
    most: int,
):
    """Simplified Newton steps as in Hairer & Wanner II, IV.8, eqs. 8.10 and 8.11: (root, ok, iterations, rate, eta);
    `limit(z)` is what may be left; the rate is 0 where one iteration was enough."""
    tiny, eps = jnp.finfo(eta.dtype).tiny, jnp.finfo(eta.dtype).eps

    def once(state):
        z, size, ratio, eta, _, _, _, k = state
        delta = correct(residual(z))
        new = measure(delta).astype(eta.dtype)
        tolerance = limit(z)
        quotient = new / jnp.maximum(size, tiny)
        rate = jnp.where(k > 1, jnp.sqrt(quotient * ratio), jnp.where(k > 0, quotient, 0.0))
        eta = jnp.where(k > 0, jnp.maximum(rate / jnp.maximum(1 - rate, eps), eps), eta)
        done = (rate < 1) & (eta * new <= tolerance) | (new == 0)
        # what the correction will have shrunk to when the iterations are used up
        hopeless = (k > 1) & (eta * new * rate ** (most - 1 - k) > tolerance)
        failed = ~jnp.isfinite(new) | (quotient > 2) & (k > 0) | hopeless | (k >= most - 1)
        return z + delta, new, quotient, eta, rate, done, failed & ~done, k + 1

    zero, no = jnp.zeros((), eta.dtype), jnp.asarray(False)
    start = (guess, zero, zero, eta, zero, no, no, jnp.int32(0))
    z, _, _, eta, rate, done, _, k = jax.lax.while_loop(lambda state: ~(state[5] | state[6]), once, start)
    return z, done, k, rate, eta


def solve_stages(
    kept: Kept,
    problem: Problem,
    layout: Layout,
    tableau: CollocationTableau,
    residual: Residual,
    start: tuple[Time, Float[Array, " n"], Time],
    guess: Float[Array, "s n"],
    tolerance: float,
    most: int,
) -> tuple[Float[Array, "s n"], Kept, Work]:
    """The roots z of `residual`, of all stages, from a guess; `start` is (t, y, dt) of the step.

    A Jacobian is kept while the iteration converges at a rate below 1e-3, factors while the step size stays. An
    iteration that fails with an old Jacobian is repeated with one at (t, y). Everything is a constant to derivatives.

    Source: Hairer & Wanner II, IV.8.
    """
    structure, (t, v, dt) = structure_of(problem, layout), start
    y = layout.state(v)

    def measure(d: Array) -> Array:
        squares = jax.vmap(lambda row: problem.error_norm(layout.state(row), y, y) ** 2)(d)
        return jnp.sqrt(jnp.mean(squares))

    def limit(z: Array) -> Array:
        return jnp.maximum(tolerance, measure(10 * jnp.finfo(layout.real).eps * (jnp.abs(v) + jnp.abs(z))))

    count = len(tableau.decoupled.eigenvalues)

    def new_jacobian(kept: Kept, _, on):
        jac = jacobian_at(problem, structure, layout, field_on_vectors(problem, layout), t, v)
        yes = jnp.asarray(True)
        return kept._replace(jac=jac, current=yes), ()

    def new_factors(kept: Kept, _, on):
        factors = factors_of(structure, problem, tableau, dt, kept.jac)
        # the rate that was met with other factors is worth something still
        eta = jnp.maximum(kept.eta, 0.03)
        return kept._replace(factors=factors, h=dt, eta=eta), ()

    def attempt(a: _Attempt, _, on):
        kept = a.kept
        # what is asked of the cache, then of a second attempt
        renew = kept.stale & ~kept.current
        drifted = ~(jnp.abs(dt - kept.h) <= _SAME * jnp.abs(dt))
        kept, _ = when(renew, new_jacobian, kept)
        kept, _ = when(renew | drifted, new_factors, kept)
        correct = lambda r: correction(structure, tableau, kept.factors, r)  # noqa: E731
        eta = jnp.maximum(kept.eta, jnp.finfo(layout.real).eps) ** 0.8
        z, ok, iterations, rate, eta = _iterate(residual, guess, correct, measure, limit, eta, most)
        counts = {
            "field_evaluations": tableau.stages * iterations,
            "jacobians": renew,
            "factorisations": count * (renew | drifted),
            "linear_solves": count * iterations,
            "newton_failures": ~ok,
        }
        kept = kept._replace(eta=jnp.where(ok, eta, 1.0), stale=~ok | (rate > _FAST))
        counts = {name: a.counts[name] + n for name, n in counts.items()}
        return _Attempt(kept, z, ok, ok | kept.current, iterations, rate, counts), ()

    no, zero = jnp.asarray(False), jnp.int32(0)
    elsewhere = jnp.abs(kept.t - t) > 8 * jnp.finfo(t.dtype).eps * (jnp.abs(t) + jnp.abs(dt))
    kept = kept._replace(stale=kept.stale | elsewhere, current=kept.current & ~elsewhere)
    first = _Attempt(kept, guess, no, no, zero, jnp.zeros((), layout.real), dict.fromkeys(COUNTS, zero))
    last, _ = while_loop(lambda a: ~a.done, attempt, first, ())
    return last.root, last.kept, Work(last.ok, last.iterations, last.rate, last.counts)
