"""Batches whose members are computed one after another."""

from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
from jax.custom_batching import sequential_vmap

Out = TypeVar("Out")


def in_turn(function: Callable[..., Out], *args) -> Out:
    """`function(*args)`, which under `vmap` runs once for each member instead of for all together.

    On CPUs, for loops that read and write a few entries of large arrays at places of their own: together they become
    gathers and scatters, which XLA does not put into vector instructions there, and all wait for the longest. `args`
    may hold what is no array; the result must be of arrays alone.

    >>> import jax, jax.numpy as jnp
    >>> power = lambda n: jax.lax.fori_loop(0, n, lambda _, x: 2 * x, 1)
    >>> jax.vmap(lambda n: in_turn(power, n))(jnp.arange(4)).tolist()
    [1, 2, 4, 8]
    """
    arrays, rest = eqx.partition(args, eqx.is_array)
    return sequential_vmap(lambda arrays: function(*eqx.combine(arrays, rest)))(arrays)
