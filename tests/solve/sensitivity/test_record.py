"""What a recorded gradient keeps: thinned snapshots in their slots; memory grows with the root of the steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.solve.sensitivity.record import Snapshots


@pytest.mark.parametrize("slots", [2, 4, 8, 32])
def test_every_multiple_of_the_spacing_is_in_its_slot(slots):
    """Thinning by overwriting: after any number of steps the multiples of 2^level, and nothing newer, lie where they
    are looked for."""
    recorder = Snapshots(slots, False, 0, 0)
    held, level = {0: 0}, 0
    for step in range(1, 1500):
        level += step >= slots << level
        if step % (1 << level) == 0:
            held[int(recorder.slot(step, level))] = step
        if step % 7 == 0 or step & (step - 1) == 0:
            for kept in range(0, step + 1, 1 << level):
                assert held[int(recorder.slot(kept, level))] == kept
    assert len(held) == slots


def pendulum(t, y, args):
    return jnp.stack([y[1], -args * jnp.sin(y[0])])


def swung(omega, y0, gradient):
    bounce = sj.Event(lambda t, y, args: y[0], affect=lambda t, y, args: 0.9 * y, terminate=False)
    sol = sj.solve_ode(
        pendulum, (0.0, 12.0), y0, omega, save=jnp.linspace(0.5, 11.5, 7), events=[bounce], max_steps=128,
        method=sj.Bosh3(), rtol=1e-3, atol=1e-3, throw=False, gradient=gradient,
    )  # fmt: skip
    return jnp.sum(sol.y * jnp.cos(sol.t)[:, None]), (sol.stats["accepted"], sol.result)


def derivatives(gradient):
    """In lanes with different numbers of steps."""
    derive = jax.jit(jax.vmap(jax.value_and_grad(lambda *p: swung(*p, gradient), (0, 1), has_aux=True)))
    return derive(jnp.array([0.1, 1.0, 10.0]), jnp.array([[1.0, 0.0], [1.5, 0.2], [2.0, -0.4]]))


def test_segments_of_blocks(monkeypatch):
    """Replayed in one block, or block by block, with four snapshots: the gradient that keeps every state. One lane has
    fewer steps than a block, another several segments."""
    (value, (steps, result)), expected = derivatives(sj.Recorded(snapshots=128))
    assert bool(jnp.all(result == sj.RESULT.successful)) and 4 < int(steps[0]) < 16 and int(steps[2]) > 64
    for block_bits in (6, 2):
        recorder = lambda job, cuts, slots, bits=block_bits: Snapshots(4, cuts, 6, bits)
        monkeypatch.setattr(Snapshots, "sized", staticmethod(recorder))
        (again, _), found = derivatives(sj.Recorded())
        # another program rounds differently; cotangents grow to a few hundred
        for a, b in zip(jax.tree.leaves((again, found)), jax.tree.leaves((value, expected)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def oscillation(omega, **options):
    """At least 5,000 steps: more than a gradient keeps of adaptive ones, unless the user says so."""
    options = {"method": sj.Heun(), "rtol": 1e-3, "atol": 1e-3, "throw": False} | options
    sol = sj.solve_ode(pendulum, (0.0, 10.0), jnp.array([1.0, 0.0]), omega, **options)
    return sol.y[0], sol.result


@pytest.mark.parametrize("options", [{"dt_max": 2e-3, "max_steps": 6000}, {"dt": 2e-3}], ids=["given", "constant"])
def test_room_for_a_gradient(options):
    derive = jax.jit(jax.value_and_grad(lambda w: oscillation(w, **options), has_aux=True))
    (_, result), slope = derive(1.0)
    assert result == sj.RESULT.successful
    h = 1e-5
    # h^2 times a third derivative of about ten cubed
    difference = (oscillation(1.0 + h, **options)[0] - oscillation(1.0 - h, **options)[0]) / (2 * h)
    assert float(slope) == pytest.approx(float(difference), rel=1e-6)


def test_no_room_for_a_gradient():
    """The solve itself needs none."""
    assert oscillation(1.0, dt_max=2e-3)[1] == sj.RESULT.successful
    slope = jax.value_and_grad(lambda w: oscillation(w, dt_max=2e-3), has_aux=True)
    assert slope(1.0)[0][1] == sj.RESULT.record_capacity_reached
    with pytest.raises(sj.SolveError, match="more steps than a gradient has room for"):
        jax.grad(lambda w: oscillation(w, dt_max=2e-3, throw=True)[0])(1.0)


@pytest.mark.parametrize("dt", [0.1, 1 / 3, -0.07])
def test_room_for_constant_steps_that_are_known(dt):
    """Inside `jit` a gradient has room for as many steps as there will be, cut ones too, and no fewer."""
    t1, way = (1.0, 1.0) if dt > 0 else (-1.0, -1.0)
    hit = sj.Event(lambda t, y, args: y - 0.7, affect=lambda t, y, args: y)

    def end(rate, **options):
        field = lambda t, y, args: -way * args * y  # noqa: E731
        options |= {"method": sj.RK4(), "dt": dt, "step_to": [0.45 * t1]}
        return sj.solve_ode(field, (0.0, t1), jnp.float32(1.0), rate, **options).y

    for options in ({}, {"events": hit, "max_events": 1}):
        slope = jax.jit(jax.grad(lambda rate, options=options: end(rate, **options)))(1.0)
        # y = exp(-rate): the error of RK4, dt^4 / 120, and of single precision
        np.testing.assert_allclose(slope, -np.exp(-1.0), rtol=1e-3)


def test_large_states_are_kept_in_fewer_rows():
    """1,000,000 numbers, 4,096 steps: about 6 cubic roots of the steps, twice (the state and its derivative)."""

    def loss(a):
        return jnp.sum(sj.solve_ode(lambda t, y, a: -a * y, (0.0, 1.0), jnp.ones(10**6), a, throw=False).y)

    memory = jax.jit(jax.grad(loss)).lower(1.0).compile().memory_analysis().temp_size_in_bytes
    stages = 60
    assert memory < (2 * 6 * 4096 ** (1 / 3) * 1.2 + stages) * 8e6


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
