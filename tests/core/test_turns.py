"""Members of a batch one after another."""

import jax
import jax.numpy as jnp
import numpy as np

from sciml_jax.core import in_turn


def collatz(n, bound):
    """How many steps to one, at most `bound`."""

    def step(state):
        n, k = state
        return jnp.where(n % 2, 3 * n + 1, n // 2), k + 1

    return jax.lax.while_loop(lambda state: (state[0] > 1) & (state[1] < bound["most"]), step, (n, jnp.int32(0)))[1]


def test_in_turn_is_what_vmap_is():
    ns, bound = jnp.arange(1, 13).reshape(3, 4), {"most": jnp.int32(100), "name": "no array"}
    alone = [[int(collatz(n, bound)) for n in row] for row in ns]
    taken = jax.jit(jax.vmap(jax.vmap(lambda n: in_turn(collatz, n, bound))))(ns)
    assert np.array_equal(taken, alone)
    assert int(in_turn(collatz, jnp.int32(27), bound)) == 100


def test_each_member_has_a_loop_of_its_own():
    """A loop that all share would compute with arrays of all members."""
    jaxpr = jax.make_jaxpr(jax.vmap(lambda n: in_turn(collatz, n, {"most": jnp.int32(100)})))(jnp.arange(5))
    text = str(jaxpr)
    assert "scan[" in text and "while[" in text
    inner = text[text.index("while[") :]
    assert "bool[5]" not in inner
