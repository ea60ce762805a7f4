"""Poisson numbers as a pure function of a key and a counter."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ...core import while_loop
from ..noise.threefry import Words
from .draws import bits, numbered, uniform

_LARGE = 10.0  # mean from which the rejection is valid (Hörmann: 10)


def poisson(key: Words, n: Int[Array, ""], stream: int, mean: Float[Array, " m"]) -> Float[Array, " m"]:
    """Independent Poisson numbers of the given means, as real numbers; those of the n-th call with this key.

    Small means: the inverse of the distribution by search. Large ones: transformed rejection with squeeze (PTRS).
    Streams from `stream` to `stream` + 2 m are used.

    Source: W. Hörmann, The transformed rejection method for generating Poisson random variables, Insurance: Mathematics
    and Economics 12 (1993), doi:10.1016/0167-6687(93)90997-4.
    """
    mean = jnp.where(mean < jnp.inf, mean, 0)  # NaN too: a loop must end
    streams = stream + np.arange(mean.shape[0], dtype=np.uint32)
    large = mean >= _LARGE
    few = _by_search(key, n, streams, jnp.where(large, 0, mean))
    many = _by_rejection(key, n, streams + np.uint32(len(streams)), jnp.where(large, mean, _LARGE), large)
    return jnp.where(large, many, few)


def _by_search(key: Words, n, streams: np.ndarray, mean: Float[Array, " m"]) -> Float[Array, " m"]:
    u = uniform(bits(key, numbered(n), jnp.asarray(streams)), mean.dtype)
    p = jnp.exp(-mean)

    def ahead(state):
        _, p, total = state
        # in the far tail the sum stays what it is: the search must end there
        return (u >= total) & (total + p > total)

    def turn(state, rows, on):
        k, p, total = state
        go = ahead(state)
        k = k + go
        p = jnp.where(go, p * mean / jnp.maximum(k, 1), p)
        return (k, p, total + jnp.where(go, p, 0)), rows

    start = (jnp.zeros_like(mean), p, p)
    return while_loop(lambda state: jnp.any(ahead(state)), turn, start, ())[0][0]


def _by_rejection(key: Words, n, streams: np.ndarray, mean: Float[Array, " m"], wanted) -> Float[Array, " m"]:
    b = 0.931 + 2.53 * jnp.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    squeeze = 0.9277 - 3.6224 / (b - 2)
    places = jnp.asarray(streams)

    def turn(state, rows, on):
        k, todo, trial = state
        words = [bits(key, numbered(n, 2 * trial + i), places) for i in range(2)]
        u, v = (uniform(w, mean.dtype) for w in words)
        u, v = u - 0.5, 1 - v  # v in (0, 1]
        middle = jnp.maximum(0.5 - jnp.abs(u), np.float32(2.0**-25))
        new = jnp.floor((2 * a / middle + b) * u + mean + 0.43)
        quick = (middle >= 0.07) & (v <= squeeze)
        possible = (new >= 0) & ((middle >= 0.013) | (v <= middle))
        height = jnp.log(v * inverse_alpha / (a / middle**2 + b))
        taken = quick | (possible & (height <= log_probability(jnp.maximum(new, 0), mean)))
        return (jnp.where(todo & taken, new, k), todo & ~taken, trial + np.uint32(1)), rows

    start = (jnp.zeros_like(mean), wanted, jnp.zeros((), jnp.uint32))
    return while_loop(lambda state: jnp.any(state[1]), turn, start, ())[0][0]


def log_probability(k: Float[Array, "..."], mean: Float[Array, "..."]) -> Float[Array, "..."]:
    """The logarithm of the probability of k, accurate to rounding also where k and the mean are large.

    By the deviance and Stirling's series: differences of k log(mean) and log(k!) lose all digits of a float32.

    Source: C. Loader, Fast and accurate computation of binomial probabilities, 2000.
    """
    full = jnp.maximum(k, 1)
    d = (full - mean) / mean
    deviance = mean * ((1 + d) * jnp.log1p(d) - d)
    stirling = (1 / 12 - (1 / 360 - 1 / (1260 * full**2)) / full**2) / full
    return jnp.where(k < 1, -mean, -deviance - 0.5 * jnp.log(2 * math.pi * full) - stirling)
