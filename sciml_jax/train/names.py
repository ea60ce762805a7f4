"""Functions and classes by name: what a saved model may ask to have imported, and nothing else."""

import functools
import importlib
import inspect
from types import ModuleType
from typing import Any

CLASS_PREFIXES = ("sciml_jax.", "equinox.nn.")
FUNCTION_PREFIXES = ("jax.", "equinox.", "sciml_jax.")
_PUBLIC = ("jax.nn", "jax.numpy", "jax.lax", "jax.scipy.special", "jax.numpy.linalg", "jax.numpy.fft")

_registered: dict[str, Any] = {}


def register(x: Any) -> Any:
    """Let a class or function of your own be saved by name; a decorator.

    Models of the project's and of Equinox's classes need nothing. After `register`, `save_model` records a model that
    holds `x` by name, and `load_model` finds it again, provided the program that loads has registered it as well.

    **Raises:** `TypeError` for what is neither class nor function, or has no name that is the same in every program
    (lambdas and what is defined inside functions).

    >>> import equinox as eqx
    >>> from sciml_jax import train
    >>> @train.register
    ... class Decay(eqx.Module):
    ...     rate: float
    """
    name, qualname = getattr(x, "__module__", None), getattr(x, "__qualname__", None)
    if not callable(x) or name is None or qualname is None or "<" in qualname:
        raise TypeError(f"register takes a class or function defined at the top of a module; got {x!r}")
    _registered[f"{name}:{qualname}"] = x
    return x


def name_of(x: Any) -> str | None:
    """`module:qualname` under which `find` gives back this very object, or `None`."""
    for name, known in _registered.items():
        if known is x:
            return name
    if (name := _public_name(x)) is not None:
        return name
    module = getattr(x, "__module__", None)
    if module is None or not _allowed(module, x):
        return None
    qualname = getattr(x, "__qualname__", "<")
    candidates = [qualname] if "<" not in qualname else []
    # a module may keep a lambda under a name of its own
    candidates += [name for name, value in vars(importlib.import_module(module)).items() if value is x]
    for candidate in candidates:
        if _resolve(module, candidate) is x:
            return f"{module}:{candidate}"
    return None


def find(name: str) -> Any:
    """The class or function of a name.

    **Raises:** `ValueError` where the name is not allowed or leads nowhere: a saved model is data, and data does not
    choose what is imported.
    """
    if name in _registered:
        return _registered[name]
    module, _, qualname = name.partition(":")
    cure = "register it before loading (train.register), or pass like= with a model of the same structure"
    if not any((module + ".").startswith(prefix) for prefix in {*CLASS_PREFIXES, *FUNCTION_PREFIXES}):
        raise ValueError(
            f"the saved model names {name!r}, which is not one of the project's, JAX's or Equinox's: {cure}"
        )
    x = _resolve(module, qualname)
    if x is None or name_of(x) is None:
        raise ValueError(f"the saved model names {name!r}, which is not there or not allowed: {cure}")
    return x


def _allowed(module: str, x: Any) -> bool:
    prefixes = CLASS_PREFIXES if inspect.isclass(x) else FUNCTION_PREFIXES
    return any((module + ".").startswith(prefix) for prefix in prefixes)


def _resolve(module: str, qualname: str) -> Any:
    try:
        x = importlib.import_module(module)
        for i, part in enumerate(qualname.split(".")):
            # only through classes: a module's imports (os, sys, ...) are no names of its own
            if i > 0 and not inspect.isclass(x):
                return None
            x = getattr(x, part)
    except (ImportError, AttributeError):
        return None
    return None if isinstance(x, ModuleType) or not callable(x) else x


def _public_name(x: Any) -> str | None:
    return _public_table().get(id(x))


@functools.cache
def _public_table() -> dict[int, str]:
    """Public JAX functions by identity: their `__module__` may be a private one that moves between versions."""
    table: dict[int, str] = {}
    for module in _PUBLIC:
        loaded = importlib.import_module(module)
        for name in getattr(loaded, "__all__", None) or dir(loaded):
            value = getattr(loaded, name, None)
            if not name.startswith("_") and callable(value) and not isinstance(value, ModuleType):
                table.setdefault(id(value), f"{module}:{name}")
    return table
