"""How an ensemble says that some of its solves failed."""

import jax
import jax.numpy as jnp

from ..core import RESULT, succeeded
from ..solve.failure import SolveError, checked, known
from ..solve.solution import Solution


def report_many(solution: Solution, throw: bool) -> Solution:
    """Raises once, where asked to, if any trajectory failed: on the host where results are known, else at run time."""
    if not throw:
        return solution
    result = jax.lax.stop_gradient(solution.result)
    if not known(result):
        return checked(solution, result)
    failed = ~succeeded(result)
    count = int(jnp.sum(failed))  # by JAX, as results may lie on devices of other processes
    if not count:
        return solution
    first = int(jnp.argmax(failed))
    reason = RESULT[jax.tree.map(lambda x: x[first], result)]  # type: ignore[type-arg, name-defined, valid-type]
    raise SolveError(
        f"{count} of {failed.size} solves failed, the first of them number {first}: {reason}\n"
        "With throw=False all trajectories come back, and sol.result says which of them to leave out.",
        solution,
    )
