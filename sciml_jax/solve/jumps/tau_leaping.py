"""TauLeaping: many firings at once, where rates hardly change."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from ..problem import Time
from .draws import numbered, uniform_and_exponential
from .method import JumpMethod, JumpStep
from .network import Network
from .poisson import poisson


class TauLeaping(JumpMethod):
    r"""Explicit tau-leaping: in a leap $\tau$ channel j fires a Poisson number of times, of mean $a_j(x)\,\tau$.

    - `epsilon`: bound of the relative change of the rates in a leap (0.03). Means err by a term of first order in it.
    - `critical`: a channel that could use up one of its reactants in fewer firings than this (10) is critical; of these
      at most one fires in a leap, once.
    - `exact`: leaps shorter than this many mean waiting times (10) are made as one exact jump instead.

    Leaps are as long as the relative change of no rate exceeds $\epsilon$, judged by $x_i / g_i$ for each reactant,
    where $g_i$ follows from the orders of a `sj.MassAction`; for other rates every species counts as a reactant of
    second order with itself. A leap that would make a count negative is tried again, half as long, and counted as
    rejected: counts never are. Rates that are positive without reactants fail. Within a leap the state is constant.

    Cost: the rates and a Poisson number a channel and leap, as much as several to thirty exact jumps: worth it where
    paths have tens of thousands of jumps.

    Source: Y. Cao, D. T. Gillespie & L. R. Petzold, Efficient step size selection for the tau-leaping simulation
    method, J. Chem. Phys. 124 (2006) 044109, doi:10.1063/1.2159468.

    >>> import jax, sciml_jax as sj
    >>> decay = sj.MassAction([[1]], [[0]], [1.0])
    >>> options = {"key": jax.random.key(0), "method": sj.TauLeaping()}
    >>> sol = sj.solve_jump(decay, decay.stoichiometry, (0.0, 1.0), [100_000], **options)
    >>> bool(abs(sol.y[0] - 36_788) < 1500), bool(sol.stats["accepted"] < 100)
    (True, True)
    """

    epsilon: float = eqx.field(static=True, default=0.03)
    critical: int = eqx.field(static=True, default=10)
    exact: float = eqx.field(static=True, default=10.0)

    def __check_init__(self):
        if not 0 < self.epsilon < 1:
            raise ValueError(f"epsilon of sj.TauLeaping must lie between 0 and 1; got {self.epsilon!r}")
        if self.critical < 0 or self.exact < 0:
            raise ValueError(f"critical and exact of sj.TauLeaping must not be negative; got {self!r}")

    def init(self, network, words, t, x):
        return jnp.full((), jnp.inf, network.dtype)  # the longest leap, after one that was too long

    def step(self, network, words, n, t, x, left, state):
        counts = network.array(x).astype(network.dtype)
        a = jnp.stack(list(network.hazards(t, x)))
        u, e = uniform_and_exponential(words, numbered(n), 0, a.dtype)
        total = jnp.sum(a)
        scarce = (a > 0) & (_firings_left(network, counts) < self.critical)
        longest = jnp.minimum(self._longest(network, counts, jnp.where(scarce, 0, a)), state)
        one_jump = longest < self.exact / total
        # what fires at most once: any channel in an exact jump, else a critical one
        single = jnp.where(one_jump | scarce, a, 0)
        wait = e / jnp.sum(single)
        once = (one_jump | (wait <= longest)) & (wait <= left)
        tau = jnp.minimum(jnp.where(one_jump, wait, jnp.minimum(longest, wait)), left)
        ends = jnp.where(one_jump, wait > left, tau >= left)
        times = poisson(words, n, 2, jnp.where(one_jump | scarce, 0, a * tau)) + _chosen(single, u, once)
        new = counts + times @ jnp.asarray(network.matrix, a.dtype)
        negative = jnp.any(new < 0)
        fires = (total > 0) & ~negative & (once | ~one_jump)
        valid = network.valid(a, total) & ~(negative & one_jump)
        limit = jnp.where(negative, 0.5 * tau, jnp.inf)
        return JumpStep(jnp.where(negative, 0, tau), times, limit, fires, ends & ~negative, valid)

    def fire(self, network, x, state, chosen, on):
        times = jnp.where(on, chosen, 0).astype(network.array(x).dtype)
        return network.fire_all(x, network.apart_rates(times)), state

    def _longest(self, network: Network, x: Float[Array, " species"], a: Float[Array, " channels"]) -> Time:
        """The leap in which no rate is expected to change by more than epsilon."""
        matrix = jnp.asarray(network.matrix, a.dtype)
        drift, spread = a @ matrix, a @ matrix**2
        g, reacts = _orders(network, x)
        change = jnp.maximum(self.epsilon * x / g, 1)
        by_mean = change / jnp.abs(drift)
        by_spread = change**2 / spread
        return jnp.min(jnp.where(reacts & (spread > 0), jnp.minimum(by_mean, by_spread), jnp.inf))


def _chosen(a: Float[Array, " channels"], u: Time, on: Bool[Array, ""]) -> Float[Array, " channels"]:
    """One at the channel that fires, with probabilities in proportion to a; zeros where not `on`."""
    sums = jnp.cumsum(a)
    hit = (sums > u * sums[-1]) & (a > 0)
    last = len(a) - 1 - jnp.argmax((a > 0)[::-1])
    channel = jnp.where(jnp.any(hit), jnp.argmax(hit), last)
    return ((jnp.arange(len(a)) == channel) & on).astype(a.dtype)


def _firings_left(network: Network, x: Float[Array, " species"]) -> Float[Array, " channels"]:
    """How often every channel could fire alone until one of its reactants is used up."""
    used = np.maximum(-network.matrix, 0)
    per = jnp.floor(x / jnp.asarray(np.where(used > 0, used, 1), x.dtype))
    return jnp.min(jnp.where(used > 0, per, jnp.inf), axis=1)


def _orders(network: Network, x: Float[Array, " species"]) -> tuple[PyTree, np.ndarray]:
    """How much a relative change of a count changes rates, g_i at most, and which species are reactants."""
    self_two = 2 + 1 / jnp.maximum(x - 1, 1)
    if network.orders is None:
        return self_two, np.ones(network.species, bool)
    orders = network.orders.array
    three = 3 + 1 / jnp.maximum(x - 1, 1) + 2 / jnp.maximum(x - 2, 1)
    g = []
    for i in range(network.species):
        mine = orders[orders[:, i] > 0]
        highest = int(mine.sum(axis=1).max()) if len(mine) else 1
        most = int(mine[mine.sum(axis=1) == highest][:, i].max()) if len(mine) else 1
        if highest <= 2:
            g.append(self_two[i] if most == 2 else jnp.full((), float(highest), x.dtype))
        elif highest == 3:
            g.append({1: jnp.full((), 3.0, x.dtype), 2: 1.5 * self_two[i], 3: three[i]}[most])
        else:  # beyond the source, which ends at order 3: as for one species alone
            g.append(highest + sum(m / jnp.maximum(x[i] - m, 1) for m in range(1, most)))
    return jnp.stack(g), orders.sum(axis=0) > 0
