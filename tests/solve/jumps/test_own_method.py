"""A method of one's own, from public names only."""

import jax
import jax.numpy as jnp

import sciml_jax as sj
from sciml_jax.solve.jumps import JumpStep


class EveryHalf(sj.JumpMethod):
    """No chance at all: channel 0 fires every half unit of time while it has a rate."""

    def init(self, network, words, t, x):
        return jnp.zeros(())

    def step(self, network, words, n, t, x, left, state):
        a = network.hazards(t, x)
        wait = jnp.where(a[0] > 0, 0.5, jnp.inf)
        fires = wait <= left
        return JumpStep(wait, jnp.int32(0), state + 1, fires, ~fires, a[0] >= 0)


def test_a_method_of_ones_own():
    sol = sj.solve_jump(
        lambda t, x, args: x, [[-1]], (0.0, 9.75), [5], jax.random.key(0), method=EveryHalf(), save=sj.Steps(8)
    )
    assert sol.t.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 9.75, 9.75, 9.75]
    assert sol.y[:, 0].tolist() == [5, 4, 3, 2, 1, 0, 0, 0, 0] and int(sol.n) == 6
