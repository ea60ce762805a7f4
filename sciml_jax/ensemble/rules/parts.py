"""Numbers as sums of two, for products without rounding errors."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_LOWER = {np.dtype(np.float64): 27, np.dtype(np.float32): 12}  # bits: more than half of all


def upper(x: Float[Array, "*shape"], lower: int | None = None) -> Float[Array, "*shape"]:
    """x without its `lower` bits; by default so many that the product of two such numbers is exact."""
    mask = -1 << (_LOWER[np.dtype(x.dtype)] if lower is None else lower)
    bits = jax.lax.bitcast_convert_type(x, f"int{8 * x.dtype.itemsize}")
    return jax.lax.bitcast_convert_type(jax.lax.bitwise_and(bits, jax.lax.full_like(bits, mask)), x.dtype)


def product_in_two_parts(
    x: Float[Array, "*shape"], y: Float[Array, "*#shape"] | float
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """The rounded product and what was rounded away.

    Source: T. J. Dekker, A floating-point technique for extending the available precision, Numerische Mathematik 18
    (1971), doi:10.1007/BF01397083; numbers are split by their bits.
    """
    y = jnp.asarray(y, x.dtype)
    product = x * y
    x_upper, y_upper = upper(x), upper(y)
    x_lower, y_lower = x - x_upper, y - y_upper
    return product, ((x_upper * y_upper - product) + x_upper * y_lower + x_lower * y_upper) + x_lower * y_lower
