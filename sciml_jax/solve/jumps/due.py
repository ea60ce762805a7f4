"""When the channels of a large network are due: what the next reaction method looks up instead of all waits."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

from ...core.once import kept
from ..noise.threefry import Words
from ..problem import Time
from .draws import exponential, numbered
from .network import Many, Network
from .tree import Tree, at_minimum, minima, put, with_minimum


class Due(NamedTuple):
    """The clock, and for each channel when it fires by it if its rate stays (infinite without one), its rate, what was
    left of its internal time when its rate last changed, and how often it has fired.

    The clock is set back every so many jumps, so that it stays of the size of a few waits.
    """

    times: Tree
    rates: Float[Array, " channels"]
    left: Float[Array, " channels"]
    fired: UInt32[Array, " channels"]
    clock: Time
    jumps: Int[Array, ""]


class Next(NamedTuple):
    """The channel that fires next, after which wait, how often it has fired then, and its next random number."""

    channel: Int[Array, ""]
    wait: Time
    count: UInt32[Array, ""]
    number: Time


def begin(network: Network, rates: Float[Array, " channels"], left: Float[Array, " channels"]) -> Due:
    """At a start, with random numbers `left`."""
    none = jnp.zeros(network.channels, jnp.uint32)
    return Due(minima(_time(0, left, rates)), rates, left, none, jnp.zeros((), left.dtype), jnp.int32(0))


def soonest(due: Due, words: Words) -> Next:
    """What comes next; the wait is NaN where a rate is none."""
    channel = at_minimum(due.times)
    wait = jnp.maximum(jnp.min(due.times[-1]) - due.clock, 0)
    count = kept(due.fired[channel] + 1)
    number = exponential(words, numbered(count), channel.astype(jnp.uint32), wait.dtype)
    return Next(channel, wait, count, number)


def fired(due: Due, network: Network, x: Many, next: Next, on: Bool[Array, ""]) -> tuple[Many, Due]:
    """Counts and times after it has fired, where `on`; where not, the solve has ended."""
    x, j, clock = network.fire_one(x, next.channel, on), next.channel, due.clock + next.wait

    def change(state, j, rate):
        times, rates, left = state
        # read before anything is written: XLA would copy the arrays otherwise
        time, old, rest, rate = kept(jnp.stack([times[0][j], rates[j], left[j], rate]))
        rest = jnp.where(old > 0, jnp.maximum(time - clock, 0) * old, rest)
        return with_minimum(times, j, _time(clock, rest, rate)), put(rates, j, rate), put(left, j, rest)

    times = with_minimum(due.times, j, _time(clock, next.number, due.rates[j]))
    times, rates, left = network.each_affected(j, x, change, (times, due.rates, due.left))
    again = due.jumps >= network.channels
    times, clock = jax.lax.cond(again, _set_back, lambda *state: state, times, clock)
    jumps = jnp.where(again, 0, due.jumps + 1)
    return x, Due(times, rates, left, put(due.fired, j, next.count), clock, jumps)


def _time(clock: Time | int, left: Array, rate: Array) -> Array:
    return jnp.where(rate == 0, jnp.inf, clock + left / rate)


def _set_back(times: Tree, clock: Time) -> tuple[Tree, Time]:
    return minima(times[0] - clock), jnp.zeros_like(clock)
