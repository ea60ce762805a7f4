"""Elementary functions in vector instructions, where XLA's CPU compiler calls a scalar library lane by lane."""

from collections.abc import Callable

import jax
import numpy as np
from jax.extend.core import JaxprEqn
from jaxtyping import Array, Float

from ...core.primitives import dtype_of, shape_of
from ..values import Value, scalars
from .elementwise import elementwise, rows
from .logarithm import log1p_in_vectors, log_in_vectors
from .power import power_in_vectors
from .sine import cos_in_vectors, sin_in_vectors

Lanes = Float[Array, " lanes"]
_MANY = 16  # entries: each that is compiled on its own takes 0.02 seconds in every stage of a method


def _rule(function: Callable[..., Lanes], *dtypes: type) -> Callable:
    """A rule that evaluates `function` on vectors of these types, outside kernels."""
    function = jax.jit(function)  # traced once

    def rule(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
        dtype = dtype_of(eqn.outvars[0])
        if run.strict or dtype not in dtypes or any(dtype_of(v) != dtype for v in eqn.invars):
            return elementwise(run, eqn, operands)
        entries = rows(run, eqn, operands)
        lanes = [row for differs, row in entries if differs]
        values = iter(_in_one(function, lanes) if len(lanes) > _MANY else [function(*row) for row in lanes])
        out = [next(values) if differs else eqn.primitive.bind(*row, **eqn.params) for differs, row in entries]
        return [scalars(out, shape_of(eqn.outvars[0]), dtype)]

    return rule


def _in_one(function: Callable, entries: list[list[Lanes]]) -> list[Lanes]:
    """All entries in one vector: half as fast, but compiled once. (XLA would put it together anew in every result.)"""
    columns = [jax.lax.concatenate(column, 0) for column in zip(*entries, strict=True)]
    out = jax.lax.optimization_barrier(function(*jax.lax.optimization_barrier(columns)))
    return list(jax.lax.split(out, [len(entries[0][0])] * len(entries)))


RULES = {
    "log": _rule(log_in_vectors, np.float64),
    "log1p": _rule(log1p_in_vectors, np.float64),
    "sin": _rule(sin_in_vectors, np.float64, np.float32),
    "cos": _rule(cos_in_vectors, np.float64, np.float32),
    "pow": _rule(power_in_vectors, np.float64),
}
