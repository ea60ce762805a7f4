"""Random numbers by counters: ranges, distributions, independence of streams."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from sciml_jax.solve.jumps import draws
from sciml_jax.solve.jumps.poisson import log_probability, poisson
from sciml_jax.solve.noise import key_words
from sciml_jax.solve.noise.threefry import Words

from .exact import SIGNIFICANCE, chi_square

KEY = key_words(jax.random.key(5))
COUNTERS = jnp.arange(50_000)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_uniform_and_exponential_numbers(dtype):
    u, e = draws.uniform_and_exponential(KEY, draws.numbered(COUNTERS), 0, dtype)
    assert u.dtype == e.dtype == dtype
    assert stats.kstest(np.asarray(u, float), "uniform").pvalue > SIGNIFICANCE
    assert stats.kstest(np.asarray(e, float), "expon").pvalue > SIGNIFICANCE
    alone = draws.exponential(KEY, draws.numbered(COUNTERS), 7, dtype)
    assert stats.kstest(np.asarray(alone, float), "expon").pvalue > SIGNIFICANCE
    # correlations of n independent numbers have the standard error 1 / sqrt(n)
    for a, b in ((u, e), (e, alone), (e[1:], e[:-1])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(len(COUNTERS))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_the_ends_of_their_ranges(dtype):
    """A uniform number times a total stays below it, also after rounding; exponential ones are positive and finite."""
    low, high = (Words(*[jnp.full((), w, jnp.uint32)] * 2) for w in (0, 2**32 - 1))
    assert float(draws.uniform(low, dtype)) == 0.0
    largest = draws.uniform(high, dtype)
    totals = jnp.asarray(np.random.default_rng(0).uniform(1, 2, 10_000), dtype)
    assert bool(jnp.all(largest * totals < totals))
    exponential = draws.exponential32 if dtype == jnp.float32 else draws.exponential64
    ends = [exponential(w.first if dtype == jnp.float32 else w) for w in (low, high)]
    assert np.isfinite(float(ends[0])) and float(ends[0]) > 16 and float(ends[1]) >= 0


def test_a_stream_is_the_same_as_an_int_and_as_an_array():
    a = draws.bits(KEY, draws.numbered(COUNTERS), 3)
    b = draws.bits(KEY, draws.numbered(COUNTERS), jnp.uint32(3))
    np.testing.assert_array_equal(a.first, b.first)


MEANS = np.array([0.0, 1e-3, 0.7, 9.99, 10.01, 300.0, 1e5])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_poisson_numbers(dtype):
    n = 30_000
    numbers = jax.jit(jax.vmap(lambda i: poisson(KEY, i, 2, jnp.asarray(MEANS, dtype))))(jnp.arange(n))
    assert numbers.dtype == dtype
    found = np.asarray(numbers).astype(int)
    assert np.all(found[:, 0] == 0)
    for j, mean in enumerate(MEANS[1:5], 1):
        assert chi_square(found[:, j], stats.poisson.pmf(np.arange(60), mean)) > SIGNIFICANCE
    for j, mean in enumerate(MEANS[5:], 5):  # in forty groups of about equal probability
        edges = stats.poisson.ppf(np.arange(1, 40) / 40, mean)
        p = np.diff(np.concatenate([[0.0], stats.poisson.cdf(edges, mean)]))
        assert chi_square(np.searchsorted(edges, found[:, j]), p) > SIGNIFICANCE
    assert abs(np.corrcoef(found[:, 3], found[:, 5])[0, 1]) < 4 / np.sqrt(n)


def test_poisson_numbers_of_what_is_no_mean_end():
    found = jax.jit(lambda mean: poisson(KEY, jnp.int32(0), 2, mean))(jnp.array([jnp.nan, jnp.inf, 1.0]))
    assert found[:2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float32, 2e-4), (jnp.float64, 1e-10)])
def test_log_probabilities(dtype, tolerance):
    """The deviance is a square root of the mean in units of rounding: 300 * 6e-8 for means to 1e5. The series of
    Stirling's formula errs by 6e-4 at one, where the rejection does not go; by 4e-11 from sixteen on."""
    for mean in (12.0, 1e3, 1e5):
        k = np.floor(mean + np.sqrt(mean) * np.linspace(-3.0, 5.0, 30))
        k = k[k >= 16]
        found = log_probability(jnp.asarray(k, dtype), jnp.asarray(mean, dtype))
        np.testing.assert_allclose(found, stats.poisson.logpmf(k, mean), atol=tolerance * (1 + (mean > 1e4)))
    assert float(log_probability(jnp.zeros(()), jnp.asarray(10.0))) == -10.0
