"""Normal numbers as a pure function of a key, a counter and their place in an array."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from .threefry import Words, threefry

_SPREAD = 0x9E3779B9  # odd: multiples of it differ for all 2^32 places

# M. Giles, Approximating the erfinv function, GPU Computing Gems Jade, 2011: single precision
_CENTRAL = (
    *(2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087),
    *(-0.00125372503, -0.00417768164, 0.246640727, 1.50140941),
)
_TAIL = (
    *(-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773),
    *(-0.0076224613, 0.00943887047, 1.00167406, 2.83297682),
)


def key_words(key: Any) -> Words:
    """The words of a key of `jax.random`, of either style and any generator; words stay what they are."""
    if isinstance(key, Words):
        return key
    if not hasattr(key, "dtype"):
        raise TypeError(f"key must be a key of jax.random, such as jax.random.key(0); got {key!r}")
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.wrap_key_data(key)
    if key.shape != ():
        raise ValueError(f"key must be one key; got {key.shape} of them: call under jax.vmap, over the keys")
    data = jax.random.key_data(key)
    if data.shape[-1] != 2:
        data = jax.random.bits(key, (2,), jnp.uint32)
    return Words(data[0], data[1])


def time_words(t: Float[Array, ""]) -> Words:
    """The bits of a time, as a counter: different times, different numbers."""
    if t.dtype == jnp.float32:
        return Words(jax.lax.bitcast_convert_type(t, jnp.uint32), jnp.uint32(0))
    bits = jax.lax.bitcast_convert_type(t, jnp.uint64)
    return Words(bits.astype(jnp.uint32), (bits >> 32).astype(jnp.uint32))


# jitted, so that it is traced once for a shape: a solve traces its step several times
@partial(jax.jit, static_argnums=(2, 3, 4))
def normals(key: Words, counter: Words, stream: int, shape: tuple[int, ...], dtype) -> Float[Array, "..."]:
    """Standard normal numbers, independent for different keys, counters, streams and places.

    Cost: one cipher each, of which float32 uses 23 bits and float64 52.
    """
    places = (np.arange(math.prod(shape), dtype=np.uint64) * _SPREAD % 2**32).astype(np.uint32).reshape(shape)
    # a cipher for each: two numbers of one would have to be put together, which keeps XLA from vectorising the loop
    words = threefry(Words(key.first ^ places, key.second ^ np.uint32(stream * _SPREAD % 2**32)), counter)
    return normal32(words.first) if dtype == jnp.float32 else normal64(words)


def normal32(bits: UInt32[Array, "..."]) -> Float[Array, "..."]:
    r"""$\sqrt 2\, \mathrm{erf}^{-1}(u)$ with u uniform on the odd multiples of 2^-23 in (-1, 1); up to 5.2."""
    # 23 bits and a half are exact in float32: u is symmetric and never 1
    u = ((bits >> 9).astype(jnp.int32).astype(jnp.float32) + 0.5) * np.float32(2.0**-22) - 1
    w = -jnp.log((1 - u) * (1 + u))
    central, tail = _horner(_CENTRAL, w - 2.5), _horner(_TAIL, jnp.sqrt(w) - 3)
    return jnp.where(w < 5, central, tail) * (np.float32(math.sqrt(2)) * u)


def normal64(words: Words) -> Float[Array, "..."]:
    r"""$\sqrt 2\, \mathrm{erf}^{-1}(u)$ with u uniform on the odd multiples of 2^-52 in (-1, 1); up to 8.1."""
    high, low = ((x >> 6).astype(jnp.int32).astype(jnp.float64) for x in words)
    u = (high * 2.0**26 + low + 0.5) * 2.0**-51 - 1
    return math.sqrt(2) * jax.lax.erf_inv(u)


def _horner(coefficients: tuple[float, ...], x: Float[Array, "..."]) -> Float[Array, "..."]:
    value = jnp.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        value = value * x + np.float32(c)
    return value
