"""Fingerprints of arrays and of code: the same in every process, another where the content is another."""

import dataclasses
import dis
import functools
import hashlib
import platform
import sys
import types
from typing import Any

import equinox as eqx
import jax
import jax.core
import numpy as np
from jaxtyping import PyTree

from ..core.frozen import is_frozen
from .serialize import pack_array

_SIMPLE = (bool, int, float, complex, str, bytes)


def hash_arrays(tree: PyTree) -> str:
    """The SHA-256 of all arrays of a pytree: dtypes, shapes and bytes, in the order of the leaves.

    Cost: one pass over the bytes, about a second a gigabyte, and a copy to the host of what lies on a device.

    >>> import numpy as np
    >>> from sciml_jax.train.fingerprint import hash_arrays
    >>> hash_arrays(np.ones(2)) == hash_arrays(np.ones(2)), hash_arrays(np.ones(2)) == hash_arrays(np.zeros(2))
    (True, False)
    """
    total = hashlib.sha256()
    for x in jax.tree.leaves(tree, is_leaf=is_frozen):
        x = x.array if is_frozen(x) else x
        if eqx.is_array(x):
            _add_array(total, x)
    return total.hexdigest()


def hash_code(x: Any, *, arrays: bool = True) -> dict[str, str]:
    """The SHA-256 of what can be seen of the code of a callable or a model, and the Python that compiled it.

    Seen are: bytecode with its constants and names, the values that a function closes over, its defaults, the globals
    of its module that it reads (numbers, strings, arrays, functions), `functools.partial`, the class and the fields of
    an object and the methods of its class. Line numbers, file names, comments and docstrings do not count. What is
    installed counts by its name: a newer version of a library is not other code. `arrays=False` leaves arrays out.

    >>> from sciml_jax.train.fingerprint import hash_code
    >>> def power(n):
    ...     return lambda x: x**n
    >>> hash_code(power(2)) == hash_code(power(2)), hash_code(power(2)) == hash_code(power(3))
    (True, False)
    """
    walk = _Walk(arrays)
    walk.add(x)
    return {"python": ".".join(platform.python_version_tuple()[:2]), "code": walk.total.hexdigest()}


def _add_array(total: Any, x: Any) -> None:
    value, how = pack_array(x)
    total.update(repr((how.get("key"), np.dtype(how.get("dtype", value.dtype)).name, value.shape)).encode())
    total.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8))  # type: ignore[arg-type]


class _Walk:
    """A walk over an object that feeds a hash; what is met again counts by the place of its first visit."""

    def __init__(self, arrays: bool):
        self.arrays = arrays
        self.total = hashlib.sha256()
        self.seen: dict[int, int] = {}
        self.kept: list[Any] = []  # an object that is dropped would leave its id to another one

    def note(self, *words: Any) -> None:
        self.total.update(repr(words).encode())

    def add(self, x: Any) -> None:
        # what is not changed in place is compared by value: whether two equal constants are one object depends on
        # whether the code was compiled just now or read from a cache
        if x is None or x is Ellipsis or isinstance(x, _SIMPLE):
            self.note(type(x).__name__, x)
        elif isinstance(x, jax.core.Tracer):
            self.note("tracer")
        elif eqx.is_array(x) or isinstance(x, np.generic):
            if self.arrays:
                _add_array(self.total, x)
        elif isinstance(x, tuple):
            self._each("tuple", *x)
        elif isinstance(x, set | frozenset):  # their order depends on the process
            self.note("set", sorted(repr(v) if isinstance(v, _SIMPLE) else type(v).__qualname__ for v in x))
        elif isinstance(x, types.CodeType):
            self._code(x)
        elif isinstance(x, type | types.ModuleType | types.BuiltinFunctionType):
            self.note(type(x).__name__, _name(x))
        elif isinstance(x, types.MethodType):
            self._each("method", x.__func__, x.__self__)
        elif id(x) in self.seen:
            self.note("again", self.seen[id(x)])
        else:
            self.seen[id(x)] = len(self.seen)
            self.kept.append(x)
            self._shared(x)

    def _shared(self, x: Any) -> None:
        if isinstance(x, list):
            self._each("list", *x)
        elif isinstance(x, dict):
            self._each("dict", *(part for item in x.items() for part in item))
        elif isinstance(x, functools.partial):
            self._each("partial", x.func, x.args, x.keywords)
        elif isinstance(x, types.FunctionType):
            self._function(x)
        elif callable(getattr(x, "__wrapped__", None)):  # jit and other decorators
            self._each("wrapped", x.__wrapped__)
        else:
            self._object(x)

    def _each(self, kind: str, *parts: Any) -> None:
        self.note(kind, len(parts))
        for part in parts:
            self.add(part)

    def _function(self, f: types.FunctionType) -> None:
        # without the module: a script and the same file imported are one
        self._each("function", f.__qualname__, f.__defaults__, f.__kwdefaults__)
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            try:
                self._each(f"closure {name}", cell.cell_contents)
            except ValueError:  # not filled yet
                self.note("empty", name)
        if _installed(f.__globals__.get("__name__", "")):
            return
        self.add(f.__code__)
        for name in sorted(_globals_read(f.__code__)):
            value = f.__globals__.get(name)
            if isinstance(value, types.FunctionType) and value.__globals__ is not f.__globals__:
                self.note("global", name, _name(value))
            elif _is_content(value):
                self._each(f"global {name}", value)

    def _code(self, code: types.CodeType) -> None:
        self.note("code", code.co_names, code.co_argcount, code.co_kwonlyargcount, code.co_freevars)
        for i in dis.get_instructions(code):
            if i.opcode in dis.hasconst:  # by its value: a docstring takes a place among the constants
                self._each(i.opname, i.argval)
            elif i.opname != "EXTENDED_ARG":
                self.note(i.opname, i.arg)

    def _object(self, x: Any) -> None:
        kind = type(x)
        installed = _installed(kind.__module__)
        self.note("object", _name(kind), str(getattr(x, "__name__", "")))
        for name, value in [] if installed else sorted(vars(kind).items()):
            value = getattr(value, "fget", None) or getattr(value, "__func__", value)
            value = value if isinstance(value, types.FunctionType) else getattr(value, "__wrapped__", value)
            if isinstance(value, types.FunctionType) and (name == "__call__" or not name.startswith("_")):
                self.add(value)
        known = [f.name for f in dataclasses.fields(x)] if dataclasses.is_dataclass(x) else None
        for name in (() if installed else sorted(getattr(x, "__dict__", ()))) if known is None else known:
            self._each(f"field {name}", getattr(x, name, None))


def _globals_read(code: types.CodeType) -> set[str]:
    """The names of the globals that code reads, those of functions inside it too."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return names.union(*(_globals_read(c) for c in code.co_consts if isinstance(c, types.CodeType)))


def _is_content(x: Any) -> bool:
    """Whether a global counts by what it holds: not a module, a class, or what a program collects things in."""
    plain = isinstance(x, (*_SIMPLE, tuple, types.FunctionType, functools.partial, eqx.Module))
    return plain or eqx.is_array(x) or (not isinstance(x, type) and callable(getattr(x, "__wrapped__", None)))


@functools.cache
def _installed(module: str) -> bool:
    root = module.split(".")[0]
    if root in sys.stdlib_module_names or root in ("sciml_jax", "builtins"):
        return True
    path = str(getattr(sys.modules.get(root), "__file__", ""))
    return "site-packages" in path or "dist-packages" in path


def _name(x: Any) -> str:
    name = getattr(x, "__qualname__", getattr(x, "__name__", type(x).__qualname__))
    module = getattr(x, "__module__", None) or ""
    return f"{module}.{name}" if _installed(module) else name
