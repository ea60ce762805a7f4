"""SSA: Gillespie's direct method, with thinning where rates change in time."""

from collections.abc import Callable

import jax.numpy as jnp

from .draws import numbered, uniform_and_exponential
from .method import JumpMethod, JumpStep
from .tree import at_sum, sums, total, with_sum


class SSA(JumpMethod):
    r"""Gillespie's direct method: exact paths, one exponential and one uniform number a jump.

    In the state x the next jump comes after an exponential time of mean $1 / a_0$, $a_0 = \sum_j a_j(x)$, and it is
    channel j with probability $a_j / a_0$.

    - `bound`: for rates that depend on t, `bound(t, x, args)`: at least $a_0$ at all times from t to t1 in the state
      x. Candidates then come at the rate of the bound, and one at t is a jump with probability $a_0(t) / $ bound
      (thinning, exact as well); the others are counted as rejected, and the bound is asked for again after them.
      Where the rates exceed it, the solve fails.

    Cost: the rates and one cipher a jump in float32, two in float64. Of a `sj.MassAction` or `sj.LocalRates` with more
    than 64 channels or species a CPU computes only those rates again whose counts have changed, and a tree of sums
    finds the channel: then the logarithm of their number a jump.

    Source: D. T. Gillespie, Exact stochastic simulation of coupled chemical reactions, J. Phys. Chem. 81 (1977),
    doi:10.1021/j100540a008; P. A. W. Lewis & G. S. Shedler, Simulation of nonhomogeneous Poisson processes by
    thinning, Naval Res. Logist. Q. 26 (1979), doi:10.1002/nav.3800260304. For many channels: M. A. Gibson & J. Bruck,
    Efficient exact stochastic simulation of chemical systems with many species and many channels, J. Phys. Chem. A 104
    (2000), doi:10.1021/jp993732q.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> season = lambda t, x, args: 5.0 * (1.0 + jnp.sin(t))[None]
    >>> most = lambda t, x, args: 10.0
    >>> sol = sj.solve_jump(season, [[1]], (0.0, 6.0), [0], jax.random.key(0), method=sj.SSA(bound=most))
    >>> bool(sol.y[0] == sol.stats["accepted"])
    True
    """

    bound: Callable | None = None

    @property
    def total_bound(self):
        return self.bound

    def init(self, network, words, t, x):
        return sums(network.first_rates(t, x)) if network.local else ()

    def step(self, network, words, n, t, x, left, state):
        u, e = uniform_and_exponential(words, numbered(n), 0, network.dtype)
        if network.local:
            whole = total(state)
            wait = e / whole
            return JumpStep(wait, at_sum(state, u * whole), state, wait <= left, wait > left, whole < jnp.inf)
        if network.bound is None:
            a = network.hazards(t, x)
            partial = network.sums(a)
            whole = partial[-1]
            wait = e / whole  # infinite where nothing happens any more
            fires, valid, threshold = wait <= left, network.valid(a, whole), u * whole
        else:
            most = network.most(t, x)
            wait = e / most
            a = network.hazards(t + jnp.minimum(wait, left), x)
            partial = network.sums(a)
            whole, threshold = partial[-1], u * most
            fires = (wait <= left) & (threshold < whole)
            valid = network.valid(a, whole) & (most < jnp.inf) & (whole <= most * (1 + 1e-5))
        return JumpStep(wait, (a, partial, threshold), state, fires, wait > left, valid)

    def fire(self, network, x, state, chosen, on):
        if not network.local:
            a, partial, threshold = chosen
            return network.fire_at(x, a, partial, threshold, on), state
        x = network.fire_one(x, chosen, on)
        return x, network.each_affected(chosen, x, with_sum, state)

    def check(self, network):
        if network.bound is None:
            super().check(network)
