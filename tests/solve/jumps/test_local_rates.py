"""Rates channel by channel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

N = 70
UNIT = np.eye(N, dtype=int)
CHANGES = np.concatenate([np.roll(UNIT, 1, axis=1) - UNIT, np.roll(UNIT, -1, axis=1) - UNIT])
READS = np.concatenate([UNIT + np.roll(UNIT, 1, axis=1), UNIT + np.roll(UNIT, -1, axis=1)])


def hop(j, x, args):
    """To the right by the first half of the channels, to the left by the others; slower where the neighbour is full."""
    speed, full = args
    here, there = j % N, (j + jnp.where(j < N, 1, -1)) % N
    return speed[j] * x[here] / (1.0 + x[there] / full)


ARGS = (np.linspace(0.5, 2.0, 2 * N), 10.0)


@pytest.mark.parametrize("method", [sj.SSA(), sj.NextReaction()], ids=str)
@pytest.mark.parametrize("dtype", [np.int32, float])
def test_local_rates_are_the_rates(method, dtype):
    """Jump by jump what a function of all rates gives, of which all are computed every time."""
    rates, start = sj.LocalRates(hop, READS), (np.arange(N) % 4).astype(dtype)

    def path(rates, key):
        options = {"method": method, "save": sj.Steps(400)}
        sol = sj.solve_jump(rates, CHANGES, (0.0, 1.0), start, key, ARGS, **options)
        return sol.t, sol.y, sol.n

    keys = jax.random.split(jax.random.key(0), 2)
    local = jax.jit(jax.vmap(lambda key: path(rates, key)))(keys)
    every = jax.jit(jax.vmap(lambda key: path(lambda t, x, args: rates(t, x, args), key)))(keys)
    assert np.all(np.asarray(local[2]) > 50)
    np.testing.assert_allclose(local[0], every[0], rtol=1e-12)  # sums of 140 rates in another order
    np.testing.assert_array_equal(local[1], every[1])
    assert local[1].dtype == dtype and np.all(local[1].sum(axis=-1) == start.sum())


def test_small_networks_too():
    decay = sj.LocalRates(lambda j, x, args: args[j] * x[j], np.eye(2))
    y = jax.vmap(lambda key: sj.solve_jump(decay, -np.eye(2, dtype=int), (0.0, 1.0), [50, 50], key, jnp.ones(2)).y)(
        jax.random.split(jax.random.key(0), 200)
    )
    # binomial: standard error sqrt(50 p (1 - p) / 400)
    assert abs(np.mean(y) - 50 * np.exp(-1)) < 5 * np.sqrt(50 * np.exp(-1) * (1 - np.exp(-1)) / 400)


def test_reads_that_leave_something_out_are_told():
    rates = sj.LocalRates(hop, np.concatenate([UNIT, UNIT + np.roll(UNIT, -1, axis=1)]))
    with pytest.raises(sj.SolveError, match="leaves out; their channels are 0, 1, 2"):
        sj.solve_jump(rates, CHANGES, (0.0, 1.0), [3] * N, jax.random.key(0), ARGS)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: sj.LocalRates(3.0, READS), TypeError, "must be a function"),
        (lambda: sj.LocalRates(lambda x: x, READS), TypeError, r"is called as one\(j, x, args\)"),
        (lambda: sj.LocalRates(hop, [1, 2]), ValueError, r"must have shape \(channels, species\)"),
        (lambda: solve(sj.LocalRates(hop, READS[:, 1:])), ValueError, "must have the shape of stoichiometry"),
        (lambda: solve(sj.LocalRates(lambda j, x, args: x, READS)), ValueError, "must return one number"),
    ],
)
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def solve(rates):
    return sj.solve_jump(rates, CHANGES, (0.0, 1.0), [3] * N, jax.random.key(0), ARGS)
