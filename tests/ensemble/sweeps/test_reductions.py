"""Reductions chunk by chunk against NumPy on everything at once."""

import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.ensemble import Extremes, Fold, Histogram, Moments, Quantiles

DATA = np.random.default_rng(0).normal(3.0, 2.0, size=(1000, 2, 3))
DATA[::7, 0] = np.nan
DATA[:, 1, 2] = np.nan  # nothing but NaN


def reduced(reduction, data=DATA, chunk=64, **options):
    return sj.sweep(lambda x: x, data, reduce=reduction, chunk=chunk, progress=False, **options).reduced


@pytest.mark.parametrize("chunk", [1, 64, 1000])
def test_moments(chunk):
    found = reduced(Moments(), chunk=chunk)
    count = (~np.isnan(DATA)).sum(0)
    np.testing.assert_array_equal(found.count, count)
    some = count > 0
    # sums of 1000 numbers
    np.testing.assert_allclose(found.mean[some], np.nanmean(DATA[:, some], axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.std[some], np.nanstd(DATA[:, some], axis=0, ddof=1), rtol=1e-12)
    assert np.isnan(found.mean[~some]).all() and np.isnan(found.variance[~some]).all()


def test_a_variance_far_below_the_mean():
    """A sum of squares would have no digit left, (1e8)^2 eps = 1; means are known to 1e8 eps, 1e-4 of the deviation."""
    x = 1e8 + np.linspace(0.0, 1e-3, 512)
    assert reduced(Moments(), x, chunk=7).std == pytest.approx(np.std(x, ddof=1), rel=1e-3)


@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_infinite_results(chunk):
    for x, mean in (([1.0, np.inf, 2.0, 3.0], np.inf), ([1.0, -np.inf, np.inf, 3.0], np.nan), ([np.inf] * 4, np.inf)):
        np.testing.assert_equal(reduced(Moments(), np.array(x), chunk=chunk).mean, mean)


def test_results_without_entries():
    for reduction in (Moments(), Extremes(), Histogram([0, 1]), Quantiles([0.5], size=4)):
        reduced(reduction, np.zeros((9, 0)), chunk=2)
    assert reduced(Quantiles([0.1, 0.5], size=4), np.zeros((9, 2, 0)), chunk=2).shape == (2, 2, 0)


def test_complex_moments():
    z = DATA[:, 0, 0][1:7] + 1j * DATA[:, 0, 1][1:7]
    found = reduced(Moments(), z, chunk=4)
    assert found.mean == pytest.approx(z.mean()) and found.variance == pytest.approx(np.var(z, ddof=1))
    for reduction in (Quantiles([0.5]), Histogram([0, 1])):
        with pytest.raises(TypeError, match="take the real part, or the magnitude"):
            reduced(reduction, z, chunk=4)


def test_extremes():
    found = reduced(Extremes())
    some = ~np.isnan(DATA).all(0)
    np.testing.assert_array_equal(found.smallest[some], np.nanmin(DATA[:, some], axis=0))
    np.testing.assert_array_equal(found.largest[some], np.nanmax(DATA[:, some], axis=0))
    assert np.isnan(found.smallest[~some]).all()


def test_histogram():
    edges = np.array([-1.0, 0.0, 2.5, 3.0, 9.0])
    data = np.concatenate([DATA, np.broadcast_to(edges[:, None, None], (5, 2, 3))])
    found = reduced(Histogram(edges), data)
    for place in np.ndindex(2, 3):
        x = data[:, *place]
        x = x[~np.isnan(x)]
        np.testing.assert_array_equal(found.counts[:, *place], np.histogram(x, edges)[0])
        assert found.below[place] == (x < edges[0]).sum() and found.above[place] == (x > edges[-1]).sum()
    np.testing.assert_array_equal(found.missing, np.isnan(data).sum(0))


@pytest.mark.parametrize("edges", [[1.0], [0.0, 0.0], [1.0, 0.0], [[0.0, 1.0]]])
def test_edges_that_do_not_increase(edges):
    with pytest.raises(ValueError, match="edges of a histogram must increase"):
        Histogram(edges)


def test_quantiles_are_exact_while_all_fit():
    q = [0.0, 0.1, 0.5, 0.77, 1.0]
    found = reduced(Quantiles(q))
    some = ~np.isnan(DATA).all(0)
    np.testing.assert_allclose(found[:, some], np.nanquantile(DATA[:, some], q, axis=0), rtol=1e-13)
    assert np.isnan(found[:, ~some]).all()


@pytest.mark.parametrize("order", ["random", "sorted", "sawtooth"])
def test_quantiles_of_a_sketch(order):
    """Ranks are wrong by at most n log2(n / size) / (2 size)."""
    n, size = 50_000, 256
    x = np.random.default_rng(1).normal(size=n)
    x = {"random": x, "sorted": np.sort(x), "sawtooth": np.sort(x).reshape(-1, 100).T.ravel()}[order]
    x[:5000] = np.nan if order == "random" else x[:5000]
    q = np.array([0.01, 0.25, 0.5, 0.9, 0.999])
    found = reduced(Quantiles(q, size=size), x, chunk=1000)
    there = np.sort(x[~np.isnan(x)])
    ranks = np.searchsorted(there, found)
    # one more for the values between which a quantile lies
    assert np.all(np.abs(ranks - q * len(there)) <= n * np.log2(n / size) / (2 * size) + 2)
    # two values in three lie within a standard deviation, 0.7 n / size; five of them within three
    assert np.all(np.abs(ranks - q * len(there)) <= 3 * 0.7 * n / size + 2)


@pytest.mark.parametrize("arguments", [([1.2],), ([-0.1],), ([0.5], 3), ([0.5], 0)])
def test_quantiles_that_are_none(arguments):
    with pytest.raises(ValueError, match="between 0 and 1|even number"):
        Quantiles(*arguments)


def test_several_at_once_of_a_pytree():
    def run(x):
        return {"first": x[:, 0], "sums": (x.sum((1, 2)), jnp.isnan(x[:, 0, 0]))}

    total = Fold(np.zeros(()), lambda s, points, y: s + np.nansum(y["first"]) + 0 * points[0, 1, 1], lambda s: s / 2)
    spec = {"moments": Moments(), "total": total, "ends": Extremes()}
    found = sj.sweep(run, DATA, reduce=spec, chunk=100, progress=False).reduced
    assert found["moments"]["first"].mean.shape == found["ends"]["first"].largest.shape == (2, 3)[1:]
    assert found["moments"]["sums"][1].mean == pytest.approx(np.isnan(DATA[:, 0, 0]).mean())
    assert found["total"] == pytest.approx(np.nansum(DATA[:, 0]) / 2)
    assert isinstance(found["ends"]["sums"], tuple) and len(found["ends"]["sums"]) == 2


@pytest.mark.parametrize("spec", ["mean", {}, {"a": np.mean}])
def test_what_is_no_reduction(spec):
    with pytest.raises(TypeError, match=r"reduce must be a reduction such as sj.ensemble.Moments\(\)"):
        reduced(spec)
