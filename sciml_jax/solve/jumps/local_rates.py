"""LocalRates: rates channel by channel, each a function of few counts."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PyTree

from ...core import Table
from .. import arguments
from ..problem import Time


class LocalRates(eqx.Module):
    r"""Rates of one's own for large networks, $a_j(x)$ as a function of j, each of which reads few counts.

    - `one`: `one(j, x, args) -> a`, the rate of channel j, an integer that is traced: look up what differs between
      channels in arrays, `k[j]`. x comes as it was given to the solve, whole numbers too.
    - `reads`: which counts the rates read, shape (channels, species), true or nonzero where channel j reads species i.

    Called as `rates(t, x, args)`. Of more than 64 channels or species a CPU computes only those rates again whose
    counts have changed, as of a `sj.MassAction`: the logarithm of their number a jump by `sj.SSA()` and
    `sj.NextReaction()`. At the start every rate is also computed with other values of the counts that it is not said to
    read, and the solve fails where that makes a difference.

    **Raises** `ValueError` for other shapes.

    >>> import jax, jax.numpy as jnp, numpy as np, sciml_jax as sj
    >>> n = 100  # sites on a ring, whose molecules move on, and where fewer the more there are
    >>> crowded = lambda j, x, k: k * x[j] / (1.0 + 0.01 * x[j])
    >>> change = np.roll(np.eye(n, dtype=int), 1, axis=1) - np.eye(n, dtype=int)
    >>> ring = sj.LocalRates(crowded, reads=np.eye(n))
    >>> sol = sj.solve_jump(ring, change, (0.0, 1.0), [20] * n, jax.random.key(0), 1.0)
    >>> int(sol.y.sum())
    2000
    """

    one: Callable
    reads: Table = eqx.field(static=True)

    def __init__(self, one: Callable, reads: ArrayLike):
        arguments.callable_with("one of sj.LocalRates", one, "j, x, args")
        self.one = one
        matrix = np.asarray(reads)
        if matrix.ndim != 2 or matrix.size == 0:
            raise ValueError(f"reads of sj.LocalRates must have shape (channels, species); got {matrix.shape}")
        self.reads = Table(matrix != 0)

    def __call__(self, t: Time, x: Float[Array, " species"], args: PyTree) -> Float[Array, " channels"]:
        """The rates at counts x."""
        return jax.vmap(lambda j: self.rate(j, x, args))(jnp.arange(len(self.reads.array)))

    def rate(self, channel: Int[Array, ""], x: Array, args: PyTree) -> Float[Array, ""]:
        """The rate of one channel."""
        rate = jnp.asarray(self.one(channel, x, args), jnp.result_type(x.dtype, float))
        if rate.shape != ():
            raise ValueError(f"one of sj.LocalRates must return one number; it returned shape {rate.shape}")
        return rate

    def undeclared(self, x: Array, args: PyTree) -> Bool[Array, " channels"]:
        """Which rates change where all counts change that they are not said to read."""

        def changes(j, reads):
            before, after = self.rate(j, x, args), self.rate(j, jnp.where(reads, x, 2 * x + 1), args)
            # another program may round differently
            return jnp.abs(after - before) > jnp.sqrt(jnp.finfo(before.dtype).eps) * jnp.abs(before)

        return jax.vmap(changes)(jnp.arange(len(self.reads.array)), jnp.asarray(self.reads.array))
