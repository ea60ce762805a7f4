"""What a recorded gradient keeps: thinned snapshots in their slots; memory grows with the root of the steps."""

import jax
import jax.numpy as jnp
import pytest

import sciml_jax as sj
from sciml_jax.solve.sensitivity.record import Snapshots


@pytest.mark.parametrize("slots", [2, 4, 8, 32])
def test_every_multiple_of_the_spacing_is_in_its_slot(slots):
    """Thinning by overwriting: after any number of steps the multiples of 2^level, and nothing newer, lie where they
    are looked for."""
    recorder = Snapshots(slots, False)
    held, level = {0: 0}, 0
    for step in range(1, 1500):
        level += step >= slots << level
        if step % (1 << level) == 0:
            held[int(recorder.slot(step, level))] = step
        if step % 7 == 0 or step & (step - 1) == 0:
            for kept in range(0, step + 1, 1 << level):
                assert held[int(recorder.slot(kept, level))] == kept
    assert level == recorder.max_level(1499)
    assert len(held) == slots


def test_memory_of_a_gradient_through_a_hundred_thousand_steps():
    """1,000 dimensions: buffers of states that number about 3 sqrt(2 max_steps), and 8 bytes a step."""
    steps, n = 100_000, 1000

    def loss(a, gradient):
        sol = sj.solve_ode(
            lambda t, y, a: -a * y, (0.0, 1.0), jnp.ones(n), a, throw=False, max_steps=steps, gradient=gradient
        )
        return jnp.sum(sol.y)

    def bytes_of(gradient):
        compiled = jax.jit(jax.value_and_grad(lambda a: loss(a, gradient))).lower(1.0).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    expected = 3 * (2 * steps) ** 0.5 * n * 8 + 8 * steps
    # a factor for rounding to powers of two, and the stages of one step
    assert bytes_of(sj.Recorded()) < 2 * expected < 2**30
    # as many snapshots as the user likes
    assert bytes_of(sj.Recorded(snapshots=1 << 14)) > (1 << 14) * n * 8
