"""How an ensemble says that some of its solves failed."""

import equinox as eqx
import jax
import numpy as np

from ..core import RESULT, succeeded
from ..solve.failure import SolveError, known
from ..solve.solution import Solution


def report_many(solution: Solution, throw: bool) -> Solution:
    """Raises once, where asked to, if any trajectory failed: on the host where results are known, else at run time."""
    if not throw:
        return solution
    result = jax.lax.stop_gradient(solution.result)
    good = succeeded(result)
    if not known(result):
        one = result.error_if(1.0, ~good)  # type: ignore[attr-defined]
        inexact, rest = eqx.partition(solution, eqx.is_inexact_array)
        checked = jax.tree.map(lambda x: x * one.astype(x.real.dtype).reshape(-1, *(1,) * (x.ndim - 1)), inexact)
        return eqx.combine(checked, rest)
    failed = np.flatnonzero(~np.asarray(good))
    if not failed.size:
        return solution
    first = int(failed[0])
    reason = RESULT[jax.tree.map(lambda x: x[first], result)]  # type: ignore[type-arg, name-defined, valid-type]
    raise SolveError(
        f"{failed.size} of {np.asarray(good).size} solves failed, the first of them number {first}: {reason}\n"
        "With throw=False all trajectories come back, and sol.result says which of them to leave out.",
        solution,
    )
