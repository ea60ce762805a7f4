"""Operations entry by entry."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn
from jaxtyping import Array, Float

from ...core.primitives import ELEMENTWISE, dtype_of, shape_of
from ..values import Value, as_entries, scalars, widened


def elementwise(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
    """The same operation on the scalars of every entry."""
    outs = []
    for _, row in rows(run, eqn, operands):
        out = eqn.primitive.bind(*row, **eqn.params)
        outs.append(out if eqn.primitive.multiple_results else [out])
    parts = zip(*outs, strict=True) if outs else [[] for _ in eqn.outvars]
    shape = shape_of(eqn.outvars[0])
    return [scalars(list(part), shape, dtype_of(v)) for part, v in zip(parts, eqn.outvars, strict=True)]


def rows(run, eqn: JaxprEqn, operands: list[Value]) -> list[tuple[bool, list[Array]]]:
    """The operands of every entry, in C order, and whether they differ between lanes: then they are vectors."""
    shape, dtypes = shape_of(eqn.outvars[0]), [dtype_of(v) for v in eqn.invars]
    columns = [np.broadcast_to(as_entries(x), shape).ravel() for x in operands]
    found = []
    for row in zip(*columns, strict=True):
        differs = any(jnp.ndim(x) for x in row)
        found.append(
            (
                differs,
                [widened(x, run.lanes, d) if differs else jnp.asarray(x, d) for x, d in zip(row, dtypes, strict=True)],
            )
        )
    return found


def barrier(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
    """Nothing: it keeps XLA from merging a row's layout with its computation, and scalars have none."""
    return operands


def once(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
    """Computed in one place, for which an operation that XLA takes for an expensive one suffices.

    XLA's CPU compiler computes cheap expressions again in every loop over lanes that reads them, a whole Runge-Kutta
    step in each of its results. A Lorenz step took 50 nanoseconds so, and takes 17.
    """
    dtype = dtype_of(eqn.outvars[0])
    if run.strict or not (jnp.issubdtype(dtype, jnp.floating) or dtype == np.bool_):
        return operands

    def kept(x):
        if not jnp.ndim(x):
            return x
        return _over_one(x.astype(jnp.float32)) > 0.5 if dtype == np.bool_ else _over_one(x)

    entries = [kept(x) for x in as_entries(operands[0]).ravel()]
    return [scalars(entries, shape_of(eqn.outvars[0]), dtype)]


def _over_one(x: Float[Array, " lanes"]) -> Float[Array, " lanes"]:
    """x divided by a one that XLA does not know to be one; LLVM, which sees that a bit is less than two, does."""
    bits = jax.lax.bitcast_convert_type(x, f"int{8 * x.dtype.itemsize}")
    least = jax.lax.bitwise_and(bits, jax.lax.full_like(bits, 1))
    one = jax.lax.select(least < 2, jax.lax.full_like(x, 1), jax.lax.full_like(x, 0.5))
    return jax.lax.div(x, one)


RULES = {
    **dict.fromkeys(ELEMENTWISE, elementwise),
    "threefry2x32": elementwise,
    "once": once,
    "optimization_barrier": barrier,
}
