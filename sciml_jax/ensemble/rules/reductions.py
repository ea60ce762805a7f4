"""Sums, extremes, products and contractions over the entries of small arrays."""

import math
from collections.abc import Callable
from functools import reduce

import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from ...core.primitives import dtype_of, matrices, shape_of
from ..values import Scalars, Value, as_entries, scalars


def _lines(eqn: JaxprEqn, value: Value, axes: tuple[int, ...]) -> list[list]:
    """The entries that each output is made of, in the order of the outputs."""
    entries = as_entries(value)
    moved = np.moveaxis(entries, axes, range(-len(axes), 0)) if axes else entries[..., None]
    k = moved.ndim - max(len(axes), 1)
    return [list(line) for line in moved.reshape(math.prod(moved.shape[:k]), math.prod(moved.shape[k:]))]


def reduction(combine: Callable, empty) -> Callable:
    """The rule of a reduction; `empty(dtype)` is its value over nothing."""

    def rule(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
        shape, dtype = shape_of(eqn.outvars[0]), dtype_of(eqn.outvars[0])
        lines = _lines(eqn, operands[0], eqn.params["axes"])
        values = [reduce(combine, map(jnp.asarray, line)) if line else empty(dtype) for line in lines]
        return [scalars(values, shape, dtype)]

    return rule


def _extreme(better: Callable) -> Callable:
    """The rule of the place of the first largest or smallest entry; NaN counts as better than all."""

    def rule(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
        shape, dtype = shape_of(eqn.outvars[0]), dtype_of(eqn.outvars[0])
        places = []
        for line in _lines(eqn, operands[0], eqn.params["axes"]):
            best, place = jnp.asarray(line[0]), jnp.asarray(0, dtype)
            for i, x in enumerate(map(jnp.asarray, line[1:]), 1):
                found = (better(x, best) | (x != x)) & (best == best)
                best, place = jnp.where(found, x, best), jnp.where(found, jnp.asarray(i, dtype), place)
            places.append(place)
        return [scalars(places, shape, dtype)]

    return rule


def cumulative(combine: Callable) -> Callable:
    """The rule of a running sum, product or extreme."""

    def rule(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
        axis = eqn.params["axis"]
        entries = np.moveaxis(as_entries(operands[0]), axis, -1).copy()
        order = range(entries.shape[-1])
        order = list(reversed(order)) if eqn.params["reverse"] else list(order)
        for line in entries.reshape(math.prod(entries.shape[:-1]), entries.shape[-1]):
            for before, here in zip(order, order[1:], strict=False):
                line[here] = combine(jnp.asarray(line[before]), jnp.asarray(line[here]))
        return [Scalars(np.moveaxis(entries, -1, axis), dtype_of(eqn.outvars[0]))]

    return rule


def contraction(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
    """Products of small matrices, written out."""
    shape, dtype = shape_of(eqn.outvars[0]), dtype_of(eqn.outvars[0])
    a, b = (matrices(eqn, side, as_entries(x)) for side, x in enumerate(operands))
    values = []
    for left, right in zip(a, b, strict=True):
        for row in left:
            for column in right:
                pairs = zip(row, column, strict=True)
                products = [jnp.asarray(x, dtype) * jnp.asarray(y, dtype) for x, y in pairs]
                values.append(reduce(lambda x, y: x + y, products) if products else jnp.zeros((), dtype))
    return [scalars(values, shape, dtype)]


def _lowest(dtype):
    return jnp.asarray(-jnp.inf if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).min, dtype)


def _highest(dtype):
    return jnp.asarray(jnp.inf if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).max, dtype)


RULES = {
    "reduce_sum": reduction(lambda x, y: x + y, lambda dtype: jnp.zeros((), dtype)),
    "reduce_prod": reduction(lambda x, y: x * y, lambda dtype: jnp.ones((), dtype)),
    "reduce_max": reduction(jnp.maximum, _lowest),
    "reduce_min": reduction(jnp.minimum, _highest),
    "reduce_and": reduction(lambda x, y: x & y, lambda dtype: jnp.asarray(True)),
    "reduce_or": reduction(lambda x, y: x | y, lambda dtype: jnp.asarray(False)),
    "argmax": _extreme(lambda x, y: x > y),
    "argmin": _extreme(lambda x, y: x < y),
    "cumsum": cumulative(lambda x, y: x + y),
    "cumprod": cumulative(lambda x, y: x * y),
    "cummax": cumulative(jnp.maximum),
    "cummin": cumulative(jnp.minimum),
    "dot_general": contraction,
}
