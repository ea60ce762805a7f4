"""Fully implicit differential-algebraic equations F(t, y, dy/dt, args) = 0 as a field."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.types import State, Time
from .consistency import RANK
from .structured import StructuredField


class FullyImplicit(StructuredField):
    r"""$F(t, y, \dot y, \mathrm{args}) = 0$ for one real vector y; made by `sj.solve_dae`.

    - `residual`: `residual(t, y, dy, args) -> F`, of the shape of y. `slope`: dy/dt at the start.

    Called like a field it is the derivative that F determines near `slope`: one Newton step, exact where F is linear in
    dy; components that F does not determine keep their slope. It starts histories, nothing else.
    """

    residual: Callable
    slope: Float[Array, " n"]

    def __call__(self, t, y, args):
        value = self.residual(t, y, self.slope, args)
        mass = jax.jacfwd(lambda dy: self.residual(t, y, dy, args))(self.slope)
        return self.slope - jnp.linalg.pinv(mass, rtol=RANK) @ value

    def check(self, y0):
        if not (hasattr(y0, "ndim") and y0.ndim == 1 and not jnp.iscomplexobj(y0)):
            raise ValueError("sj.solve_dae needs y0 to be one real vector, shape (n,)")
        if jnp.shape(self.slope) != y0.shape:
            raise ValueError(f"dy0 must have the shape of y0, {y0.shape}; it is {jnp.shape(self.slope)}")

    def closed(self, close: Callable, t: Time, y: State) -> "FullyImplicit":
        slope = jnp.asarray(self.slope, y.dtype)
        traced = close(lambda t, pair, args: as_residual(self.residual(t, *pair, args), y), t, (y, slope))
        return FullyImplicit(lambda t, y, dy, args: traced(t, (y, dy), args), slope)


def as_residual(value: Any, y: Float[Array, " n"]) -> Float[Array, " n"]:
    """What a user's residual returned, which must look like y."""
    leaves = jax.tree.leaves(value)
    if len(leaves) != 1 or jnp.shape(leaves[0]) != y.shape:
        shapes = [jnp.shape(x) for x in leaves]
        raise ValueError(f"residual must return one array of the shape of y0, {y.shape}; it returned {shapes}")
    return jnp.asarray(leaves[0], y.dtype)
