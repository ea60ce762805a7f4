"""From what the user gave to what the driver wants: dtypes, traced functions, sorted times."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..core import close, trees
from ..core.entry import Static, split_static
from .consistency import LARGEST, start, start_implicit
from .events import Event
from .failure import known
from .fully_implicit import FullyImplicit
from .job import Job, Resume
from .layout import Layout
from .matrices import Mass, pseudo_inverse, stored_mass, structure, tell_of_cost, user_jacobian
from .method import Method
from .problem import Problem, State, as_derivative, check_like
from .progress import Bar
from .saving import Save, Steps, Times
from .step_size import ConstantSteps, Controller, EqualSteps
from .structured import StructuredField

_MAX_STEPS, _RECORDED_STEPS = 100_000, 4_096  # attempts, and how many adaptive ones a gradient has room for


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
    jacobian: Callable | None
    jac_pattern: Any
    mass: Mass | None
    initial: str
    projection: Callable | None
    has_aux: bool
    progress: bool
    max_steps: int | None
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

    def closed(function: Any, t=t0, y=y0) -> Any:
        return None if function is None else close(_on_arrays(function, static_args), t, y, args)

    field, aux = _field(request, closed, t0, y0, args, static_args)
    jacobian = user_jacobian(request.jacobian, closed, t0, y0, args)
    zeros = None
    if request.method.uses_jacobian:
        zeros = structure(request.jac_pattern, request.mass, jacobian, field, t0, y0, args)
        if request.method.takes_krylov:
            tell_of_cost(request.jac_pattern, jacobian, request.mass, zeros, Layout(y0).size)
    problem = Problem(
        field=field,
        args=args,
        mass=stored_mass(request.mass, zeros, y0),
        mass_inverse=pseudo_inverse(request.mass, dtype),
        structure=zeros,
        rtol=jax.tree.map(lambda x: jnp.asarray(x, dtype), request.rtol),
        atol=jax.tree.map(lambda x: jnp.asarray(x, dtype), request.atol),
        norm=_norm(request.norm, y0),
        jacobian=jacobian,
        constant_steps=not request.controller.adaptive,
    )
    consistent, residual = None, None
    if isinstance(field, FullyImplicit) and request.resume is None and y0.shape[0] <= LARGEST:
        y0, slope, consistent, residual = start_implicit(problem, t0, t1, y0, field.slope, request.initial == "find")
        problem = eqx.tree_at(lambda p: p.field.slope, problem, slope)
    if request.mass is not None and request.resume is None and y0.shape[0] <= LARGEST:
        y0, consistent, residual = start(problem, request.mass.dense.astype(dtype), t0, y0, request.initial == "find")
    saves = tuple(
        _save(save, ordered, closed, aux, t0, t1, request)
        for save, ordered in zip(request.saves, request.sorted_saves, strict=True)
    )
    memory = field.memory(request.method.order, len(request.events)) if isinstance(field, StructuredField) else None
    crossings = () if memory is None else memory.crossings(field)
    method = request.method.closed(closed)
    return Job(
        problem=problem,
        method=method if memory is None else memory.method(method),
        controller=request.controller,
        t0=t0,
        t1=t1,
        y0=y0,
        dt0=None if request.dt0 is None else _time(request.dt0, dtype),
        dt_min=None if request.dt_min is None else _time(request.dt_min, dtype),
        dt_max=None if request.dt_max is None else _time(request.dt_max, dtype),
        step_to=_stops(request.step_to, dtype),
        saves=saves,
        events=tuple(_event(k, event, closed, t0, y0, args) for k, event in enumerate(request.events)) + crossings,
        projection=_mapping("projection", request.projection, closed, t0, y0, args),
        resume=_resume(request, problem, t0, y0),
        consistent=consistent,
        residual=residual,
        memory=memory,
        progress=Bar() if request.progress else None,
        max_steps=_max_steps(request, _MAX_STEPS),
        recorded_steps=_max_steps(request, _recorded_steps(request, memory)),
        max_events=request.max_events if crossings else _max_events(request),
    )


def _max_events(request: Request) -> int:
    """Room for events; the first one that ends the solve is the last."""
    return 1 if all(event.terminates for event in request.events) else request.max_events


def _max_steps(request: Request, default: int) -> int:
    """The bound on attempts; where the number of steps is prescribed, it is that and what may cut them."""
    if not isinstance(request.controller, EqualSteps):
        return default if request.max_steps is None else request.max_steps
    return request.controller.n + _cuts(request)


def _cuts(request: Request) -> int:
    """How many steps may be cut in two."""
    return (_max_events(request) if request.events else 0) + (0 if request.step_to is None else request.step_to.size)


def _recorded_steps(request: Request, memory: Any) -> int:
    """How many steps a gradient has room for, all of which are cleared in every solve of a batch: of constant steps as
    many as there will be, where that is known (a call inside `jit`, of numbers)."""
    if request.controller.adaptive:
        return _RECORDED_STEPS
    dt: Any = request.dt0 if isinstance(request.controller, ConstantSteps) else None
    free = memory is None and request.resume is None and request.dt_max is None
    if dt is None or not (free and known(request.t_span, dt)):
        return _MAX_STEPS
    t0, t1 = (float(t) for t in request.t_span)
    # one for what is left at the end, one for rounding
    return min(math.ceil(abs((t1 - t0) / float(dt))) + 2 + _cuts(request), _MAX_STEPS)


def _norm(norm: Callable, y0: State) -> Callable:
    if norm in (trees.rms_norm, trees.max_norm):
        return norm
    closed = close(norm, _real(y0))
    out = jax.tree.leaves(jax.eval_shape(closed, _real(y0)))
    if len(out) != 1 or out[0].shape != ():
        raise ValueError(f"norm must return one number for a pytree like y0; it returned {out}")
    return closed


def _event(k: int, event: Event, closed, t0, y0, args) -> Event:
    """An event with its functions traced and checked."""
    condition = closed(event.condition)
    out = jax.tree.leaves(jax.eval_shape(condition, t0, y0, args))
    real = len(out) == 1 and not jnp.issubdtype(out[0].dtype, jnp.complexfloating)
    if not real or out[0].size != 1:
        raise ValueError(f"condition of event {k} must return one real number; it returned {out}")
    if out[0].dtype == bool:
        raise TypeError(
            f"condition of event {k} returned True or False: return a real number whose sign changes, y[0] instead of "
            "y[0] < 0"
        )
    affect = _mapping(f"affect of event {k}", event.affect, closed, t0, y0, args)
    return Event(condition, affect, event.direction, event.terminates)


def _mapping(name: str, function: Callable | None, closed, t0, y0, args) -> Callable | None:
    """A map from states to states, traced, checked, and cast to the dtypes of the state."""
    if function is None:
        return None
    check_like(jax.eval_shape(closed(function), t0, y0, args), y0, name, "state")
    return closed(lambda t, y, a: as_derivative(function(t, y, a), y))


def _resume(request: Request, problem: Problem, t0, y0) -> Resume | None:
    """The state to continue from, if the method can: the controller starts afresh where it is another one."""
    state = request.resume
    if state is None:
        return None
    wanted = jax.eval_shape(lambda: request.method.init(problem, t0, y0, t0).carry)
    got = jax.eval_shape(lambda: state.method.carry)
    same = jax.tree.structure(wanted) == jax.tree.structure(got) and all(
        a.shape == b.shape and a.dtype == b.dtype
        for a, b in zip(jax.tree.leaves(wanted), jax.tree.leaves(got), strict=True)
    )
    if not same:
        raise ValueError(
            f"state= belongs to another method than {type(request.method).__name__}: continue with the method it came "
            "from, or give no state="
        )
    control = request.controller.init(t0.dtype)
    fits: Any = jax.tree.structure(control) == jax.tree.structure(state.control)  # type: ignore[operator]
    return state if fits else eqx.tree_at(lambda s: s.control, state, control)


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
        if request.has_aux:
            raise TypeError("has_aux=True needs a plain field(t, y, args) -> (dy, aux), not a structured one")
        request.field.check(y0)
        request.method.check(request.field, y0)
        structured = request.field.closed(lambda f, *xs: close(_on_arrays(f, static_args), *xs, args), t0, y0)
        structured = structured.bound(args)
        check_like(jax.eval_shape(structured, t0, y0, args), y0, "field", "derivative")
        return structured, None
    if not request.has_aux:
        field = closed(request.field)
        check_like(jax.eval_shape(field, t0, y0, args), y0, "field", "derivative")
        return field, None
    out = jax.eval_shape(closed(request.field), t0, y0, args)
    if not (isinstance(out, tuple) and len(out) == 2):
        raise TypeError("has_aux=True: the field must return (dy, aux), a tuple of two")
    check_like(out[0], y0, "field", "derivative")
    return (
        closed(lambda t, y, a: request.field(t, y, a)[0]),
        closed(lambda t, y, a: request.field(t, y, a)[1]),
    )


def _save(save: Save, ordered: bool, closed, aux, t0, t1, request: Request) -> Save:
    """A request with its functions traced and its times sorted in the direction of the solve."""
    function = closed(save.function)
    if isinstance(save, Steps) and save.capacity is None and isinstance(request.controller, EqualSteps):
        return Steps(_max_steps(request, _MAX_STEPS), function, aux)
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
