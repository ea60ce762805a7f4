"""What is checked on the host: arguments before a solve, and its result after."""

import warnings
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..core import RESULT, trees
from .method import Method
from .saving import Save, Times
from .solution import Solution
from .step_size import Controller

if TYPE_CHECKING:
    from .prepare import Request


class SolveError(RuntimeError):
    """A solve that failed; `solution` is what was computed until then."""

    def __init__(self, message: str, solution: Solution):
        super().__init__(message)
        self.solution = solution


def known(*xs: Any) -> bool:
    """Whether all values are concrete, so that the host can look at them."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(xs))


def sorted_saves(saves: tuple[Save, ...], t_span) -> tuple[bool, ...]:
    """Which requests are known to be sorted in the direction of the solve."""
    return tuple(_is_sorted(save, t_span) for save in saves)


def _is_sorted(save: Save, t_span) -> bool:
    if not isinstance(save, Times) or not known(save.ts, t_span) or len(t_span) != 2:
        return False
    gaps = np.diff(np.asarray(save.ts))
    return bool(np.all(gaps <= 0) if t_span[1] < t_span[0] else np.all(gaps >= 0))


def check(request: "Request") -> None:
    """Raises for everything in a request that can be seen to be wrong before solving."""
    if not callable(request.field):
        raise TypeError(f"field must be a function field(t, y, args) -> dy/dt; got {type(request.field).__name__}")
    for name, value, kind in (("method", request.method, Method), ("controller", request.controller, Controller)):
        if isinstance(value, type):
            raise TypeError(f"{name} must be an instance: write {value.__name__}() instead of {value.__name__}")
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be a sj.{kind.__name__}; got {type(value).__name__}")
    _check_span(request)
    _check_state(request)
    _check_tolerances(request)
    for name in ("max_steps", "max_events"):
        value = getattr(request, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive int (it is static); got {value!r}")
    for name in ("dt0", "dt_min", "dt_max"):
        value = getattr(request, name)
        if value is None:
            continue
        if np.ndim(value) != 0:
            raise ValueError(f"{name} must be one number; got an array of shape {np.shape(value)}")
        if known(value) and not (np.isfinite(float(value)) and abs(float(value)) > 0):
            raise ValueError(f"{name} must be finite and not zero; got {float(value)}")
    for save in request.saves:
        if isinstance(save, Times):
            _check_times(save, request.t_span)
    request.method.check(request.field, request.y0)


def _check_span(request: "Request") -> None:
    if len(request.t_span) != 2:
        raise ValueError(f"t_span must be (t0, t1); got {len(request.t_span)} entries")
    for t in request.t_span:
        if np.ndim(t) != 0:
            raise ValueError(f"t_span must hold two numbers; got an array of shape {np.shape(t)}: use vmap for batches")
        if known(t) and not np.isfinite(float(t)):
            raise ValueError(f"t_span must be finite; got ({request.t_span[0]}, {request.t_span[1]})")


def _check_state(request: "Request") -> None:
    leaves = jax.tree.leaves(request.y0)
    if not leaves:
        raise ValueError("y0 has no arrays: give an array, a number or a pytree of them")
    for path, leaf in jax.tree.leaves_with_path(request.y0):
        where = f"y0{jax.tree_util.keystr(path)}"
        try:
            dtype = jnp.result_type(leaf)
        except TypeError:
            raise TypeError(f"{where} is no array or number: {leaf!r}") from None
        if known(leaf) and jnp.issubdtype(dtype, jnp.inexact) and not np.all(np.isfinite(np.asarray(leaf))):
            raise ValueError(f"{where} is not finite: {np.asarray(leaf)}")


def _check_tolerances(request: "Request") -> None:
    y0 = jax.tree.map(trees.as_inexact, request.y0)
    eps = float(jnp.finfo(trees.real_dtype(y0)).eps)
    for name in ("rtol", "atol"):
        value = getattr(request, name)
        trees.broadcast_prefix(value, y0, name)
        for leaf in jax.tree.leaves(value):
            if known(leaf) and not (np.all(np.isfinite(np.asarray(leaf))) and np.all(np.asarray(leaf) >= 0)):
                raise ValueError(f"{name} must be finite and not negative; got {leaf}")
    tolerances = jax.tree.leaves((request.rtol, request.atol))
    if known(tolerances) and all(np.all(np.asarray(x) == 0) for x in tolerances):
        raise ValueError("rtol and atol are both zero: no step could be accepted. Give one of them a positive value")
    rtols = [np.min(np.asarray(x)) for x in jax.tree.leaves(request.rtol) if known(x) and np.size(x)]
    if request.controller.adaptive and rtols and 0 < min(rtols) < 10 * eps:
        hint = "" if eps < 1e-10 else " or switch float64 on: jax.config.update('jax_enable_x64', True)"
        warnings.warn(
            f"rtol={min(rtols):.1e} is near or below the rounding error of {trees.real_dtype(y0)} ({eps:.1e}): "
            f"the solve may end with dt_min_reached. Use rtol >= {10 * eps:.0e}{hint}",
            stacklevel=4,
        )


def _check_times(save: Times, t_span) -> None:
    if np.ndim(save.ts) != 1:
        raise ValueError(f"times in save= must have shape (n,); got {np.shape(save.ts)}")
    if not known(save.ts, t_span):
        return
    ts = np.asarray(save.ts, np.float64)
    if not np.all(np.isfinite(ts)):
        raise ValueError("times in save= must be finite")
    low, high = sorted(float(t) for t in t_span)
    # the same slack as where the times are clipped: four units in the last place, of float32 at the coarsest
    slack = 4 * float(np.finfo(np.asarray(save.ts).dtype if ts.size else np.float64).eps) * max(abs(low), abs(high))
    if ts.size and (ts.min() < low - slack or ts.max() > high + slack):
        raise ValueError(
            f"times in save= run from {ts.min()} to {ts.max()}, but t_span from {low} to {high}: "
            "clip them to the span, or widen it"
        )


def report(solution: Solution, request: "Request", throw: bool) -> Solution:
    """Raises once where the solve failed: on the host where the result is known, else as a runtime check."""
    if not throw:
        return solution
    if not known(solution.result):
        failed = ~solution.success
        text = "A solve failed: rerun it outside jit, or with throw=False and look at sol.result, to see why and when."
        return eqx.error_if(solution, failed, text)
    if bool(np.all(solution.success)):
        return solution
    raise SolveError(_message(solution, request), solution)


def _message(solution: Solution, request: "Request") -> str:
    state, stats = solution.state, solution.stats
    reason = RESULT[solution.result]  # type: ignore[type-arg, name-defined, valid-type]
    place = f"at t = {float(state.t):.6g} (of {float(request.t_span[0]):.6g} to {float(request.t_span[1]):.6g})"
    work = f"after {int(stats['accepted'])} accepted and {int(stats['rejected'])} rejected steps"
    stiff = " It looks stiff: an implicit method would take fewer steps." if bool(stats.get("stiff", False)) else ""
    return f"{reason}{stiff}\nThe solve stopped {place}, {work}; the next step was to be {float(state.dt):.3g}."
