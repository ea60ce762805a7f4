"""NextReaction: the modified next reaction method."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from . import due
from .draws import exponential, numbered
from .method import JumpMethod, JumpStep
from .network import Many


class NextReaction(JumpMethod):
    r"""The modified next reaction method: exact paths, in which every channel has random numbers of its own.

    The path is that of unit Poisson processes $Y_j$, one a channel, in their own times:
    $x(t) = x_0 + \sum_j \nu_j Y_j\big(\int_0^t a_j(x(s))\,ds\big)$. The n-th firing of a channel reads the n-th number
    of that channel, whatever the others do: with one key, paths for parameters that differ a little stay together, and
    differences of their means have little noise.

    Cost: the rates, a division a channel and one cipher a jump; of a `sj.MassAction` or `sj.LocalRates` with more
    than 64 channels or species the logarithm of their number, as by `sj.SSA()`.

    Source: D. F. Anderson, A modified next reaction method for simulating chemical systems with time dependent
    propensities and delays, J. Chem. Phys. 127 (2007), doi:10.1063/1.2799998; after M. A. Gibson & J. Bruck, J. Phys.
    Chem. A 104 (2000), doi:10.1021/jp993732q. For common paths: M. Rathinam, P. W. Sheppard & M. Khammash,
    J. Chem. Phys. 132 (2010), doi:10.1063/1.3280166.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> def count(rate):
    ...     birth = lambda t, x, rate: rate * jnp.ones(1)
    ...     return sj.solve_jump(birth, [[1]], (0.0, 1.0), [0], jax.random.key(1), rate, method=sj.NextReaction()).y[0]
    >>> counts = [int(count(rate)) for rate in (10.0, 11.0, 12.0, 13.0)]
    >>> counts == sorted(counts)
    True
    """

    def init(self, network, words, t, x):
        # what is left of the internal time of each channel until it fires, and how often it has fired
        fired, channels = jnp.zeros(network.channels, jnp.uint32), jnp.arange(network.channels, dtype=jnp.uint32)
        rest = exponential(words, numbered(fired), channels, network.dtype)
        if network.local:
            return due.begin(network, network.first_rates(t, x), rest)
        return network.apart_rates(rest), network.apart_rates(fired)

    def step(self, network, words, n, t, x, left, state):
        if network.local:
            next = due.soonest(state, words)
            fires = next.wait <= left
            return JumpStep(next.wait, next, state, fires, ~fires, ~jnp.isnan(next.wait))
        rest, fired = state
        a = network.hazards(t, x)
        wait, which, count = _soonest(a, rest, fired)
        fires, moved = wait <= left, jnp.minimum(wait, left)
        new = exponential(words, numbered(count + 1), which, network.dtype)

        def rest_after(mine, rest, rate):
            return jnp.where(mine, new, jnp.maximum(rest - rate * moved, 0))

        channels = network.apart_rates(jnp.arange(network.channels, dtype=jnp.uint32))
        mine = jax.tree.map(lambda j: which == j, channels)
        rest = jax.tree.map(rest_after, mine, rest, a)
        fired = jax.tree.map(lambda k, m: k + m.astype(jnp.uint32), fired, mine)
        valid = network.valid(a, network.total(a))
        return JumpStep(wait, which.astype(jnp.int32), (rest, fired), fires, ~fires, valid)

    def fire(self, network, x, state, chosen, on):
        if network.local:
            return due.fired(state, network, x, chosen, on)
        return network.fire_one(x, chosen, on), state


def _soonest(a: Many, rest: Many, fired: Many) -> tuple[Array, Array, Array]:
    """How long until the next channel fires, which one it is, and how often it has fired before."""
    waits = jax.tree.map(lambda a, r: jnp.where(a > 0, r / a, jnp.inf), a, rest)
    if not isinstance(waits, tuple):
        which = jnp.argmin(waits).astype(jnp.uint32)
        return waits[which], which, fired[which]
    wait, which, count = waits[0], jnp.zeros((), jnp.uint32), fired[0]
    for j, other in enumerate(waits[1:], 1):
        sooner = other < wait
        wait = jnp.where(sooner, other, wait)
        which = jnp.where(sooner, jnp.uint32(j), which)
        count = jnp.where(sooner, fired[j], count)
    return wait, which, count
