"""Powers in vector instructions, in double precision."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float64

from .logarithm import log_in_two_parts
from .parts import product_in_two_parts

_SMALLEST = float(np.finfo(np.float64).tiny)  # XLA takes smaller numbers for zero
_ORDINARY = 709.78  # logarithms of powers with all their digits


def power_in_vectors(x: Float64[Array, "*shape"], y: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
    """x to the power of y, within three units in the last place for |y| to 128, and |y| / 50 units beyond.

    exp(y log |x|) with the logarithm and the product in two parts each, as errors of the product are relative ones of
    the result.
    """
    size = jnp.abs(x)
    high, low = log_in_two_parts(size)
    high = jax.lax.select(size < jnp.inf, high, size)  # infinity and NaN
    high = jax.lax.select(size < _SMALLEST, jax.lax.full_like(high, -jnp.inf), high)
    product, rest = product_in_two_parts(y, high)
    out = jnp.exp(product)
    out = jax.lax.select(jnp.abs(product) < _ORDINARY, out * (1.0 + (rest + y * low)), out)
    return _signed(x, y, jax.lax.select((y == 0) | (x == 1), jax.lax.full_like(out, 1.0), out))


def _signed(
    x: Float64[Array, "*shape"], y: Float64[Array, "*shape"], out: Float64[Array, "*shape"]
) -> Float64[Array, "*shape"]:
    """The power of x from that of |x|: negative numbers have those of whole exponents only."""
    half = 0.5 * y
    whole = jax.lax.floor(y) == y
    odd = whole & (jax.lax.floor(half) != half)
    of_negative = jax.lax.select(odd, -out, out)
    of_negative = jax.lax.select(whole | (x == -jnp.inf), of_negative, jax.lax.full_like(out, jnp.nan))
    return jax.lax.select(x < 0, of_negative, out)
