"""A network of channels as methods see it: rates, and what a firing changes."""

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PyTree

from ...core import Closed, Table
from ..problem import Time
from .neighbours import affected, changed
from .tree import put

_UNROLLED = 64  # channels and species up to which counts and rates are scalars of their own

_FEW = 8  # times as many channels as change rates, on average, from which one by one is faster than all at once

# Counts (species,) or values (channels,): scalars one by one in small networks, which `vmap` turns into arrays over
# paths that XLA fuses into one loop; one array in large ones.
Many: TypeAlias = tuple[Array, ...] | Array


def checked(rates: Array) -> Array:
    """Rates, NaN where they are negative or infinite: so they show in sums and minima."""
    return jnp.where((rates >= 0) & (rates < jnp.inf), rates, jnp.nan)


class Network(eqx.Module):
    r"""Channels with rates $a_j(t, x)$ and changes $\nu_j$, rows of a matrix (channels, species).

    `rate`: the rate of one channel, a function of (j, x, args), x the counts as they are, and `reads`, which counts it
    reads (channels, species), where those are known; `undeclared`: which rates read others too. `orders`: the
    stoichiometric orders of the reactants (channels, species) where they are known. `bound`: at least the total rate at
    all later times in a state.
    """

    rates: Closed
    rate: Closed | None
    undeclared: Closed | None
    args: PyTree
    bound: Closed | None
    changes: Table = eqx.field(static=True)
    reads: Table | None = eqx.field(static=True)
    orders: Table | None = eqx.field(static=True)
    dtype: Any = eqx.field(static=True)  # of times and rates

    @property
    def channels(self) -> int:
        return self.changes.array.shape[0]

    @property
    def species(self) -> int:
        return self.changes.array.shape[1]

    @property
    def unrolled(self) -> bool:
        """Whether counts and rates are scalars one by one."""
        return max(self.channels, self.species) <= _UNROLLED

    @property
    def alone(self) -> bool:
        """Whether paths are computed one after another: those of large networks on a CPU."""
        return not self.unrolled and jax.default_backend() == "cpu"

    @property
    def local(self) -> bool:
        """Whether a channel that fires changes few of many rates, which are known."""
        if not self.alone or self.rate is None or self.reads is None or self.bound is not None:
            return False
        return len(affected(self.changes, self.reads).indices) * _FEW <= self.channels**2

    @property
    def matrix(self) -> np.ndarray:
        """The changes, shape (channels, species)."""
        return self.changes.array.astype(np.float64)

    def apart(self, x: Array) -> Many:
        """Counts as the loop carries them."""
        return tuple(x[i] for i in range(self.species)) if self.unrolled else x

    def apart_rates(self, a: Array) -> Many:
        """Values of the channels as the loop carries them."""
        return tuple(a[j] for j in range(self.channels)) if self.unrolled else a

    def array(self, x: Many) -> Array:
        """Counts, shape (species,)."""
        return x if isinstance(x, jax.Array) else jnp.stack(x)

    def hazards(self, t: Time, x: Many) -> Many:
        """The rates of all channels; counts become real numbers first, whose products do not overflow."""
        # a rate that is a constant comes as a number
        a = jnp.asarray(self.rates(t, self.array(x).astype(self.dtype), self.args), self.dtype)
        return self.apart_rates(a)

    def first_rates(self, t: Time, x: Many) -> Array:
        """The rates of all channels at the start, NaN where they are none, or read what they are not said to read."""
        a = checked(jnp.asarray(self.hazards(t, x)))
        return a if self.undeclared is None else jnp.where(self.undeclared(self.array(x), self.args), jnp.nan, a)

    def most(self, t: Time, x: Many) -> Time:
        """The bound of the total rate."""
        assert self.bound is not None
        return jnp.asarray(self.bound(t, self.array(x).astype(self.dtype), self.args), self.dtype)

    def sums(self, a: Many) -> Many:
        """Partial sums of rates, the total last."""
        if isinstance(a, jax.Array):
            return jnp.cumsum(a)
        sums = [a[0]]
        for rate in a[1:]:
            sums.append(sums[-1] + rate)
        return tuple(sums)

    def total(self, a: Many) -> Time:
        """The sum of rates."""
        return jnp.sum(a) if isinstance(a, jax.Array) else reduce(jnp.add, a)

    def valid(self, a: Many, total: Time) -> Bool[Array, ""]:
        """Whether rates are neither negative nor NaN nor infinite."""
        lowest = jnp.min(a) if isinstance(a, jax.Array) else reduce(jnp.minimum, a)
        return (lowest >= 0) & (total < jnp.inf)

    def fire_at(self, x: Many, a: Many, sums: Many, threshold: Time, on: Bool[Array, ""]) -> Many:
        """Counts after the first channel whose partial sum exceeds `threshold` has fired, where `on`."""
        if not (isinstance(x, tuple) or isinstance(a, tuple) or isinstance(sums, tuple)):
            hit = (sums > threshold) & (a > 0)
            # partial sums of many numbers are not quite in order: a channel without a rate must not fire for that
            last = self.channels - 1 - jnp.argmax((a > 0)[::-1])
            return self.fire_one(x, jnp.where(jnp.any(hit), jnp.argmax(hit), last), on)
        past = [threshold >= s for s in sums[:-1]]
        return tuple(count + jnp.where(on, self._step(past, i, count.dtype), 0) for i, count in enumerate(x))

    def _step(self, past: list[Array], i: int, dtype) -> Array:
        """The change of species i in the first channel that is not past."""
        column = self.changes.array[:, i].tolist()
        change = jnp.asarray(column[0], dtype)
        for before, after, here in zip(column[:-1], column[1:], past, strict=True):
            if after != before:
                change = change + jnp.where(here, jnp.asarray(after - before, dtype), 0)
        return change

    def fire_one(self, x: Many, channel: Array, on: Bool[Array, ""]) -> Many:
        """Counts after one channel has fired, where `on`."""
        if isinstance(x, tuple):
            return self.fire_all(x, tuple(((channel == j) & on).astype(x[0].dtype) for j in range(self.channels)))
        if not self.alone:
            return x + jnp.where(on, jnp.asarray(self.matrix, x.dtype)[channel], 0)
        lists, amounts = changed(self.changes)

        def add(place, x):
            i, amount = jnp.asarray(lists.indices)[place], jnp.asarray(amounts, x.dtype)[place]
            return put(x, i, x[i] + jnp.where(on, amount, 0))

        return jax.lax.fori_loop(*lists.span(channel), add, x)

    def each_affected(
        self, channel: Array, x: Many, replace: Callable[[PyTree, Array, Array], PyTree], state: PyTree
    ) -> PyTree:
        """`state = replace(state, j, rate)` for each channel j whose rate changes when `channel` fires; x are the
        counts after it. What is no rate comes as NaN."""
        assert self.rate is not None and self.reads is not None
        rate, lists, counts = self.rate, affected(self.changes, self.reads), self.array(x)

        def one(place, state):
            j = jnp.asarray(lists.indices)[place]
            return replace(state, j, checked(rate(j, counts, self.args)))

        return jax.lax.fori_loop(*lists.span(channel), one, state)

    def fire_all(self, x: Many, times: Many) -> Many:
        """Counts after every channel has fired so many times."""
        if isinstance(x, jax.Array):
            return x + jnp.asarray(times, x.dtype) @ jnp.asarray(self.matrix, x.dtype)
        out = []
        for i, count in enumerate(x):
            for j, n in enumerate(times):
                change = self.changes.array[j, i]
                if change:
                    n = n.astype(count.dtype)
                    count = count + (n if change == 1 else jnp.asarray(change, count.dtype) * n)
            out.append(count)
        return tuple(out)
