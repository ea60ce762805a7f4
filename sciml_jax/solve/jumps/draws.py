"""Uniform and exponential numbers as pure functions of a key and a counter."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, UInt32

from ..noise.threefry import Words, threefry

_SPREAD = 0x9E3779B9  # odd: multiples of it differ for all 2^32 streams
_FIRST = 0x40000000  # streams below belong to the normal numbers of stochastic equations


def numbered(n: ArrayLike, k: ArrayLike = 0) -> Words:
    """Two whole numbers as a counter."""
    return Words(jnp.asarray(n).astype(jnp.uint32), jnp.asarray(k).astype(jnp.uint32))


def bits(key: Words, counter: Words, stream: int | UInt32[Array, "..."]) -> Words:
    """Random words, independent for different keys, counters and streams."""
    if isinstance(stream, int):
        place = np.uint32((_FIRST + stream) * _SPREAD % 2**32)
    else:
        place = (stream + np.uint32(_FIRST)) * np.uint32(_SPREAD)
    return threefry(Words(key.first, key.second ^ place), counter)


def uniform_and_exponential(
    key: Words, counter: Words, stream: int, dtype
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """A uniform number in [0, 1) and an exponential one of mean 1, independent of each other.

    Cost: one cipher in float32, two in float64. Streams `stream` and `stream` + 1 are used.
    """
    words = bits(key, counter, stream)
    if dtype == jnp.float32:
        return uniform32(words.first), exponential32(words.second)
    return uniform64(words), exponential64(bits(key, counter, stream + 1))


def exponential(key: Words, counter: Words, stream: int | UInt32[Array, "..."], dtype) -> Float[Array, "..."]:
    """An exponential number of mean 1."""
    words = bits(key, counter, stream)
    return exponential32(words.second) if dtype == jnp.float32 else exponential64(words)


def uniform(words: Words, dtype) -> Float[Array, "..."]:
    """A uniform number in [0, 1)."""
    return uniform32(words.first) if dtype == jnp.float32 else uniform64(words)


def uniform32(word: UInt32[Array, "..."]) -> Float[Array, "..."]:
    """A multiple of 2^-24 in [0, 1): times a float32 it is smaller than that number, also after rounding."""
    return (word >> 8).astype(jnp.int32).astype(jnp.float32) * np.float32(2.0**-24)


def uniform64(words: Words) -> Float[Array, "..."]:
    """A multiple of 2^-52 in [0, 1)."""
    high, low = ((x >> 6).astype(jnp.int32).astype(jnp.float64) for x in words)
    return (high * 2.0**26 + low) * 2.0**-52


def exponential32(word: UInt32[Array, "..."]) -> Float[Array, "..."]:
    """-log(u), u uniform on the odd multiples of 2^-24 in (0, 1); up to 16.6."""
    # 23 bits and a half are exact in float32: u is never 0 or 1
    return -jnp.log(((word >> 9).astype(jnp.int32).astype(jnp.float32) + 0.5) * np.float32(2.0**-23))


def exponential64(words: Words) -> Float[Array, "..."]:
    """-log(u), u uniform on the odd multiples of 2^-53 in (0, 1); up to 36.7."""
    return -jnp.log(uniform64(words) + 2.0**-53)
