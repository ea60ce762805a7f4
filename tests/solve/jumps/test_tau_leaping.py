"""Tau-leaping: the length of leaps, convergence of means and variances, and counts that are never negative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import sciml_jax as sj

from .exact import SIGNIFICANCE, chi_square, ends

DECAY = sj.MassAction([[1]], [[0]])
LEAPS = (sj.TauLeaping(0.2), sj.TauLeaping(0.03))


def decays(method, n=4000, x0=3000):
    y, _, _ = ends(DECAY, ((-1,),), (0.0, 2.0), [x0], method, np.array([1.0]), n)
    return y[:, 0].astype(float)


def test_means_and_variances_converge():
    """A first-order reaction has a binomial distribution. Leaps of epsilon in time are Euler's steps for the mean,
    whose error is of first order: (1 - epsilon)^(2 / epsilon) for exp(-2)."""
    p, n = np.exp(-2.0), 4000
    errors = []
    for epsilon in (0.2, 0.03):
        y = decays(sj.TauLeaping(epsilon), n)
        error = np.sqrt(3000 * p * (1 - p) / n)
        errors.append(abs(y.mean() / 3000 - p))
        # to 3/4 epsilon of relative error, as Euler's steps have, with a margin
        assert errors[-1] < 1.5 * epsilon * p + 4 * error / 3000
        assert abs(y.var() / (3000 * p * (1 - p)) - 1) < 2 * epsilon + 4 * np.sqrt(2 / n)  # standard errors
    assert errors[1] < 0.35 * errors[0]


def test_leaps_have_the_length_of_the_formula():
    """For decay alone, mu = -k x and sigma^2 = k x: tau = min(epsilon / k, epsilon^2 x / k), and g = 1."""
    sol = sj.solve_jump(
        DECAY, [[-1]], (0.0, 0.2), [100_000], jax.random.key(0), (2.0,), method=sj.TauLeaping(0.01), save=sj.Steps(100)
    )
    gaps = np.diff(sol.t[: sol.n])
    np.testing.assert_allclose(gaps[:-1], 0.01 / 2.0, rtol=1e-9)


@pytest.mark.parametrize(
    ("reactants", "g"),
    [
        ([1, 0], 1.0),
        ([1, 1], 2.0),
        ([2, 0], 2 + 1 / 9999),
        ([1, 2], 1.5 * (2 + 1 / 9999)),
        ([3, 0], 3 + 1 / 9999 + 2 / 9998),
    ],
)
def test_leaps_know_the_orders_of_reactions(reactants, g):
    """tau = epsilon x / (g |mu|) for the reactant that its mean uses up first, in one channel."""
    network = sj.MassAction([reactants], [[0, 0]], [1.0])
    start, used = np.array([10_000.0, 10_000.0]), max(reactants)
    rate = float(network(0.0, jnp.asarray(start), None)[0])
    sol = sj.solve_jump(
        network,
        network.stoichiometry,
        (0.0, 0.05 * 10_000 / rate),
        start,
        jax.random.key(0),
        method=sj.TauLeaping(0.03),
        save=sj.Steps(100),
    )
    assert float(sol.t[1]) == pytest.approx(0.03 * 10_000 / (g * used * rate), rel=1e-9)


def test_few_molecules_are_exact():
    """Where leaps would not be worth it every jump is exact, and so is their distribution."""
    y = decays(sj.TauLeaping(), 5000, 8)
    assert chi_square(y.astype(int), stats.binom.pmf(np.arange(9), 8, np.exp(-2.0))) > SIGNIFICANCE


@pytest.mark.parametrize("method", LEAPS, ids=str)
@pytest.mark.parametrize("known", [True, False])
def test_counts_are_never_negative(method, known):
    """Dimers that form and fall apart, with a sink: large rates, few molecules; orders of reactants known or not."""
    network = sj.MassAction([[2, 0], [0, 1], [0, 1]], [[0, 1], [2, 0], [0, 0]], [0.05, 0.5, 3.0])
    rates = network if known else lambda t, x, args: network(t, x, args)
    one = lambda key: sj.solve_jump(
        rates, network.stoichiometry, (0.0, 20.0), [900, 0], key, method=method, save=sj.Steps(3000), throw=False
    )
    sol = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(1), 8))
    assert bool(jnp.all(sol.success)) and bool(jnp.all(sol.y >= 0))
    total = sol.y[:, :, 0] + 2 * sol.y[:, :, 1]
    assert bool(jnp.all(jnp.diff(total, axis=1) <= 0))


@pytest.mark.slow
def test_leaps_agree_with_exact_paths():
    """Mean and standard deviation of an enzyme's product, against the direct method."""
    enzyme = sj.MassAction([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]], [[0, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 1]])
    changes, args = tuple(map(tuple, enzyme.stoichiometry.tolist())), np.array([0.0017, 0.1, 0.1])
    found = [
        ends(enzyme, changes, (0.0, 20.0), [120, 300, 0, 0], m, args, 1500)[0][:, 3] for m in (sj.SSA(), *LEAPS[1:])
    ]
    exact, leaps = found
    error = exact.std() * np.sqrt(2 / 1500)
    assert abs(leaps.mean() - exact.mean()) < 4 * error + 0.03 * exact.mean()
    assert abs(leaps.std() / exact.std() - 1) < 4 / np.sqrt(1500) + 0.03


def test_rates_without_reactants_fail():
    constant = lambda t, x, args: jnp.ones(1)  # noqa: E731
    with pytest.raises(sj.SolveError, match="positive without reactants"):
        sj.solve_jump(constant, [[-1]], (0.0, 50.0), [3], jax.random.key(0), method=sj.TauLeaping())


def test_leaps_end_at_t1_and_quiet_ones_too():
    sol = sj.solve_jump(DECAY, [[-1]], (0.0, 3.0), [5000], jax.random.key(0), (0.1,), method=sj.TauLeaping(0.5))
    assert float(sol.t) == 3.0 and bool(sol.success)
    sol = sj.solve_jump(DECAY, [[-1]], (0.0, 3.0), [0], jax.random.key(0), (0.1,), method=sj.TauLeaping(0.5))
    assert float(sol.t) == 3.0 and int(sol.stats["accepted"]) == 0


@pytest.mark.parametrize("options", [{"epsilon": 0.0}, {"epsilon": 1.5}, {"critical": -1}, {"exact": -1.0}])
def test_what_is_refused(options):
    with pytest.raises(ValueError, match="of sj.TauLeaping must"):
        sj.TauLeaping(**options)
