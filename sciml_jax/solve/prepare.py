"""From what the user gave to what the driver wants: dtypes, traced functions, sorted times."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..core import close, trees
from ..core.entry import Static, split_static
from .events import Event
from .job import Job, Resume
from .method import Method
from .problem import Problem, State
from .progress import Bar
from .saving import Save, Times
from .step_size import Controller
from .structured import StructuredField


class Request(eqx.Module):
    """The arguments of a solve as the user gave them."""

    field: Callable
    t_span: tuple[Any, Any]
    y0: PyTree
    args: PyTree
    method: Method
    controller: Controller
    rtol: PyTree
    atol: PyTree
    saves: tuple[Save, ...]
    events: tuple[Event, ...]
    dt0: Any
    dt_min: Any
    dt_max: Any
    step_to: Any
    norm: Callable
    projection: Callable | None
    has_aux: bool
    progress: bool
    max_steps: int
    max_events: int
    resume: Resume | None
    sorted_saves: tuple[bool, ...]


def prepare(request: Request) -> Job:
    """The job of a request; every user function is traced once here."""
    y0 = jax.tree.map(trees.as_inexact, request.y0)
    dtype = trees.real_dtype(y0)
    t0, t1 = (_time(t, dtype) for t in request.t_span)
    traced_args, static_args = split_static(request.args)
    args = [jnp.asarray(x) for x in traced_args]

    def closed(function: Callable | None, t=t0, y=y0) -> Callable | None:
        return None if function is None else close(_on_arrays(function, static_args), t, y, args)

    field, aux = _field(request, closed, t0, y0, args, static_args)
    problem = Problem(
        field=field,
        args=args,
        rtol=jax.tree.map(lambda x: jnp.asarray(x, dtype), request.rtol),
        atol=jax.tree.map(lambda x: jnp.asarray(x, dtype), request.atol),
        norm=request.norm if request.norm in (trees.rms_norm, trees.max_norm) else close(request.norm, _real(y0)),
    )
    saves = tuple(
        _save(save, ordered, closed, aux, t0, t1)
        for save, ordered in zip(request.saves, request.sorted_saves, strict=True)
    )
    events = tuple(
        Event(closed(e.condition), closed(e.affect), e.direction, e.terminates)  # type: ignore[arg-type]
        for e in request.events
    )
    return Job(
        problem=problem,
        method=request.method,
        controller=request.controller,
        t0=t0,
        t1=t1,
        y0=y0,
        dt0=None if request.dt0 is None else _time(request.dt0, dtype),
        dt_min=None if request.dt_min is None else _time(request.dt_min, dtype),
        dt_max=None if request.dt_max is None else _time(request.dt_max, dtype),
        step_to=_stops(request.step_to, dtype),
        saves=saves,
        events=events,
        projection=closed(request.projection),
        resume=request.resume,
        progress=Bar() if request.progress else None,
        max_steps=request.max_steps,
        max_events=request.max_events,
    )


def _time(t, dtype) -> Array:
    return jnp.asarray(t, dtype).reshape(())


def _real(y: State) -> State:
    return jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.finfo(x.dtype).dtype), y)


def _on_arrays(function: Callable, static_args: Static) -> Callable:
    """The user's function with its static arguments filled in."""
    return lambda t, y, args: function(t, y, static_args.join(args))


def _stops(step_to, dtype) -> Array | None:
    stops = None if step_to is None else jnp.atleast_1d(jnp.asarray(step_to, dtype)).reshape(-1)
    return None if stops is None or stops.shape[0] == 0 else stops


def _field(request: Request, closed, t0, y0, args, static_args) -> tuple[Callable, Callable | None]:
    """The field, traced, and its auxiliary output as a function of its own."""
    if isinstance(request.field, StructuredField):
        return request.field.closed(lambda f, *xs: close(_on_arrays(f, static_args), *xs, args), t0, y0), None
    if not request.has_aux:
        field = closed(request.field)
        _check_field(jax.eval_shape(field, t0, y0, args), y0)
        return field, None
    out = jax.eval_shape(closed(request.field), t0, y0, args)
    if not (isinstance(out, tuple) and len(out) == 2):
        raise TypeError("has_aux=True: the field must return (dy, aux), a tuple of two")
    _check_field(out[0], y0)
    return (
        closed(lambda t, y, a: request.field(t, y, a)[0]),
        closed(lambda t, y, a: request.field(t, y, a)[1]),
    )


def _check_field(dy: PyTree, y0: State) -> None:
    """The field's value must look like the state."""
    ours: Any = jax.tree.structure(y0)
    theirs: Any = jax.tree.structure(dy)
    if ours != theirs:
        hint = " (a field with auxiliary outputs needs has_aux=True)" if isinstance(dy, tuple) else ""
        raise TypeError(f"field must return a pytree like y0, {ours}; it returned {theirs}{hint}")
    for (path, want), got in zip(jax.tree.leaves_with_path(y0), jax.tree.leaves(dy), strict=True):
        place = f"y{jax.tree_util.keystr(path)}"
        if got.shape != want.shape:
            raise ValueError(f"field must return the shapes of y0: {place} is {want.shape}, its derivative {got.shape}")
        if jnp.issubdtype(got.dtype, jnp.complexfloating) and not jnp.iscomplexobj(want):
            raise TypeError(f"field is complex where {place} is real ({want.dtype}): give a complex y0")


def _save(save: Save, ordered: bool, closed, aux, t0, t1) -> Save:
    """A request with its functions traced and its times sorted in the direction of the solve."""
    function = closed(save.function)
    if not isinstance(save, Times):
        return eqx.tree_at(
            lambda s: (s.function, s.aux), save, (function, aux), is_leaf=lambda x: x is None or callable(x)
        )
    ts = jnp.asarray(save.ts, t0.dtype)
    # within four units in the last place of the span counts as inside
    low, high = jnp.minimum(t0, t1), jnp.maximum(t0, t1)
    slack = 4 * jnp.finfo(ts.dtype).eps * jnp.maximum(jnp.abs(low), jnp.abs(high))
    near = ((ts < low) & (ts >= low - slack)) | ((ts > high) & (ts <= high + slack))
    ts = jnp.where(near, jnp.clip(ts, low, high), ts)
    if ordered:
        return Times(ts, function, aux)
    order = jnp.argsort(jnp.where(t1 < t0, -ts, ts))
    return Times(ts[order], function, aux, order)
