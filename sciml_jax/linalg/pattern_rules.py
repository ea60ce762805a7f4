"""How single operations of a jaxpr hand on the dependence of their operands.

Every rule takes an equation, the rows of its operands' patterns (sparse boolean matrices, one row an entry; `None`
where nothing depends) and `value(atom)`, the array behind a constant (`None` where it is not known), and returns the
rows of the outputs.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn
from scipy import sparse

from ..core.primitives import ELEMENTWISE, MOVES, indexed_numbers, matrices, scatter_targets, shape_of
from ..core.primitives import size_of as size

Rows: TypeAlias = Any  # a boolean sparse.csr_array (size of the variable, entries of the input)


class TooDense(Exception):
    """So many dependences that no structure would pay."""


def check_density(count: int, n: int) -> None:
    """Gives up on patterns that would take seconds and gigabytes."""
    if count > max(2**22, 64 * n):
        raise TooDense


def union(*rows: Rows | None) -> Rows | None:
    """What any of several things of one size depends on."""
    found: list[Rows] = [a for i, a in enumerate(rows) if a is not None and not any(a is b for b in rows[:i])]
    return functools.reduce(lambda a, b: a + b, found) if found else None


def select(a: Rows, out: np.ndarray, into: np.ndarray, count: int) -> Rows:
    """Rows `into` of a, put together in the rows `out` of `count` new ones."""
    chosen = sparse.csr_array((np.ones(len(out), bool), (out, into)), shape=(count, a.shape[0]))
    return sparse.csr_array(chosen @ a)


def everything(a: Rows) -> Rows:
    """One row: what any of the rows depends on."""
    return select(a, np.zeros(a.shape[0], int), np.arange(a.shape[0]), 1)


def fold(a: Rows | None, length: int) -> Rows | None:
    """What any of the slices along a leading axis depends on."""
    rest = 0 if a is None else a.shape[0] // length
    return a if a is None else select(a, np.arange(a.shape[0]) % rest, np.arange(a.shape[0]), rest)


def repeat(a: Rows | None, length: int) -> Rows | None:
    """The same slice `length` times along a new leading axis."""
    return a if a is None else a[np.tile(np.arange(a.shape[0]), length)]


def dense(eqn: JaxprEqn, inputs: list, value: Callable | None = None) -> list[Rows | None]:
    """Every output depends on whatever the operands depend on."""
    row = union(*[everything(a) for a in inputs if a is not None])
    if row is not None:
        check_density(row.nnz * sum(map(size, eqn.outvars)), row.shape[1])
    return [None if row is None else row[np.zeros(size(v), int)] for v in eqn.outvars]


def _elementwise(eqn: JaxprEqn, inputs: list, value: Callable) -> list[Rows | None]:
    shape = shape_of(eqn.outvars[0])
    wide = []
    for atom, a in zip(eqn.invars, inputs, strict=True):
        if a is not None and shape_of(atom) != shape:  # scalars and axes of length 1 are broadcast without saying so
            a = a[np.broadcast_to(np.arange(size(atom)).reshape(shape_of(atom)), shape).ravel()]
        wide.append(a)
    return [union(*wide)] * len(eqn.outvars)


def _numbered(atoms, inputs: list) -> tuple[Rows, list[np.ndarray]]:
    """The rows of all operands one under the other after an empty one, and arrays of their numbers (0: nothing)."""
    stack, arrays, start = [], [], 1
    n = next(a.shape[1] for a in inputs if a is not None)
    for atom, a in zip(atoms, inputs, strict=True):
        shape = shape_of(atom)
        arrays.append(np.zeros(shape, np.int32) if a is None else np.arange(start, start + size(atom), dtype=np.int32))
        arrays[-1] = arrays[-1].reshape(shape)
        if a is not None:
            stack.append(a)
            start += size(atom)
    return sparse.csr_array(sparse.vstack([sparse.csr_array((1, n), dtype=bool), *stack], format="csr")), arrays


def _moved(move: Callable) -> Callable:
    """The rule of an operation that only moves entries: it is applied to their numbers."""

    def rule(eqn: JaxprEqn, inputs: list, value: Callable) -> list[Rows | None]:
        rows, numbers = _numbered(eqn.invars, inputs)
        out = move(*numbers, **eqn.params)
        return [rows[np.ravel(x)] for x in (out if eqn.primitive.multiple_results else [out])]

    return rule


def _indexed(eqn: JaxprEqn, inputs: list, value: Callable) -> list[Rows | None]:
    """Slices at known places: the operation itself, applied to the numbers of the entries."""
    sliced = 2 if eqn.primitive.name == "dynamic_update_slice" else 1
    places = [value(a) for a in eqn.invars[sliced:]]
    if any(p is None for p in places) or any(a is not None for a in inputs[sliced:]):
        return dense(eqn, inputs)
    rows, numbers = _numbered(eqn.invars[:sliced], inputs[:sliced])
    return [rows[np.ravel(indexed_numbers(eqn, numbers, places))]]


def _scatter(eqn: JaxprEqn, inputs: list, value: Callable) -> list[Rows | None]:
    operand, places, updates = inputs
    where = value(eqn.invars[1])
    if where is None or places is not None:
        return dense(eqn, inputs)
    target = scatter_targets(eqn, where)
    hit = np.nonzero(target)[0]
    if operand is not None and eqn.primitive.name == "scatter":  # what is overwritten is forgotten
        left = np.setdiff1d(np.arange(operand.shape[0]), target[hit] - 1)
        operand = select(operand, left, left, operand.shape[0])
    added = None if updates is None else select(updates, target[hit] - 1, hit, size(eqn.outvars[0]))
    return [union(operand, added)]


def _reduced(eqn: JaxprEqn, inputs: list, value: Callable) -> list[Rows | None]:
    shape, axes = shape_of(eqn.invars[0]), eqn.params["axes"]
    kept = [1 if i in axes else s for i, s in enumerate(shape)]
    out = np.broadcast_to(np.arange(size(eqn.outvars[0])).reshape(kept), shape).ravel()
    return [select(inputs[0], out, np.arange(len(out)), size(eqn.outvars[0]))]


def _cumulative(eqn: JaxprEqn, inputs: list, value: Callable) -> list[Rows | None]:
    shape, axis = shape_of(eqn.invars[0]), eqn.params["axis"]
    order = np.triu if eqn.params.get("reverse") else np.tril
    lines = np.moveaxis(np.arange(size(eqn.invars[0])).reshape(shape), axis, -1).reshape(-1, shape[axis])
    i, j = np.nonzero(order(np.ones((shape[axis],) * 2, bool)))
    return [select(inputs[0], lines[:, i].ravel(), lines[:, j].ravel(), size(eqn.invars[0]))]


def _sorted(eqn: JaxprEqn, inputs: list, value: Callable) -> list[Rows | None]:
    shape, axis = shape_of(eqn.invars[0]), eqn.params["dimension"]
    lines = np.moveaxis(np.arange(size(eqn.invars[0])).reshape(shape), axis, -1).reshape(-1, shape[axis])
    number = np.empty(size(eqn.invars[0]), int)
    number[lines] = np.arange(len(lines))[:, None]
    found: Any = union(*inputs)
    return [select(found, number, np.arange(len(number)), len(lines))[number]] * len(eqn.outvars)


def _contracted(eqn: JaxprEqn, inputs: list, value: Callable) -> list[Rows | None]:
    """Sums over products: every output depends on the entries that it sums; the zeros of a known factor count."""
    total: Rows | None = None
    for side, a in enumerate(inputs):
        if a is None:
            continue
        factor = value(eqn.invars[1 - side]) if inputs[1 - side] is None else None
        shape = shape_of(eqn.invars[1 - side])
        counts = np.ones(shape, bool) if factor is None else np.not_equal(factor, 0)
        numbers = np.arange(a.shape[0], dtype=np.int32).reshape(shape_of(eqn.invars[side]))
        total = union(total, _products(a, matrices(eqn, side, numbers), matrices(eqn, 1 - side, counts), side))
    return [total]


def _products(a: Rows, mine: np.ndarray, others: np.ndarray, side: int) -> Rows:
    batch, free, summed = mine.shape
    count = others.shape[1]
    if np.all(others):  # all that is summed over, the same for every free index of the other factor
        own = select(a, np.repeat(np.arange(batch * free), summed), mine.ravel(), batch * free)
        number = np.broadcast_to(np.arange(batch * free).reshape(batch, free, 1), (batch, free, count))
        return own[(number if side == 0 else number.swapaxes(1, 2)).ravel()]
    b, o, k = np.nonzero(others)
    f = np.arange(free)[:, None]
    out = (b * free + f) * count + o if side == 0 else (b * count + o) * free + f
    return select(a, out.ravel(), mine[b, f, k].ravel(), batch * free * count)


def _convolved(eqn: JaxprEqn, inputs: list, value: Callable) -> list[Rows | None]:
    """One convolution of the entries' numbers for every weight of the kernel but its output channel."""
    a, kernel = inputs
    if a is None or kernel is not None:
        return dense(eqn, inputs)
    spec = eqn.params["dimension_numbers"].rhs_spec
    shape = shape_of(eqn.invars[1])
    weights = value(eqn.invars[1])
    weights = np.ones(shape, bool) if weights is None else np.not_equal(weights, 0)
    taps = np.ndindex(*[shape[axis] for axis in spec[1:]])
    # small integers are exact in float32
    numbers = np.arange(1, size(eqn.invars[0]) + 1, dtype=np.float32).reshape(shape_of(eqn.invars[0]))
    if numbers.size >= 2**24:
        return dense(eqn, inputs)
    params = eqn.params | {"preferred_element_type": None}
    outs, ins = [], []
    with jax.ensure_compile_time_eval():
        for tap in taps:
            place: list = [slice(None)] * len(shape)
            for axis, i in zip(spec[1:], tap, strict=True):
                place[axis] = i
            only = np.zeros(shape, np.float32)
            only[tuple(place)] = weights[tuple(place)]
            found = eqn.primitive.bind(jnp.asarray(numbers), jnp.asarray(only), **params)
            found = np.ravel(np.asarray(found)).astype(int)
            outs.append(np.nonzero(found)[0])
            ins.append(found[outs[-1]] - 1)
    return [select(a, np.concatenate(outs), np.concatenate(ins), size(eqn.outvars[0]))]


_REDUCTIONS = ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "argmax", "argmin")
_SCATTERS = ("scatter", *[f"scatter{sign}{name}" for sign in "-_" for name in ("add", "sub", "mul", "min", "max")])

RULES: dict[str, Callable] = {
    **dict.fromkeys((*ELEMENTWISE, "optimization_barrier"), _elementwise),
    **{name: _moved(move) for name, move in MOVES.items()},
    **dict.fromkeys(_REDUCTIONS, _reduced),
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"), _cumulative),
    **dict.fromkeys(("gather", "dynamic_slice", "dynamic_update_slice"), _indexed),
    **dict.fromkeys(_SCATTERS, _scatter),
    "sort": _sorted,
    "dot_general": _contracted,
    "conv_general_dilated": _convolved,
}
