"""Arguments of a solve, one by one: what they must be, and the forms that are taken for them."""

import inspect
import operator
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from .events import Event
from .failure import known
from .problem import as_times

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
        called = callable(value) and hasattr(value, "__name__")
        what = f"the function {value.__name__}: write {value.__name__}()" if called else repr(value)
        raise TypeError(f"{name} must be a sj.{kind.__name__}; got {what}")
    return value


def callable_with(name: str, function: Any, signature: str) -> None:
    """Raises unless `function` can be called as `signature`, such as "t, y, args", says."""
    if not callable(function):
        raise TypeError(f"{name} must be a function {name.split()[0]}({signature}); got {function!r}")
    try:
        parameters = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins have none to look at
        return
    try:
        parameters.bind(*signature.split(", "))
    except TypeError:
        raise TypeError(
            f"{name} is called as {name.split()[0]}({signature}), but its signature is {parameters}"
        ) from None


def event_list(events: Any) -> tuple[Event, ...]:
    """The events as a tuple."""
    listed = events if isinstance(events, tuple | list) else (events,)
    for event in listed:
        if not isinstance(event, Event):
            raise TypeError(f"events must be a sj.Event or a list of them; got {event!r}: write sj.Event(condition)")
    for k, event in enumerate(listed):
        callable_with(f"condition of event {k}", event.condition, "t, y, args")
        if event.affect is not None:
            callable_with(f"affect of event {k}", event.affect, "t, y, args")
    return tuple(listed)


def stops(step_to: Any) -> Any:
    """The times to step to, as an array of shape (n,)."""
    if step_to is None:
        return None
    try:
        times = as_times(step_to)
    except (TypeError, ValueError):
        raise TypeError(f"step_to must be times, shape (n,); got {step_to!r}") from None
    if times.ndim > 1:
        raise ValueError(f"step_to must be times, shape (n,); got shape {times.shape}")
    if known(times) and not np.all(np.isfinite(np.asarray(times))):
        raise ValueError(f"step_to must be finite; got {np.asarray(times)}")
    return times
