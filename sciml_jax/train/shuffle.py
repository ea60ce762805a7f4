"""A random permutation that is evaluated entry by entry: no sort, no memory, any position at once."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, UInt32

ROUNDS = 8


def round_keys(key: PRNGKeyArray) -> UInt32[Array, " 8"]:
    """The round keys of one permutation."""
    return jax.random.bits(key, (ROUNDS,), jnp.uint32)


def permute(keys: UInt32[Array, "8 *#n"], index: UInt32[Array, "*n"], size: int) -> UInt32[Array, "*n"]:
    """The images of `index` under the pseudo-random permutation of `range(size)` that `keys` choose.

    A Feistel network permutes the numbers of an even count of bits, whatever its round function (Luby & Rackoff 1988);
    images outside `range(size)` are permuted again until they fall inside, which happens on a cycle and so is a
    permutation of `range(size)` (cycle walking: J. Black, P. Rogaway, Ciphers with arbitrary finite domains, CT-RSA
    2002, doi:10.1007/3-540-45760-7_9). At most four walks are expected from 64 rows on. `size` is at most 2**31.

    >>> import jax, jax.numpy as jnp
    >>> keys = round_keys(jax.random.key(0))
    >>> sorted(permute(keys[:, None], jnp.arange(5, dtype=jnp.uint32), 5).tolist())
    [0, 1, 2, 3, 4]
    """
    # three bits a half at least: on fewer, Feistel networks reach only some of the permutations
    half = max(3, -(-(size - 1).bit_length() // 2))
    mask, limit = jnp.uint32((1 << half) - 1), jnp.uint32(size)

    def encipher(x):
        left, right = x >> half, x & mask
        for r in range(ROUNDS):
            left, right = right, left ^ (_mix(right ^ keys[r]) & mask)
        return (left << half) | right

    def walk(x):
        return jnp.where(x >= limit, encipher(x), x)

    return jax.lax.while_loop(lambda x: jnp.any(x >= limit), walk, encipher(index))


def _mix(h: UInt32[Array, "*n"]) -> UInt32[Array, "*n"]:
    # the finaliser of MurmurHash3: every input bit flips every output bit with probability near one half
    h = (h ^ (h >> 16)) * jnp.uint32(0x85EBCA6B)
    h = (h ^ (h >> 13)) * jnp.uint32(0xC2B2AE35)
    return h ^ (h >> 16)
