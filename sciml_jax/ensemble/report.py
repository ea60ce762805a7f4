"""How an ensemble says that some of its solves failed."""

import jax
import numpy as np

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
    good = np.asarray(succeeded(result))
    failed = np.flatnonzero(~good)
    if not failed.size:
        return solution
    first = int(failed[0])
    reason = RESULT[jax.tree.map(lambda x: x[first], result)]  # type: ignore[type-arg, name-defined, valid-type]
    raise SolveError(
        f"{failed.size} of {good.size} solves failed, the first of them number {first}: {reason}\n"
        "With throw=False all trajectories come back, and sol.result says which of them to leave out.",
        solution,
    )
