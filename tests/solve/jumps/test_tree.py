"""Trees of sums and minima: places of thresholds and minima, replaced numbers, rates that are none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.solve.jumps.network import checked
from sciml_jax.solve.jumps.tree import at_minimum, at_sum, minima, sums, total, with_minimum, with_sum


@pytest.mark.parametrize("n", [1, 8, 9, 70, 600])
def test_channels_of_thresholds(n):
    """Whole numbers, whose sums are exact: a threshold on a partial sum belongs to the next channel with a rate."""
    rates = np.random.default_rng(n).integers(0, 4, n).astype(float)
    rates[n // 2] = 2.0
    tree = sums(jnp.asarray(rates))
    assert float(total(tree)) == rates.sum()
    partial = np.cumsum(rates)
    thresholds = np.unique(np.concatenate([[0.0], partial[:-1], partial - 0.5]))
    thresholds = thresholds[(thresholds >= 0) & (thresholds < partial[-1])]
    found = jax.jit(jax.vmap(at_sum, in_axes=(None, 0)))(tree, jnp.asarray(thresholds))
    assert found.tolist() == [int(np.argmax(partial > threshold)) for threshold in thresholds]


@pytest.mark.float32
def test_no_channel_without_a_rate_is_found():
    """Rates over ten decades, three in four zero: rounding may move a threshold past the sum that is left."""
    random = np.random.default_rng(0)
    rates = np.where(random.random(700) < 0.25, 10.0 ** random.uniform(-5, 5, 700), 0.0)
    tree = sums(jnp.asarray(rates))
    u = jnp.concatenate([jnp.asarray(random.random(20_000)), 1 - jnp.finfo(float).eps * jnp.arange(1, 9)])
    found = jax.jit(jax.vmap(at_sum, in_axes=(None, 0)))(tree, u.astype(tree[0].dtype) * total(tree))
    assert np.all(rates[np.asarray(found)] > 0)


def test_replaced_rates_leave_no_trace():
    """Bit for bit the tree that is grown from the new rates, after many of all sizes."""
    random = np.random.default_rng(1)
    rates = random.random(100)
    tree, put = sums(jnp.asarray(rates)), jax.jit(with_sum)
    for j in random.integers(0, 100, 300):
        rates[j] = 10.0 ** random.uniform(-8, 8)
        tree = put(tree, jnp.int32(j), jnp.asarray(rates[j]))
    for found, wanted in zip(tree, sums(jnp.asarray(rates)), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("n", [1, 8, 70, 600])
def test_places_of_minima(n):
    random = np.random.default_rng(n)
    numbers = np.where(random.random(n) < 0.3, np.inf, random.random(n))
    tree, put = minima(jnp.asarray(numbers)), jax.jit(with_minimum)
    for j in random.integers(0, n, 100):
        numbers[j] = random.choice([np.inf, random.random()])
        tree = put(tree, jnp.int32(j), jnp.asarray(numbers[j]))
        assert int(at_minimum(tree)) == int(np.argmin(numbers))
    for found, wanted in zip(tree, minima(jnp.asarray(numbers)), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("rate", [-1.0, np.nan, np.inf])
def test_what_is_no_rate_shows(rate):
    rates = jnp.ones(100).at[99].set(rate)
    assert bool(jnp.isnan(total(sums(checked(rates))))) and bool(jnp.isnan(jnp.min(minima(checked(rates))[-1])))
    tree = with_sum(sums(jnp.ones(100)), jnp.int32(42), checked(jnp.asarray(rate)))
    assert bool(jnp.isnan(total(tree)))
    assert int(at_minimum(minima(checked(rates)))) == 99
