"""SSA: Gillespie's direct method, with thinning where rates change in time."""

from collections.abc import Callable

import jax.numpy as jnp

from .draws import numbered, uniform_and_exponential
from .method import JumpMethod, JumpStep


class SSA(JumpMethod):
    r"""Gillespie's direct method: exact paths, one exponential and one uniform number a jump.

    In the state x the next jump comes after an exponential time of mean $1 / a_0$, $a_0 = \sum_j a_j(x)$, and it is
    channel j with probability $a_j / a_0$.

    - `bound`: for rates that depend on t, `bound(t, x, args)`: at least $a_0$ at all times from t to t1 in the state
      x. Candidates then come at the rate of the bound, and one at t is a jump with probability $a_0(t) / $ bound
      (thinning, exact as well); the others are counted as rejected, and the bound is asked for again after them.
      Where the rates exceed it, the solve fails.

    Cost: the rates and one cipher a jump in float32, two in float64.

    Source: D. T. Gillespie, Exact stochastic simulation of coupled chemical reactions, J. Phys. Chem. 81 (1977),
    doi:10.1021/j100540a008; P. A. W. Lewis & G. S. Shedler, Simulation of nonhomogeneous Poisson processes by
    thinning, Naval Res. Logist. Q. 26 (1979), doi:10.1002/nav.3800260304.

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
        return ()

    def step(self, network, words, n, t, x, left, state):
        u, e = uniform_and_exponential(words, numbered(n), 0, network.dtype)
        if network.bound is None:
            a = network.hazards(t, x)
            sums = network.sums(a)
            total = sums[-1]
            wait = e / total  # infinite where nothing happens any more
            fires, valid, threshold = wait <= left, network.valid(a, total), u * total
        else:
            most = network.most(t, x)
            wait = e / most
            a = network.hazards(t + jnp.minimum(wait, left), x)
            sums = network.sums(a)
            total, threshold = sums[-1], u * most
            fires = (wait <= left) & (threshold < total)
            valid = network.valid(a, total) & (most < jnp.inf) & (total <= most * (1 + 1e-5))
        x = network.fire_at(x, a, sums, threshold, fires)
        return JumpStep(wait, x, state, fires, wait > left, valid)

    def check(self, network):
        if network.bound is None:
            super().check(network)
