"""Operations that only move entries: they are applied to the entries' numbers, and cost nothing at run time."""

from collections.abc import Callable

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from ...core.primitives import MOVES, dtype_of, indexed_numbers, scatter_targets, shape_of, size_of
from ..values import LARGEST, Scalars, Value, as_entries, scalars, varies

# entries of an array that selections go through when an index differs between lanes; in kernels there is no other way
_CHAIN = 64


def _numbered(operands: list[Value]) -> tuple[np.ndarray, list[np.ndarray]]:
    """All entries in one list, and arrays of their numbers in it."""
    pool, numbers, start = [], [], 0
    for entries in map(as_entries, operands):
        numbers.append(np.arange(start, start + entries.size, dtype=np.int32).reshape(entries.shape))
        pool.extend(entries.ravel())
        start += entries.size
    return scalars(pool, (start,), np.int32).entries, numbers


def _taken(pool: np.ndarray, numbers, dtype) -> Scalars:
    numbers = np.asarray(numbers)
    return Scalars(pool[numbers.ravel()].reshape(numbers.shape), dtype)


def moved(move: Callable) -> Callable:
    """The rule of a primitive of `MOVES`."""

    def rule(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
        pool, numbers = _numbered(operands)
        out = move(*numbers, **eqn.params)
        parts = out if eqn.primitive.multiple_results else [out]
        return [_taken(pool, part, dtype_of(v)) for part, v in zip(parts, eqn.outvars, strict=True)]

    return rule


def _known(values: list[Value]) -> bool:
    return not any(varies(x) or isinstance(x, jax.core.Tracer) for x in values)


def indexed(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
    """Slices at places that are known while tracing, in which all lanes agree, or from few entries."""
    sliced = 2 if eqn.primitive.name == "dynamic_update_slice" else 1
    data, places = operands[:sliced], operands[sliced:]
    if _known(places):
        pool, numbers = _numbered(data)
        numbers = indexed_numbers(eqn, numbers, places)
        return [_taken(pool, numbers, dtype_of(eqn.outvars[0]))]
    if eqn.primitive.name == "gather" or size_of(eqn.invars[0]) > (LARGEST if run.strict else _CHAIN):
        return NotImplemented
    return _chain(run, eqn, data, places)


def _chain(run, eqn: JaxprEqn, data: list[Value], places: list[Value]) -> list[Value]:
    """Every possible place, one selected: of a slice, or of an update."""
    update = eqn.primitive.name == "dynamic_update_slice"
    shape, dtype = shape_of(eqn.invars[0]), dtype_of(eqn.outvars[0])
    size = shape_of(eqn.invars[1]) if update else eqn.params["slice_sizes"]
    pool, numbers = _numbered(data)
    starts = list(np.ndindex(*[n - k + 1 for n, k in zip(shape, size, strict=True)]))
    at = [as_entries(p)[()] for p in places]
    # indices beyond the last possible place count as the last one, and negative ones as the first
    at = [jnp.clip(p, 0, n - k) for p, n, k in zip(at, shape, size, strict=True)]
    chosen = None
    for start in starts:
        window = tuple(slice(s, s + k) for s, k in zip(start, size, strict=True))
        if update:
            here = numbers[0].copy()
            here[window] = numbers[1]
        else:
            here = numbers[0][window]
        part = pool[here.ravel()]
        if chosen is None:
            chosen = list(part)
            continue
        hit = True
        for p, s, n, k in zip(at, start, shape, size, strict=True):
            hit = hit if n == k else (p == s) & hit
        pairs = zip(part, chosen, strict=True)
        chosen = [old if old is new else _where(hit, new, old, dtype) for new, old in pairs]
    return [scalars(chosen, shape_of(eqn.outvars[0]), dtype)]


def _where(on, new, old, dtype):
    return jnp.where(on, jnp.asarray(new, dtype), jnp.asarray(old, dtype))


def scattered(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
    """Updates at places that are known while tracing."""
    data, places, updates = operands
    if not _known([places]):
        return NotImplemented
    targets = scatter_targets(eqn, np.asarray(places)) - 1  # -1: outside, dropped
    entries, new = as_entries(data).ravel().copy(), as_entries(updates).ravel()
    dtype = dtype_of(eqn.outvars[0])
    for target, x in zip(targets, new, strict=True):
        if target >= 0:
            entries[target] = x if eqn.primitive.name == "scatter" else jnp.asarray(entries[target], dtype) + x
    return [scalars(list(entries), shape_of(eqn.outvars[0]), dtype)]


RULES = {
    **{name: moved(move) for name, move in MOVES.items()},
    **dict.fromkeys(("gather", "dynamic_slice", "dynamic_update_slice"), indexed),
    **dict.fromkeys(("scatter", "scatter-add", "scatter_add"), scattered),
}
