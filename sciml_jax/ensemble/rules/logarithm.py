"""Logarithms in vector instructions, in double precision."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float64

from .parts import upper

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # the first with 32 trailing zeros
_EVEN = (3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01)
_ODD = (6.666666666666735130e-01, 2.857142874366239149e-01, 1.818357216161805012e-01, 1.479819860511658591e-01)
_HALF_ROOT = 0x3FE6A09E667F3BCD  # the bits of the square root of 1/2


def log_in_vectors(x: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
    """The natural logarithm of any number, with an error below one unit in the last place.

    x = 2^k (1 + f) with 1 + f between the square roots of 1/2 and 2; log(1 + f) by a polynomial in s = f / (2 + f).

    Source: the method and coefficients of FDLIBM's `e_log.c` (Sun Microsystems, 1993).
    """
    k, f = _split(x)
    s = f / (2.0 + f)
    half = 0.5 * f * f
    out = k * _LN2_HIGH - ((half - (s * (half + _series(s)) + k * _LN2_LOW)) - f)
    out = jax.lax.select(x < jnp.inf, out, x)  # infinity and NaN
    bad = jax.lax.select(x == 0, jax.lax.full_like(x, -jnp.inf), jax.lax.full_like(x, jnp.nan))
    return jax.lax.select(x > 0, out, bad)


def log1p_in_vectors(x: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
    """log(1 + x) of any number, with an error below three units in the last place: log u for the rounded u = 1 + x, and
    what was rounded away by its derivative."""
    u = upper(1.0 + x, 1)  # XLA would simplify 1 + x - 1
    lost = jax.lax.select(jnp.abs(x) < 1.0, x - (u - 1.0), 1.0 - (u - x))
    usual = (u > 0) & (u < jnp.inf)
    return log_in_vectors(u) + jax.lax.select(usual, lost / u, jax.lax.full_like(x, 0.0))


def log_in_two_parts(x: Float64[Array, "*shape"]) -> tuple[Float64[Array, "*shape"], Float64[Array, "*shape"]]:
    """The logarithm of a positive number as a sum of two, within 2^-60 of an absolute error for x near one.

    The leading term 2 s of the series in s = f / (2 + f) is kept in two parts; all others are at most 0.0034.
    """
    k, f = _split(x)
    over = 1.0 / (2.0 + f)
    s = upper(f * over)
    denominator = upper(2.0 + f)
    s_low = over * ((f - s * denominator) - s * (f - (denominator - 2.0)))
    leading = 2.0 * s
    large = k * _LN2_HIGH + leading
    lost = (k * _LN2_HIGH - large) + leading
    whole = s + s_low
    small = lost + (2.0 * s_low + (whole * _series(whole) + k * _LN2_LOW))
    high = large + small
    return high, (large - high) + small


def _split(x: Float64[Array, "*shape"]) -> tuple[Float64[Array, "*shape"], Float64[Array, "*shape"]]:
    """k and f of x = 2^k (1 + f)."""
    bits = jax.lax.bitcast_convert_type(x, jnp.int64)
    exponent = (bits - _HALF_ROOT) >> 52
    f = jax.lax.bitcast_convert_type(bits - (exponent << 52), jnp.float64) - 1.0
    return exponent.astype(jnp.int32).astype(jnp.float64), f


def _series(s: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
    """(log(1 + f) - 2 s) / s."""
    z = s * s
    w = z * z
    even = w * (_EVEN[0] + w * (_EVEN[1] + w * _EVEN[2]))
    return even + z * (_ODD[0] + w * (_ODD[1] + w * (_ODD[2] + w * _ODD[3])))
