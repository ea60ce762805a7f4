"""Diffusions that are lineax operators without arrays to return, such as functions: traced by their products."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import PyTree

from ..problem import State, Time


class OperatorField(eqx.Module):
    """An operator for every (t, y, args), from its products with noises of this `structure`."""

    product: Callable
    structure: PyTree = eqx.field(static=True)

    def __call__(self, t: Time, y: State, args: PyTree) -> lx.FunctionLinearOperator:
        return lx.FunctionLinearOperator(lambda w: self.product(t, (y, w), args), self.structure)


def traced(diffusion: Callable, close: Callable, t: Time, y: State) -> tuple[Callable, Any]:
    """The diffusion, traced by `close(function, t, state)`, and its abstract value."""
    structures = []

    def arrays(t, y, args):
        g = diffusion(t, y, args)
        if isinstance(g, lx.AbstractLinearOperator) and not all(map(eqx.is_array_like, jax.tree.leaves(g))):
            structures.append(g.in_structure())
            return ()
        return g

    closed = close(arrays, t, y)
    if not structures:
        return closed, closed.out_shape
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), structures[0])
    product = close(lambda t, yw, args: diffusion(t, yw[0], args).mv(yw[1]), t, (y, zeros))
    if jax.tree.map(jnp.shape, product.out_shape) != jax.tree.map(jnp.shape, y):
        raise ValueError(
            f"the operator that diffusion returns must map the noise to states like y0, {jax.tree.map(jnp.shape, y)}; "
            f"its products have the shape {jax.tree.map(jnp.shape, product.out_shape)}"
        )
    return OperatorField(product, structures[0]), lx.FunctionLinearOperator(lambda w: w, structures[0])
