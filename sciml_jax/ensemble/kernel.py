"""Whole solves in one GPU kernel: a block of lanes lives in registers from its first step to its last."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl
from jaxtyping import Array, PyTree

from ..core import Closed
from .chunks import filled
from .interpreter import Interpreter, NotInLanes
from .lanes import differentiable, with_captured
from .parts import computed, split
from .values import LARGEST, Scalars, Value, as_entries, scalars, widened

_KEPT = (jnp.floating, jnp.integer)  # what kernels load and store; truth values go as integers


def run_kernel(
    one: Closed, shared: PyTree, mapped: PyTree, *, lanes: int, interpret: bool, forward_mode: bool = False
) -> PyTree:
    """`one(shared, row)` for every row of `mapped`, `lanes` of them (a power of two) in a program of the kernel.

    Everything that a solve carries stays in registers, and nothing is launched between its steps. `interpret` lets XLA
    run the kernel, on any platform. Derivatives in forward mode run in a kernel too, in reverse mode as under vmap.

    **Raises** `NotInLanes` for what a kernel cannot hold: arrays of more than 256 entries, operations without a rule.
    """
    evaluate = partial(_kernel, lanes=lanes, interpret=interpret)
    return differentiable(one, shared, mapped, evaluate, backwards=_vmapped, forward_mode=forward_mode)


def _vmapped(function: Callable, arrays: PyTree) -> PyTree:
    captured, shared, rows = arrays
    return jax.vmap(lambda row: function(captured, shared, row))(rows)


def _kernel(function: Callable, arrays: PyTree, *, lanes: int, interpret: bool) -> PyTree:
    """`function(captured, shared, row)` for every row, `arrays` being (captured, shared, rows)."""
    captured, shared, rows = arrays
    n = jax.tree.leaves(rows)[0].shape[0]
    row = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), rows)
    closed, like = jax.make_jaxpr(function, return_shape=True)(captured, shared, row)
    shared = jax.tree.leaves((captured, shared))
    parts = split(closed, len(shared))
    one, many, outs = computed(parts.before, *shared), jax.tree.leaves(rows), parts.during.out_avals
    for x in (*one, *outs):
        _check(jnp.shape(x), x.dtype)
    for x in many:
        _check(x.shape[1:], x.dtype)
    # what is known while tracing becomes numbers in the code
    traced = [isinstance(x, jax.core.Tracer) for x in one]
    given = [_flat(x, 0) for x, new in zip(one, traced, strict=True) if new]
    total = n + -n % lanes
    columns = [_flat(x, 1) for x in filled(many, total)]

    def kernel(*refs):
        loaded, rest = iter(refs[: len(given)]), refs[len(given) :]
        operands = [_entries(next(loaded), x, 0) if new else x for x, new in zip(one, traced, strict=True)]
        operands += [_entries(ref, x, 1) for ref, x in zip(rest, many, strict=False)]
        values = Interpreter(lanes, strict=True).run(parts.during.jaxpr, parts.during.consts, operands)
        for ref, value, x in zip(rest[len(many) :], values, outs, strict=True):
            _store(ref, value, lanes, x.dtype)

    shapes = [jax.ShapeDtypeStruct((max(math.prod(x.shape), 1), total), _stored(x.dtype)) for x in outs]
    block = lambda x: pl.BlockSpec((x.shape[0], lanes), lambda i: (0, i))  # noqa: E731
    settings: dict[str, Any] = {} if interpret else {"compiler_params": _settings(lanes)}
    results = pl.pallas_call(
        kernel,
        grid=(total // lanes,),
        in_specs=[*(pl.BlockSpec(x.shape, lambda i: (0,)) for x in given), *map(block, columns)],
        out_specs=list(map(block, shapes)),
        out_shape=shapes,
        interpret=interpret,
        **settings,
    )(*given, *columns)
    found = [_rows(x, like, n) for x, like in zip(results, outs, strict=True)]
    ends = jax.vmap(lambda row, found: computed(parts.after, *one, *row, *found), axis_size=n)(many, found)
    return jax.tree.unflatten(jax.tree.structure(like), ends)


def _settings(lanes: int):
    from jax.experimental.pallas import triton

    # a lane is a thread: what a block knows of its slowest lane stays within few warps
    return triton.CompilerParams(num_warps=max(1, lanes // 32), num_stages=1)


def _check(shape: tuple[int, ...], dtype) -> None:
    if math.prod(shape) > LARGEST:
        raise NotInLanes(f"an array of {math.prod(shape)} entries does not fit into registers (at most {LARGEST})")
    if not any(jnp.issubdtype(dtype, kind) for kind in (*_KEPT, jnp.bool_)):
        raise NotInLanes(f"numbers of type {dtype} have no place in a kernel")


def _stored(dtype):
    return jnp.int32 if dtype == np.bool_ else dtype


def _flat(x: Array, leading: int) -> Array:
    """An array as kernels take it: entries, shape (k,), or entries by lanes, shape (k, n)."""
    flat = jnp.reshape(x, (*x.shape[:leading], -1)).astype(_stored(x.dtype))
    flat = flat if flat.size else jnp.zeros((*x.shape[:leading], 1), flat.dtype)
    return flat.T if leading else flat


def _entries(ref, x, leading: int) -> Scalars:
    """The entries of an operand, each loaded as a scalar or as one number a lane."""
    shape, dtype = x.shape[leading:], x.dtype
    loaded = [ref[i] if not leading else ref[i, :] for i in range(math.prod(shape))]
    return scalars([v != 0 if dtype == np.bool_ else v for v in loaded], shape, dtype)


def _store(ref, value: Value, lanes: int, dtype) -> None:
    for i, entry in enumerate(as_entries(value).ravel()):
        ref[i, :] = widened(entry, lanes, dtype).astype(_stored(dtype))


def _rows(x: Array, like: jax.ShapeDtypeStruct, n: int) -> Array:
    entries = x[: math.prod(like.shape), :n]
    return entries.T.reshape(n, *like.shape).astype(like.dtype)


def no_kernel(one: Closed, shared: PyTree, mapped: PyTree, lanes: int) -> str | None:
    """Why a solve does not become a GPU kernel, or `None` where it does: it is lowered, not compiled.

    Cost: about that of tracing the solve twice.
    """
    like = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)), (one.captured, shared, mapped)
    )

    def kernel(arrays):
        return _kernel(with_captured(one), arrays, lanes=lanes, interpret=False)

    try:
        jax.jit(kernel).trace(like).lower(lowering_platforms=("cuda",))
    except (NotInLanes, NotImplementedError) as why:  # what we cannot run on scalars, and what Pallas cannot lower
        return str(why).splitlines()[0]
    return None
