"""What can be seen to be wrong with the arguments of a solve before it starts."""

import operator
import warnings
from typing import TYPE_CHECKING, Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ..core import trees
from .events import Event
from .failure import known
from .method import Method
from .saving import Dense, Save, Steps, Times
from .sensitivity import Gradient
from .step_size import Controller

if TYPE_CHECKING:
    from .prepare import Request


Kind = TypeVar("Kind")


def number(name: str, x: Any) -> Any:
    """One real number: an int becomes a float (a new value must not recompile), an array scalar stays."""
    if isinstance(x, int | float) and not isinstance(x, bool):
        return float(x)
    dtype = getattr(x, "dtype", None)
    if dtype is None or np.ndim(x) != 0 or jnp.issubdtype(dtype, jnp.complexfloating):
        what = f"an array of shape {np.shape(x)}: use vmap for batches" if np.ndim(x) else repr(x)
        raise (ValueError if np.ndim(x) else TypeError)(f"{name} must be one real number; got {what}")
    return x


def nonzero(name: str, x: Any) -> Any:
    """A number that is neither zero nor infinite nor NaN, or `None`."""
    if x is None:
        return None
    x = number(name, x)
    if known(x) and not (np.isfinite(float(x)) and float(x) != 0):
        raise ValueError(f"{name} must be finite and not zero; got {float(x)}")
    return x


def positive(name: str, x: Any) -> Any:
    """A positive number, or `None`."""
    x = nonzero(name, x)
    if x is not None and known(x) and float(x) < 0:
        raise ValueError(f"{name} is the size of a step and must be positive; got {float(x)}")
    return x


def count(name: str, x: Any) -> int:
    """A positive whole number; it is static."""
    try:
        n = operator.index(x)
    except TypeError:
        n = 0
    if n < 1 or isinstance(x, bool):
        raise ValueError(f"{name} must be a positive int (it is static); got {x!r}")
    return n


def span(t_span: Any) -> tuple[Any, Any]:
    """The two ends of the time span."""
    try:
        t0, t1 = t_span
    except (TypeError, ValueError):
        raise ValueError(f"t_span must be (t0, t1), two numbers; got {t_span!r}") from None
    ends = number("t0 in t_span", t0), number("t1 in t_span", t1)
    for t in ends:
        if known(t) and not np.isfinite(float(t)):
            raise ValueError(f"t_span must be finite; got ({t0}, {t1})")
    return ends


def floats(tree: Any) -> Any:
    """A pytree with Python's ints as floats, so that they are traced."""
    return jax.tree.map(lambda x: float(x) if isinstance(x, int) and not isinstance(x, bool) else x, tree)


def instance(name: str, value: Any, kind: type[Kind]) -> Kind:
    """`value`, which must be an instance of `kind`."""
    if isinstance(value, type):
        raise TypeError(f"{name} must be an instance: write {value.__name__}() instead of {value.__name__}")
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a sj.{kind.__name__}; got {value!r}")
    return value


def event_list(events: Any) -> tuple[Event, ...]:
    """The events as a tuple."""
    listed = events if isinstance(events, tuple | list) else (events,)
    for event in listed:
        if not isinstance(event, Event):
            raise TypeError(f"events must be a sj.Event or a list of them; got {event!r}: write sj.Event(condition)")
    return tuple(listed)


def stops(step_to: Any) -> Any:
    """The times to step to, as an array of shape (n,)."""
    if step_to is None:
        return None
    try:
        times = step_to if isinstance(step_to, jax.Array) else np.asarray(step_to, float)
    except (TypeError, ValueError):
        raise TypeError(f"step_to must be times, shape (n,); got {step_to!r}") from None
    if times.ndim > 1:
        raise ValueError(f"step_to must be times, shape (n,); got shape {times.shape}")
    if known(times) and not np.all(np.isfinite(np.asarray(times))):
        raise ValueError(f"step_to must be finite; got {np.asarray(times)}")
    return times


def sorted_saves(saves: tuple[Save, ...], t_span) -> tuple[bool, ...]:
    """Which requests are known to be sorted in the direction of the solve."""
    return tuple(_is_sorted(save, t_span) for save in saves)


def _is_sorted(save: Save, t_span) -> bool:
    if not isinstance(save, Times) or not known(save.ts, t_span) or np.ndim(save.ts) != 1:
        return False
    gaps = np.diff(np.asarray(save.ts))
    return bool(np.all(gaps <= 0) if t_span[1] < t_span[0] else np.all(gaps >= 0))


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
    eps = float(jnp.finfo(trees.real_dtype(jax.tree.map(trees.as_inexact, y0))).eps)
    slack = 4 * eps * max(abs(low), abs(high))
    if ts.size and (ts.min() < low - slack or ts.max() > high + slack):
        raise ValueError(
            f"times in save= run from {ts.min()} to {ts.max()}, but t_span from {low} to {high}: "
            "clip them to the span, or widen it"
        )


def check(request: "Request", gradient: Any) -> None:
    """Raises for what is wrong with a request as a whole."""
    if not callable(request.field):
        raise TypeError(f"field must be a function field(t, y, args) -> dy/dt; got {type(request.field).__name__}")
    instance("method", request.method, Method)
    instance("controller", request.controller, Controller)
    instance("gradient", gradient, Gradient)
    _check_state(request)
    save_requests(request.saves, request.t_span, request.y0)
    _check_tolerances(request)
    if request.resume is not None:
        _check_resume(request)
    request.method.check(request.field, request.y0)


def _check_state(request: "Request") -> None:
    if not jax.tree.leaves(request.y0):
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
    dtype = trees.real_dtype(y0)
    eps = float(jnp.finfo(dtype).eps)
    for name in ("rtol", "atol"):
        value = getattr(request, name)
        for leaf in jax.tree.leaves(value):
            if not isinstance(leaf, float) and not hasattr(leaf, "dtype"):
                raise TypeError(f"{name} must be a number, an array or a pytree of them; got {leaf!r}")
            if known(leaf) and not (np.all(np.isfinite(np.asarray(leaf))) and np.all(np.asarray(leaf) >= 0)):
                raise ValueError(f"{name} must be finite and not negative; got {leaf}")
        full = trees.broadcast_prefix(value, y0, name)
        for tolerance, y in zip(jax.tree.leaves(full), jax.tree.leaves(y0), strict=True):
            _check_broadcast(name, np.shape(tolerance), y.shape)
    tolerances = jax.tree.leaves((request.rtol, request.atol))
    if known(tolerances) and all(np.all(np.asarray(x) == 0) for x in tolerances):
        raise ValueError("rtol and atol are both zero: no step could be accepted. Give one of them a positive value")
    rtols = [float(np.min(np.asarray(x))) for x in jax.tree.leaves(request.rtol) if known(x) and np.size(x)]
    if request.controller.adaptive and rtols and 0 < min(rtols) < 4 * eps:
        hint = "" if eps < 1e-10 else " or switch float64 on: jax.config.update('jax_enable_x64', True)"
        warnings.warn(
            f"rtol={min(rtols):.1e} is near or below the rounding error of {dtype} ({eps:.1e}): "
            f"the solve may end with dt_min_reached. Use rtol >= {10 * eps:.0e}{hint}",
            stacklevel=4,
        )


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
