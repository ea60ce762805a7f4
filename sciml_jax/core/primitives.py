"""What JAX's primitives do, for those who read jaxprs: which act entry by entry, only move entries, or call."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

ELEMENTWISE = frozenset(
    (
        *("abs", "acos", "acosh", "add", "add_any", "and", "asin", "asinh", "atan", "atan2", "atanh", "bessel_i0e"),
        *("bessel_i1e", "bitcast_convert_type", "cbrt", "ceil", "clamp", "clz", "complex", "conj"),
        "convert_element_type",
        *("copy", "copy_p", "cos", "cosh", "digamma", "div", "eq", "erf", "erf_inv", "erfc", "exp", "exp2", "expm1"),
        *("floor", "ge", "gt", "igamma", "igammac", "imag", "integer_pow", "is_finite", "le", "lgamma", "log", "log1p"),
        *("logistic", "lt", "max", "min", "mul", "ne", "neg", "nextafter", "not", "once", "or", "polygamma"),
        *("population_count", "pow", "eq_to", "le_to", "lt_to"),
        *("random_gamma_grad", "real", "reduce_precision", "regularized_incomplete_beta", "rem", "round", "rsqrt"),
        *("select_n", "shift_left", "shift_right_arithmetic", "shift_right_logical", "sign", "sin", "sinh", "sqrt"),
        *("square", "stop_gradient", "sub", "tan", "tanh", "xor", "zeta"),
    )
)
"""Entry i of the output is a function of the entries i of the operands; scalars are broadcast."""

CALLS = frozenset(
    (
        *("jit", "pjit", "closed_call", "core_call", "named_call", "checkpoint", "remat", "remat2"),
        *("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr", "custom_vmap_call", "own_jvp"),
    )
)
"""The value is that of the one jaxpr among the parameters."""


def called(eqn: JaxprEqn) -> tuple[Jaxpr, list] | None:
    """The jaxpr that a call runs on its operands, and the jaxpr's constants; `None` where it is no call."""
    found = [v for v in eqn.params.values() if isinstance(v, Jaxpr | ClosedJaxpr)]
    if eqn.primitive.name not in CALLS or len(found) != 1:
        return None
    jaxpr, consts = opened(found[0])
    return (jaxpr, consts) if len(jaxpr.invars) == len(eqn.invars) else None


def shape_of(atom: Any) -> tuple[int, ...]:
    """The shape of a variable or literal; () for what is no array."""
    return tuple(getattr(atom.aval, "shape", ()))


def dtype_of(atom: Any) -> Any:
    """The dtype of a variable or literal."""
    return getattr(atom.aval, "dtype", np.dtype(bool))


def size_of(atom: Any) -> int:
    """Number of entries of a variable or literal."""
    return math.prod(shape_of(atom))


def opened(jaxpr: Jaxpr | ClosedJaxpr) -> tuple[Jaxpr, list]:
    """A jaxpr and its constants."""
    return (jaxpr.jaxpr, list(jaxpr.consts)) if isinstance(jaxpr, ClosedJaxpr) else (jaxpr, [])


def linear_solve_parts(eqn: JaxprEqn) -> tuple[Jaxpr, list, slice]:
    """Of a `custom_linear_solve`: the jaxpr that solves, its constants, and which operands it takes before b."""
    lengths, jaxprs = eqn.params["const_lengths"], eqn.params["jaxprs"]
    jaxpr, consts = opened(jaxprs.solve)
    start = lengths.matvec + lengths.vecmat
    return jaxpr, consts, slice(start, start + lengths.solve)


def scan_parts(eqn: JaxprEqn) -> tuple[int, int]:
    """How many constants and how many carried values a scan has; what it scans over comes behind.

    JAX's names of these numbers change from version to version; what is scanned over has one axis more outside.
    """
    body = opened(eqn.params["jaxpr"])[0]
    axes = lambda atom: len(shape_of(atom))
    n_carry = sum(axes(a) == axes(b) for a, b in zip(eqn.outvars, body.outvars, strict=True))
    n_whole = sum(axes(a) == axes(b) for a, b in zip(eqn.invars, body.invars, strict=True))
    return n_whole - n_carry, n_carry


def scatter_targets(eqn: JaxprEqn, places: np.ndarray) -> np.ndarray:
    """Where a scatter to known places puts the entries of its updates: the numbers of the operand's entries, from 1 on,
    in the order of the updates; 0 where they fall outside and are dropped."""
    d = eqn.params["dimension_numbers"]
    shape, window = shape_of(eqn.invars[0]), shape_of(eqn.invars[2])
    kept = [i for i in range(len(shape)) if i not in (*d.inserted_window_dims, *d.operand_batching_dims)]
    sizes = [1] * len(shape)
    for axis, source in zip(kept, d.update_window_dims, strict=True):
        sizes[axis] = window[source]
    back = jax.lax.GatherDimensionNumbers(
        offset_dims=d.update_window_dims,
        collapsed_slice_dims=d.inserted_window_dims,
        start_index_map=d.scatter_dims_to_operand_dims,
        operand_batching_dims=d.operand_batching_dims,
        start_indices_batching_dims=d.scatter_indices_batching_dims,
    )
    with jax.ensure_compile_time_eval():
        numbers = jnp.arange(1, math.prod(shape) + 1, dtype=jnp.int32).reshape(shape)
        clipped = eqn.params["mode"] == jax.lax.GatherScatterMode.CLIP
        mode = "clip" if clipped else "fill"
        target = jax.lax.gather(numbers, jnp.asarray(places), back, sizes, mode=mode, fill_value=0)
    return np.ravel(np.asarray(target))


def indexed_numbers(eqn: JaxprEqn, numbers: list[np.ndarray], places: list[Any]) -> np.ndarray:
    """A slice at known places, or an update of one: the primitive itself, on the numbers of the entries."""
    params = eqn.params | ({"fill_value": 0} if "fill_value" in eqn.params else {})
    with jax.ensure_compile_time_eval():
        return np.asarray(eqn.primitive.bind(*map(jnp.asarray, [*numbers, *places]), **params))


def matrices(eqn: JaxprEqn, side: int, x: np.ndarray) -> np.ndarray:
    """An operand of a contraction with its axes gathered to (batch, free, summed)."""
    summed, batch = (axes[side] for axes in eqn.params["dimension_numbers"])
    free = [i for i in range(x.ndim) if i not in (*summed, *batch)]
    counts = [math.prod(x.shape[i] for i in axes) for axes in (batch, free, summed)]
    return x.transpose(*batch, *free, *summed).reshape(counts)


def _slice(x, *, start_indices, limit_indices, strides, **_):
    return x[tuple(map(slice, start_indices, limit_indices, strides or (1,) * x.ndim))]


def _broadcast(x, *rest, shape, broadcast_dimensions, **_):
    new = [1] * len(shape)
    for axis, count in zip(broadcast_dimensions, x.shape, strict=True):
        new[axis] = count
    return np.broadcast_to(x.reshape(new), shape)


def _pad(x, filler, *, padding_config, **_):
    with jax.ensure_compile_time_eval():
        return np.asarray(jax.lax.pad(jnp.asarray(x), jnp.asarray(filler), padding_config))


def _split(x, *, sizes, axis, **_):
    return np.split(x, np.cumsum(sizes)[:-1], axis)


MOVES: dict[str, Callable[..., Any]] = {
    "reshape": lambda x, *rest, new_sizes, **_: x.reshape(new_sizes),
    "squeeze": lambda x, *, dimensions, **_: np.squeeze(x, tuple(dimensions)),
    "expand_dims": lambda x, *, dimensions, **_: np.expand_dims(x, tuple(dimensions)),
    "transpose": lambda x, *, permutation, **_: x.transpose(permutation),
    "rev": lambda x, *, dimensions, **_: np.flip(x, dimensions),
    "concatenate": lambda *xs, dimension, **_: np.concatenate(xs, dimension),
    "stack": lambda *xs, axis, **_: np.stack(xs, axis),
    "slice": _slice,
    "broadcast_in_dim": _broadcast,
    "pad": _pad,
    "split": _split,
}
"""These only move entries: here on arrays of the entries' numbers (int32), with the primitive's own parameters."""
