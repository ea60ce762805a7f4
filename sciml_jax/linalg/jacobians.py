"""Dense Jacobians by forward mode."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def jacobian(function: Callable, x: Float[Array, " n"]) -> Float[Array, "m n"]:
    """The Jacobian of `function` at `x`. Cost: n directional derivatives, computed together.

    >>> import jax.numpy as jnp
    >>> jacobian(lambda x: x**2, jnp.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    basis = jnp.eye(x.shape[0], dtype=x.dtype)
    return jax.vmap(lambda v: jax.jvp(function, (x,), (v,))[1], out_axes=-1)(basis)
