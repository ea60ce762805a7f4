"""What can be seen to be wrong with a solve as a whole before it starts."""

import warnings
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import trees
from .arguments import callable_with, count, instance
from .failure import known
from .fully_implicit import FullyImplicit
from .matrices import Krylov
from .method import Method
from .saving import Dense, Save, Steps, Times
from .sensitivity import Gradient
from .step_size import Controller, GivenSteps
from .structured import StructuredField

if TYPE_CHECKING:
    from .prepare import Request


def sorted_saves(saves: tuple[Save, ...], t_span) -> tuple[bool, ...]:
    """Which requests are known to be sorted in the direction of the solve."""
    return tuple(_is_sorted(save, t_span) for save in saves)


def _is_sorted(save: Save, t_span) -> bool:
    if not isinstance(save, Times) or not known(save.ts, t_span) or np.ndim(save.ts) != 1:
        return False
    gaps, (t0, t1) = np.diff(np.asarray(save.ts)), map(np.asarray, t_span)  # by NumPy: JAX would trace it under jit
    return bool(np.all(gaps <= 0) if t1 < t0 else np.all(gaps >= 0))


def save_requests(saves: tuple[Save, ...], t_span, y0) -> None:
    """Shapes and ranges of what is to be saved."""
    if sum(isinstance(save, Dense) for save in saves) > 1:
        raise ValueError("save= asks for sj.Dense() twice, but sol(t) is one function: ask once")
    for save in saves:
        if isinstance(save, Times):
            _check_times(save, t_span, y0)
        if isinstance(save, Steps | Dense) and save.capacity is not None:
            count(f"capacity of sj.{type(save).__name__}", save.capacity)


def _check_times(save: Times, t_span, y0) -> None:
    if np.ndim(save.ts) != 1:
        raise ValueError(f"times in save= must have shape (n,); got {np.shape(save.ts)}: write save=[t] for one time")
    if not known(save.ts, t_span):
        return
    ts = np.asarray(save.ts, np.float64)
    if not np.all(np.isfinite(ts)):
        raise ValueError("times in save= must be finite")
    low, high = sorted(float(t) for t in t_span)
    # the slack with which times are clipped to the span: four units in the last place of the solve's times
    slack = 4 * _rounding(y0) * max(abs(low), abs(high))
    if ts.size and (ts.min() < low - slack or ts.max() > high + slack):
        raise ValueError(
            f"times in save= run from {ts.min()} to {ts.max()}, but t_span from {low} to {high}: "
            "clip them to the span, or widen it"
        )


def _rounding(y0) -> float:
    """The rounding error of the solve's times and states."""
    return float(jnp.finfo(trees.real_dtype(jax.tree.map(trees.as_inexact, y0))).eps)


def check(request: "Request", gradient: Any) -> None:
    """Raises for what is wrong with a request as a whole."""
    _check_functions(request)
    instance("method", request.method, Method)
    instance("controller", request.controller, Controller)
    instance("gradient", gradient, Gradient)
    _check_state(request)
    save_requests(request.saves, request.t_span, request.y0)
    _check_tolerances(request)
    _check_steps(request)
    if request.resume is not None:
        _check_resume(request)
    request.method.check(request.field, request.y0)


def _check_functions(request: "Request") -> None:
    if not isinstance(request.field, StructuredField):
        callable_with("field", request.field, "t, y, args")
    if request.jacobian is not None:
        callable_with("jacobian", request.jacobian, "t, y, args")
        if not request.method.uses_jacobian:
            name = type(request.method).__name__
            raise ValueError(f"jacobian= is for implicit methods, and {name} is explicit: give method=sj.Rodas5P()")
    _check_matrices(request)
    if request.projection is not None:
        callable_with("projection", request.projection, "t, y, args")
    for save in request.saves:
        if save.function is not None:
            callable_with(f"function of sj.{type(save).__name__}", save.function, "t, y, args")


def _check_matrices(request: "Request") -> None:
    name = type(request.method).__name__
    if request.initial not in ("given", "find"):
        raise ValueError(f'initial is "given" or "find"; got {request.initial!r}')
    if request.mass is not None and not request.method.takes_mass:
        raise ValueError(
            f"mass= is for Rosenbrock methods, sj.Radau5, sj.RadauIIA and sj.BDF, not {name}: give method=sj.Rodas5P()"
        )
    implicit = isinstance(request.field, FullyImplicit)
    if implicit and not request.method.takes_residuals:
        raise ValueError(f"solve_dae needs a method for fully implicit equations, sj.BDF(); got {name}")
    if request.mass is None and request.initial == "find" and not implicit:
        raise ValueError("initial='find' is for differential-algebraic equations: give mass=")
    if isinstance(request.jac_pattern, Krylov) and not request.method.takes_krylov:
        raise ValueError(f"linear_solver=sj.Krylov() is for sj.BDF, ESDIRK and IMEX methods, not {name}")
    if request.jac_pattern is not None and not request.method.uses_jacobian:
        raise ValueError(f"jac_pattern= is for implicit methods, and {name} is explicit: give method=sj.Rodas5P()")


def _check_steps(request: "Request") -> None:
    """The grid, the bounds of the step size, and whether saved times are as accurate as the steps."""
    controller, dt_min, dt_max = request.controller, request.dt_min, request.dt_max
    if dt_min is not None and dt_max is not None and known(dt_min, dt_max) and float(dt_min) > float(dt_max):
        raise ValueError(f"dt_min={float(dt_min)} is larger than dt_max={float(dt_max)}: no step fits between them")
    if isinstance(controller, GivenSteps):
        _check_grid(request, controller)
    method = request.method
    between = request.events or any(isinstance(save, Times | Dense) for save in request.saves)
    order, between_order = method.order, method.interpolation_order
    if between and request.step_to is None and order - between_order > 2:
        warnings.warn(
            f"{type(method).__name__} has order {order}, but its interpolant order {between_order}: what is read "
            "between steps (saved times, sol(t), events) is less accurate than the steps. Name such times in step_to= "
            "as well, or use a method with an interpolant of its order (Vern9)",
            stacklevel=5,
        )


def _check_grid(request: "Request", controller: GivenSteps) -> None:
    if np.ndim(controller.times) != 1 or np.size(controller.times) < 2:
        raise ValueError(f"times of sj.GivenSteps must have shape (n,), n >= 2; got {np.shape(controller.times)}")
    if not known(controller.times, request.t_span):
        return
    times = np.asarray(controller.times, np.float64)
    t0, t1 = (float(t) for t in request.t_span)
    if abs(times[0] - t0) > 4 * _rounding(request.y0) * max(abs(t0), abs(t1)):
        raise ValueError(f"times of sj.GivenSteps must start at t0 = {t0}; got {times[0]}")
    # an event ends a step before its given end, from which the next one goes on
    if not request.events and not np.all(np.diff(times) * (t1 - t0) > 0):
        raise ValueError("times of sj.GivenSteps must be in order from t0 to t1, every one once")


def _check_state(request: "Request") -> None:
    if not jax.tree.leaves(request.y0):
        raise ValueError("y0 has no arrays: give an array, a number or a pytree of them")
    for path, leaf in jax.tree.leaves_with_path(request.y0):
        where = f"y0{jax.tree_util.keystr(path)}"
        try:
            dtype = jnp.result_type(leaf)
        except TypeError:
            raise TypeError(f"{where} is no array or number: {leaf!r}") from None
        if dtype in (jnp.float16, jnp.bfloat16):
            raise TypeError(f"{where} is {dtype}, too coarse for step-size control: give float32 or float64")
        if known(leaf) and jnp.issubdtype(dtype, jnp.inexact) and not np.all(np.isfinite(np.asarray(leaf))):
            raise ValueError(f"{where} is not finite: {np.asarray(leaf)}")


def _check_tolerances(request: "Request") -> None:
    y0 = jax.tree.map(trees.as_inexact, request.y0)
    dtype, eps = trees.real_dtype(y0), _rounding(request.y0)
    tolerances(request.rtol, request.atol)
    for name in ("rtol", "atol"):
        full = trees.broadcast_prefix(getattr(request, name), y0, name)
        for tolerance, y in zip(jax.tree.leaves(full), jax.tree.leaves(y0), strict=True):
            _check_broadcast(name, np.shape(tolerance), y.shape)
    rtols = [float(np.min(np.asarray(x))) for x in jax.tree.leaves(request.rtol) if known(x) and np.size(x)]
    if request.controller.adaptive and rtols and 0 < min(rtols) < 4 * eps:
        hint = "" if eps < 1e-10 else " or switch float64 on: jax.config.update('jax_enable_x64', True)"
        warnings.warn(
            f"rtol={min(rtols):.1e} is near or below the rounding error of {dtype} ({eps:.1e}): "
            f"the solve may end with dt_min_reached. Use rtol >= {10 * eps:.0e}{hint}",
            stacklevel=4,
        )


def tolerances(rtol: Any, atol: Any) -> None:
    """Raises for values that are no tolerances."""
    for name, value in (("rtol", rtol), ("atol", atol)):
        for leaf in jax.tree.leaves(value):
            if not isinstance(leaf, float) and not hasattr(leaf, "dtype"):
                raise TypeError(f"{name} must be a number, an array or a pytree of them; got {leaf!r}")
            if known(leaf) and not (np.all(np.isfinite(np.asarray(leaf))) and np.all(np.asarray(leaf) >= 0)):
                raise ValueError(f"{name} must be finite and not negative; got {leaf}")
    both = jax.tree.leaves((rtol, atol))
    if known(both) and all(np.all(np.asarray(x) == 0) for x in both):
        raise ValueError("rtol and atol are both zero: no step could be accepted. Give one of them a positive value")


def _check_broadcast(name: str, shape: tuple[int, ...], like: tuple[int, ...]) -> None:
    try:
        fits = np.broadcast_shapes(shape, like) == like
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{name} of shape {shape} does not broadcast to y0 of shape {like}: give it that shape")


def _check_resume(request: "Request") -> None:
    """A state to continue from must be where the solve starts."""
    state: Any = request.resume
    if not hasattr(state, "method"):
        raise TypeError(f"state must be sol.state of an earlier solve; got {state!r}")
    same: Any = jax.tree.structure(state.y)
    if same != jax.tree.structure(request.y0):
        raise ValueError("state= continues another solve: its y and y0 have different structures. Give y0=sol.state.y")
    if not known(state, request.y0, request.t_span):
        return
    pairs = zip(jax.tree.leaves(state.y), jax.tree.leaves(request.y0), strict=True)
    if not all(np.shape(a) == np.shape(b) and np.all(np.asarray(a) == np.asarray(b)) for a, b in pairs):
        raise ValueError("state= continues from its own y, but y0 is another state: give y0=sol.state.y, or no state=")
    if float(state.t) != float(request.t_span[0]):
        raise ValueError(
            f"state= continues from t = {float(state.t)}, but t_span starts at {float(request.t_span[0])}: "
            "start there, or give no state="
        )
