"""A model as JSON and arrays, and back, without pickle."""

import dataclasses
import functools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .names import find, name_of

Arrays = dict[str, np.ndarray]


class Unnamed(Exception):
    """Something in a model has no name that a loading program could find."""


def is_key(x: Any) -> bool:
    """Whether `x` is a typed JAX PRNG key array."""
    return isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def pack_array(x: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """An array in a dtype that `npz` knows, and how to get it back."""
    if is_key(x):
        return np.asarray(jax.random.key_data(x)), {"key": str(jax.random.key_impl(x))}
    value = np.asarray(x)
    kind = {"numpy": True} if not isinstance(x, jax.Array) else {}
    if value.dtype.kind == "V":  # bfloat16 and the 8-bit floats: npz would store them without their name
        return value.view(f"u{value.dtype.itemsize}"), {"dtype": value.dtype.name, **kind}
    return value, kind


def unpack_array(value: np.ndarray, how: dict[str, Any]) -> Any:
    """The array that `pack_array` was given."""
    if "key" in how:
        return jax.random.wrap_key_data(jnp.asarray(value), impl=how["key"])
    if "dtype" in how:
        value = value.view(jnp.dtype(how["dtype"]))
    return value if how.get("numpy") else jnp.asarray(value)


def to_config(model: PyTree) -> tuple[dict[str, Any], Arrays]:
    """A JSON document and arrays that describe a model.

    The document holds the arrays by path, always, and the configuration (classes and fields) where everything in the
    model has a name; `"reason"` tells what has none, and `like=` is then needed to load.
    """
    arrays: Arrays = {}
    leaves = []
    names: dict[int, str] = {}
    flat = [(path, x) for path, x in jax.tree.leaves_with_path(model) if eqx.is_array(x)]
    for i, (path, x) in enumerate(flat):
        name = f"leaf{i}"
        arrays[name], how = pack_array(x)
        names[id(x)] = name
        leaves.append({"path": jax.tree_util.keystr(path), "array": name, **how})
    document: dict[str, Any] = {"leaves": leaves}
    try:
        document["config"] = _encode(model, arrays, names, "model")
    except Unnamed as error:
        document["config"], document["reason"] = None, str(error)
    return document, arrays


def from_config(document: dict[str, Any], arrays: Arrays, like: PyTree | None = None) -> PyTree:
    """The model of a document; with `like`, its structure and functions with the arrays of the document."""
    if like is not None:
        return _fill(document, arrays, like)
    if document["config"] is None:
        raise ValueError(f"this model cannot be rebuilt from its configuration: {document['reason']}. Pass like=")
    return _decode(document["config"], arrays)


def _fill(document: dict[str, Any], arrays: Arrays, like: PyTree) -> PyTree:
    flat, treedef = jax.tree.flatten_with_path(like)
    wanted = [jax.tree_util.keystr(path) for path, x in flat if eqx.is_array(x)]
    stored = [leaf["path"] for leaf in document["leaves"]]
    if wanted != stored:
        missing, extra = sorted(set(wanted) - set(stored)), sorted(set(stored) - set(wanted))
        raise ValueError(
            f"like= has another structure than the saved model: it has {missing} that the file lacks, "
            f"and lacks {extra} that the file has"
        )
    values = iter([unpack_array(arrays[leaf["array"]], leaf) for leaf in document["leaves"]])
    out = []
    for path, x in flat:
        new = next(values) if eqx.is_array(x) else x
        if eqx.is_array(x) and np.shape(new) != np.shape(x):
            where = jax.tree_util.keystr(path)
            raise ValueError(f"like={where} has shape {np.shape(x)}, the saved array has {np.shape(new)}")
        out.append(new)
    return jax.tree.unflatten(treedef, out)


def _encode(x: Any, arrays: Arrays, names: dict[int, str], path: str) -> Any:
    if x is None or isinstance(x, bool | str) or (isinstance(x, int) and type(x) is int):
        return x
    if type(x) is float:
        return x if math.isfinite(x) else {"!": "float", "value": repr(x)}
    if isinstance(x, complex):
        return {"!": "complex", "value": [repr(x.real), repr(x.imag)]}
    if isinstance(x, jax.Array | np.ndarray | np.generic):
        if id(x) not in names:  # static, no leaf
            arrays[name := f"static{len(arrays)}"], how = pack_array(x)
            return {"!": "array", "array": name, **how}
        return {"!": "array", "array": names[id(x)], **pack_array(x)[1]}
    if isinstance(x, np.dtype):
        return {"!": "dtype", "name": x.name}
    if isinstance(x, slice):
        return {"!": "slice", "items": [_encode(v, arrays, names, path) for v in (x.start, x.stop, x.step)]}
    if isinstance(x, functools.partial):
        parts = [_encode(v, arrays, names, path) for v in (x.func, list(x.args), dict(x.keywords))]
        return {"!": "tree_partial" if isinstance(x, jax.tree_util.Partial) else "partial", "items": parts}
    if isinstance(x, dict):
        items = [[_encode(k, arrays, names, path), _encode(v, arrays, names, f"{path}[{k!r}]")] for k, v in x.items()]
        return {"!": "dict", "items": items}
    if isinstance(x, tuple | list):
        items = [_encode(v, arrays, names, f"{path}[{i}]") for i, v in enumerate(x)]
        if hasattr(x, "_fields"):
            return {"!": "namedtuple", "class": _name(type(x), path), "items": items}
        return items if type(x) is list else {"!": "tuple", "items": items}
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        name = _name(type(x), path)
        present = [f.name for f in dataclasses.fields(x) if hasattr(x, f.name)]
        fields = {f: _encode(getattr(x, f), arrays, names, f"{path}.{f}") for f in present}
        return {"!": "class", "class": name, "fields": fields}
    return {"!": "function", "name": _name(x, path)}


def _name(x: Any, path: str) -> str:
    name = name_of(x)
    if name is None:
        what = f"{getattr(x, '__module__', '')}.{getattr(x, '__qualname__', type(x).__name__)}".lstrip(".")
        raise Unnamed(f"{path} is {what}, which is neither the project's nor registered with train.register")
    return name


def _decode(x: Any, arrays: Arrays) -> Any:
    if isinstance(x, list):
        return [_decode(v, arrays) for v in x]
    if not isinstance(x, dict):
        return x
    return _DECODE[x["!"]](x, arrays)


def _decode_class(x: dict[str, Any], arrays: Arrays) -> Any:
    cls = find(x["class"])
    if not dataclasses.is_dataclass(cls):
        raise ValueError(f"{x['class']} is not a class with fields")
    known = {f.name: f for f in dataclasses.fields(cls)}
    if unknown := sorted(set(x["fields"]) - set(known)):
        raise ValueError(f"{x['class']} has no fields {unknown}: the model was saved by another version of its class")
    # without __init__, which draws new weights; as unflattening a pytree does
    new: Any = object.__new__(cls)  # type: ignore[arg-type]
    for name, f in known.items():
        if name in x["fields"]:
            object.__setattr__(new, name, _decode(x["fields"][name], arrays))
        elif f.default is not dataclasses.MISSING:
            object.__setattr__(new, name, f.default)
        elif f.default_factory is not dataclasses.MISSING:
            object.__setattr__(new, name, f.default_factory())
        elif f.init:
            raise ValueError(
                f"the saved model has no field {name!r} of {x['class']}: saved by another version of its class"
            )
    return new


def _items(x: dict[str, Any], arrays: Arrays) -> list[Any]:
    return [_decode(v, arrays) for v in x["items"]]


def _decode_partial(kind: type, x: dict[str, Any], arrays: Arrays) -> Any:
    function, args, keywords = _items(x, arrays)
    return kind(function, *args, **keywords)


_DECODE = {
    "float": lambda x, arrays: float(x["value"]),
    "complex": lambda x, arrays: complex(*map(float, x["value"])),
    "array": lambda x, arrays: unpack_array(arrays[x["array"]], x),
    "dtype": lambda x, arrays: jnp.dtype(x["name"]),
    "slice": lambda x, arrays: slice(*_items(x, arrays)),
    "partial": functools.partial(_decode_partial, functools.partial),
    "tree_partial": functools.partial(_decode_partial, jax.tree_util.Partial),
    "dict": lambda x, arrays: {_decode(k, arrays): _decode(v, arrays) for k, v in x["items"]},
    "tuple": lambda x, arrays: tuple(_items(x, arrays)),
    "namedtuple": lambda x, arrays: find(x["class"])(*_items(x, arrays)),
    "class": _decode_class,
    "function": lambda x, arrays: find(x["name"]),
}
