"""Newton's iteration for the equations of one stage or step, with derivatives by the implicit function theorem."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.core
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ...core import close, own_jvp
from ...linalg import Structure, linear_solver
from ..problem import Problem

_DERIVATIVES = 2  # how many may be taken of a root whose equations note what they read
# the work of implicit steps, by name
COUNTS = ("field_evaluations", "jacobians", "factorisations", "linear_solves", "newton_failures")


def check_iteration(method: Any) -> None:
    """Raises `ValueError` where a method's `newton_tolerance` or `max_iterations` makes no sense."""
    name, tolerance = type(method).__name__, method.newton_tolerance
    if not isinstance(tolerance, jax.core.Tracer) and not 0 < float(tolerance) <= 1:
        raise ValueError(
            f"newton_tolerance of sj.{name} is a fraction of the tolerance, above 0 and at most 1; got {tolerance!r}"
        )
    iterations = getattr(method, "max_iterations", 2)
    if not isinstance(iterations, int) or iterations < 2:
        raise ValueError(f"max_iterations of sj.{name} is an int, 2 or more; got {iterations!r}")


class Converged(NamedTuple):
    """How an iteration went: whether it converged, how many corrections it took, and its rate."""

    ok: Bool[Array, ""]
    iterations: Int[Array, ""]
    rate: Float[Array, ""]


Residual = Callable[[Array], Array]
Equations = Callable[[Problem], Residual]
LinearSolve = Callable[[Residual, Array], Array]


def most_iterations(problem: Problem) -> int:
    """After which a step is better repeated with a smaller size, where it can be."""
    return 50 if problem.constant_steps else 10


def iterate(
    residual: Residual,
    guess: Float[Array, " n"],
    correct: Callable[[Array], Array],
    measure: Callable[[Array], Array],
    tolerance: Float[Array, ""],
    rate: Float[Array, ""],
    most: int,
) -> tuple[Float[Array, " n"], Converged]:
    r"""Simplified Newton steps $x \leftarrow x + \mathrm{correct}(r(x))$ from a guess.

    Stops when the next correction is expected below `tolerance` in the norm `measure`, judged by the rate of
    convergence so far (`rate` to begin with; 1 when nothing is known); gives up when a correction is twice the
    two before it, when `most` of them would not be enough, or when they are not finite.

    Cost: one residual and one `correct` an iteration.
    Source: Hairer & Wanner II, IV.8, eqs. 8.10 and 8.11; the rate as in Cohen & Hindmarsh, CVODE (1996), section 2.1.
    """

    def active(state):
        _, _, _, _, done, failed, _ = state
        return ~(done | failed)

    def once(state):
        x, older, size, rate, _, _, k = state
        delta = correct(residual(x))
        new = measure(delta).astype(rate.dtype)
        ratio = jnp.where(k > 0, new / jnp.maximum(size, jnp.finfo(rate.dtype).tiny), 0.0)
        rate = jnp.where(k > 0, jnp.maximum(0.3 * rate, ratio), rate)
        # what earlier steps have shown is trusted to one digit only
        done = new * jnp.clip(rate, jnp.where(k > 0, 0.0, 0.1), 1.0) <= tolerance
        remaining = most - 1 - k
        # judged by two corrections: a single one may be small by chance
        grows = (k > 1) & (new > 2 * jnp.maximum(size, older))
        mean = jnp.sqrt(new / jnp.maximum(older, jnp.finfo(rate.dtype).tiny))
        # what the correction will have shrunk to when the iterations are used up
        hopeless = (k > 1) & (mean < 1) & (new * mean**remaining > tolerance * (1 - mean))
        failed = ~jnp.isfinite(new) | grows | hopeless | (remaining <= 0)
        return x + delta, size, new, rate, done, failed & ~done, k + 1

    zero = jnp.zeros((), rate.dtype)
    start = (guess, zero, zero, rate, jnp.asarray(False), jnp.asarray(False), jnp.int32(0))
    x, _, _, final, done, _, k = jax.lax.while_loop(active, once, start)
    return x, Converged(done, k, final)


def implicit(
    problem: Problem,
    equations: Equations,
    guess: Array,
    linear_solve: LinearSolve,
    solve: Callable[[Residual, Array], tuple[Array, Any]] = lambda _, root: (root, ()),
) -> tuple[Array, Any]:
    """A root of `equations(problem)` as a function of what these have closed over, and what `solve` says beside it
    (floats).

    `solve(residual, guess)` finds the root by any means; by default the guess is one already. A derivative solves one
    linear system, by `linear_solve`, with the Jacobian of the residual at the root and never goes through `solve`.

    Cost of a derivative: one Jacobian, one factorisation and one solve.
    """
    guess = jax.lax.stop_gradient(guess)
    if problem.notes:
        return _noted(problem, equations, guess, linear_solve, solve)
    residual = close(equations(problem), guess)
    # traced now, as what `linear_solve` has closed over may have ended when a derivative is taken
    corrected = close(lambda root, b: linear_solve(jax.linearize(residual, root)[1], b), guess, guess)

    def root_of(captured, _, guess):
        return solve(residual.holding(captured), guess)

    def jvp(again, primals, tangents):
        (captured, matrix, guess), (d_captured, _, _) = primals, tangents
        root, rest = again(captured, matrix, guess)
        moved = jax.jvp(lambda captured: residual.holding(captured)(root), (captured,), (d_captured,))[1]
        return (root, rest), (corrected.holding(matrix)(root, -moved), jax.tree.map(jnp.zeros_like, rest))

    return own_jvp(root_of, jvp, residual.captured, corrected.captured, guess)


def _noted(
    problem: Problem, equations: Equations, guess: Array, linear_solve: LinearSolve, solve: Callable
) -> tuple[Array, Any]:
    r"""The same, where the field notes what it reads, and `custom_root` would trace it apart: with J a constant,

    $$x = x_0 - J^{-1} \big(r(x_0, p) - r_0\big), \qquad r_0 = r(x_0, p) \text{ as a constant},$$

    is the root $x_0$, with its first derivatives by p; done once more from there also with the second ones.
    """

    def still(function: Callable) -> Callable:
        converted, values = jax.closure_convert(function, guess)
        return lambda x: converted(x, *jax.lax.stop_gradient(values))

    residual, still_residual = equations(problem), still(equations(problem.frozen))
    root, rest = jax.lax.stop_gradient(still(lambda x: solve(still_residual, x))(guess))
    linear = jax.linearize(still_residual, root)[1]
    for _ in range(_DERIVATIVES):
        r = residual(root)
        root = root - linear_solve(linear, r - jax.lax.stop_gradient(r))
    return root, rest


def direct(structure: Structure) -> LinearSolve:
    """Solves linear systems by the factors of their matrix, or as `structure` has it."""

    def solve(linear, b):
        stored = structure.jacobian(linear, jnp.zeros_like(b))
        return linear_solver(stored, linear, structure=structure)(b)

    return solve


def solve_equations(
    problem: Problem,
    equations: Equations,
    guess: Float[Array, " n"],
    correct: Callable[[Array], Array],
    measure: Callable[[Array], Array],
    structure: Structure,
    tolerance: Float[Array, ""],
    rate: Float[Array, ""],
) -> tuple[Float[Array, " n"], Converged]:
    """The root of `equations(problem)` near `guess` by `iterate`, as a function of what these have closed over."""
    tolerance, rate = jax.lax.stop_gradient((tolerance, rate))

    def solve(residual, x):
        x, newton = iterate(residual, x, correct, measure, tolerance, rate, most_iterations(problem))
        return x, [newton.ok.astype(rate.dtype), newton.iterations.astype(rate.dtype), newton.rate]

    root, (ok, iterations, final) = implicit(problem, equations, guess, direct(structure), solve)
    return root, Converged(ok > 0, iterations.astype(jnp.int32), final)
