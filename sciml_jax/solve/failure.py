"""How a solve that failed says so: once, after the loop, with the reason, the place and the cure."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from ..core import RESULT, succeeded
from .solution import Solution


class SolveError(RuntimeError):
    """A solve that failed; `solution` is what was computed until then."""

    def __init__(self, message: str, solution: Solution):
        super().__init__(message)
        self.solution = solution


def known(*xs: Any) -> bool:
    """Whether all values are concrete, so that the host can look at them."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(xs))


def report(solution: Solution, t_span: tuple, throw: bool) -> Solution:
    """Raises once where the solve failed: on the host where the result is known, else as a runtime check."""
    if not throw:
        return solution
    # an eager gradient or jvp wraps what it differentiates; the values inside are known
    result = jax.lax.stop_gradient(solution.result)
    if not known(result):
        return checked(solution, result)
    if bool(np.all(succeeded(result))):
        return solution
    arrays, rest = eqx.partition(solution, eqx.is_array)
    plain = eqx.combine(jax.lax.stop_gradient(arrays), rest)
    raise SolveError(_message(plain, jax.lax.stop_gradient(t_span)), plain)


def checked(solution: Solution, result: RESULT) -> Solution:
    """The solution, which cannot be computed without checking that the solve did not fail, and neither can derivatives.

    A number that is 1 once the check has been made multiplies every array, whole numbers too: the counts of a jump
    process are all that some calls use. A compiled gradient that has no use for the solution itself depends on it.
    """
    one = result.error_if(jnp.ones(()), ~succeeded(result))  # type: ignore[attr-defined]

    def depending(x: Any) -> Any:
        if x.dtype == bool:
            return x & (one == 1)
        return x * one.astype(x.real.dtype) if jnp.issubdtype(x.dtype, jnp.number) else x

    arrays, rest = eqx.partition(solution, eqx.is_array)
    return eqx.combine(jax.tree.map(depending, arrays), rest)


def _message(solution: Solution, t_span: tuple) -> str:
    state, stats = solution.state, solution.stats
    reason = RESULT[solution.result]  # type: ignore[type-arg, name-defined, valid-type]
    place = f"at t = {float(state.t):.6g} (of {float(t_span[0]):.6g} to {float(t_span[1]):.6g})"
    work = f"after {int(stats['accepted'])} accepted and {int(stats['rejected'])} rejected steps"
    left = abs(float(t_span[1]) - float(state.t))
    dt = math.copysign(min(abs(float(state.dt)), left), float(state.dt))
    hint = " It looks stiff: an implicit method, sj.Rodas5P(), would take fewer steps."
    stiff = hint if bool(stats.get("stiff", False)) else ""
    if solution.result == RESULT.inconsistent_initial:
        place += f", where the largest algebraic residual is {float(stats['initial_residual']):.3g}"
    return f"{reason}{stiff}\nThe solve stopped {place}, {work}; the next step was to be {dt:.3g}."
