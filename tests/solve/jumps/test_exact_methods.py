"""Every exact method against distributions that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import sciml_jax as sj

from .exact import SIGNIFICANCE, birth_death, chi_square, ends, sir_final_sizes

N = 20_000


def total_bound(rates):
    """The rates themselves as bound of their sum, and more than that: thinning with rejections."""
    return lambda t, x, args: 1.5 * jnp.sum(rates(t, x, args))


def linear(t, x, args):
    birth, death = args
    return jnp.stack([birth * x[0], death * x[0]])


def immigration(t, x, args):
    source, death = args
    return jnp.stack([source + 0 * x[0], death * x[0]])


def sir(t, x, args):
    infection, recovery = args
    return jnp.stack([infection * x[0] * x[1], recovery * x[1]])


UP_DOWN = ((1,), (-1,))
SIR = ((-1, 1, 0), (0, -1, 1))
METHODS = {
    "SSA": lambda rates: sj.SSA(),
    "thinning": lambda rates: sj.SSA(bound=total_bound(rates)),
    "NextReaction": lambda rates: sj.NextReaction(),
}


@pytest.mark.parametrize("name", METHODS)
def test_linear_birth_and_death(name):
    args = (1.1, 0.8)
    y, _, _ = ends(linear, UP_DOWN, (0.0, 2.0), [1], METHODS[name](linear), args, N)
    assert chi_square(y[:, 0], birth_death(*args, 2.0, 60)) > SIGNIFICANCE


@pytest.mark.parametrize("name", METHODS)
def test_immigration_and_death_are_poisson_at_all_times(name):
    """From zero, at time t of mean (source / death) (1 - exp(-death t)); in the long run source / death."""
    ts = (0.3, 1.0, 12.0)
    method = METHODS[name](immigration)
    y, t, rows = ends(immigration, UP_DOWN, (0.0, 12.0), [0], method, (6.0, 1.0), N // 2, save=ts)
    assert np.all(rows == 3) and np.all(t == np.array(ts))
    for k, time in enumerate(ts):
        mean = 6.0 * (1 - np.exp(-time))
        assert chi_square(y[:, k, 0], stats.poisson.pmf(np.arange(40), mean)) > SIGNIFICANCE


@pytest.mark.parametrize("name", METHODS)
def test_final_sizes_of_epidemics(name):
    y, _, _ = ends(sir, SIR, (0.0, 200.0), [9, 1, 0], METHODS[name](sir), (0.2, 1.0), N)
    assert np.all(y.sum(1) == 10) and np.all(y[:, 1] == 0)
    assert chi_square(9 - y[:, 0], sir_final_sizes(0.2, 1.0, 9, 1)) > SIGNIFICANCE


@pytest.mark.parametrize("name", METHODS)
def test_waiting_times_are_exponential(name):
    """Those of a constant rate, and the channel is independent of them: two to one."""
    constant = lambda t, x, args: args * jnp.array([2.0, 1.0])  # noqa: E731
    method, changes = METHODS[name](constant), ((1, 0), (0, 1))
    y, t, rows = ends(constant, changes, (0.0, 60.0), [0, 0], method, 1.5, 40, save=sj.Steps(500))
    for k in range(40):
        assert rows[k] > 100 and np.all(np.diff(t[k, : rows[k]]) > 0)
        assert np.all(np.diff(y[k, : rows[k]], axis=0).sum(1) == 1)
    waits = np.concatenate([np.diff(t[k, : rows[k]]) for k in range(40)])
    assert stats.kstest(waits, "expon", args=(0, 1 / 4.5)).pvalue > SIGNIFICANCE
    first = np.concatenate([np.diff(y[k, : rows[k], 0]) for k in range(40)])
    assert stats.binomtest(int(first.sum()), len(first), 2 / 3).pvalue > SIGNIFICANCE
    late = waits > np.median(waits)
    table = [[np.sum(first[late]), np.sum(1 - first[late])], [np.sum(first[~late]), np.sum(1 - first[~late])]]
    assert stats.chi2_contingency(table).pvalue > SIGNIFICANCE


def test_thinning_of_rates_that_change_in_time():
    """A Poisson process of rate 4 (1 + sin t): in its own clock, the integral of the rate, it has rate one."""
    season = lambda t, x, args: 4 * (1 + jnp.sin(t))[None]  # noqa: E731
    method = sj.SSA(bound=lambda t, x, args: 8.0)
    y, t, rows = ends(season, ((1,),), (0.0, 20.0), [0], method, None, 60, save=sj.Steps(300))
    clock = [4 * (t[k, : rows[k]] + 1 - np.cos(t[k, : rows[k]])) for k in range(60)]
    waits = np.concatenate([np.diff(c) for c in clock])
    # a wait that t1 cuts short is missing, one of about eighty a path, which shortens the mean by less than a percent
    assert len(waits) > 4000
    assert stats.kstest(waits, "expon").pvalue > SIGNIFICANCE
    counts = y[:, -1, 0]
    mean = 4 * (20 + 1 - np.cos(20.0))
    assert stats.poisson.cdf(counts.sum(), 60 * mean) > SIGNIFICANCE
    assert stats.poisson.sf(counts.sum(), 60 * mean) > SIGNIFICANCE


@pytest.mark.parametrize("method", [sj.SSA(), pytest.param(sj.NextReaction(), marks=pytest.mark.slow)], ids=str)
def test_large_networks(method):
    """More channels than are written out: every species decays alone, and every fifth never does."""
    n = 70
    k = np.where(np.arange(n) % 5, np.linspace(0.2, 2.0, n), 0.0)
    decay = lambda t, x, args: args * x  # noqa: E731
    changes = tuple(tuple(-1 if i == j else 0 for i in range(n)) for j in range(n))
    y, _, _ = ends(decay, changes, (0.0, 1.0), [4] * n, method, k, 1500)
    assert np.all(y[:, ::5] == 4)
    for i in range(1, n, 7):
        if i % 5:
            assert chi_square(y[:, i], stats.binom.pmf(np.arange(5), 4, np.exp(-k[i]))) > SIGNIFICANCE


def test_next_reaction_keeps_paths_of_near_parameters_together():
    """Ends with one key differ by far less than ends of independent paths, whose variance is the sum of two means."""
    run = lambda source: ends(immigration, UP_DOWN, (0.0, 3.0), [0], sj.NextReaction(), (source, 1.0), 2000)[0][:, 0]  # noqa: E731
    gaps = run(20.5) - run(20.0)
    wanted = 0.5 * (1 - np.exp(-3.0))
    assert abs(gaps.mean() - wanted) < 4 * np.sqrt(gaps.var() / 2000)  # standard errors
    assert gaps.var() < 0.1 * 40.5 * (1 - np.exp(-3.0))


def test_many_short_waits_add_up_in_single_precision():
    """At t = 1000 a float32 is known to 6e-5, and waits are 1e-4: without what rounding leaves they would be lost."""
    fast = lambda t, x, args: args * jnp.ones(1)  # noqa: E731
    run = lambda key: sj.solve_jump(fast, [[1]], (1000.0, 1001.0), np.zeros(1, np.float32), key, np.float32(1e4)).y  # noqa: E731
    counts = np.asarray(jax.vmap(run)(jax.random.split(jax.random.key(0), 50)))
    assert abs(counts.mean() - 1e4) < 4 * 100 / np.sqrt(50)  # standard errors of Poisson numbers
