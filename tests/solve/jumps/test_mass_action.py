"""Rates by mass action."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

REACTANTS = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [2, 0, 0], [0, 2, 1], [0, 0, 3]]
PRODUCTS = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0], [0, 0, 1]]
K = np.array([2.0, 0.5, 0.1, 0.2, 0.3, 0.7])


def falling(x):
    a, b, c = x
    choices = [1, a, a * b, a * (a - 1), b * (b - 1) * c, c * (c - 1) * (c - 2)]
    return K * np.array(choices, float)


@pytest.mark.parametrize("x", [[0, 0, 0], [1, 1, 1], [2, 3, 2], [7, 5, 4]])
def test_falling_factorials(x):
    for network, args in ((sj.MassAction(REACTANTS, PRODUCTS), K), (sj.MassAction(REACTANTS, PRODUCTS, K), None)):
        found = network(0.0, jnp.array(x, float), args)
        np.testing.assert_allclose(found, falling(x), rtol=1e-14)
    np.testing.assert_allclose(jax.jit(lambda x: network(0.0, x, None))(jnp.array(x, float)), falling(x), rtol=1e-14)


@pytest.mark.float32
@pytest.mark.parametrize("x", [[0, 0, 0], [1, 1, 1], [7, 5, 4]])
def test_many_channels_are_gathered(x):
    """48 channels, eight times the six; whole numbers up to a few hundred are exact in float32 too."""
    network, k = sj.MassAction(REACTANTS * 8, PRODUCTS * 8), np.tile(K, 8)
    counts = jnp.array(x, float)
    eps = float(jnp.finfo(counts.dtype).eps)
    for args in (k, tuple(k), jnp.asarray(k)):
        found = jax.jit(lambda x, args=args: network(0.0, x, args))(counts)
        np.testing.assert_allclose(found, np.tile(falling(x), 8), rtol=4 * eps)
    slopes = jax.jacfwd(lambda k: network(0.0, counts, k))(jnp.asarray(k))
    np.testing.assert_allclose(np.diag(slopes) * k, np.tile(falling(x), 8), rtol=8 * eps)


@pytest.mark.parametrize("method", [sj.SSA(), sj.NextReaction(), sj.TauLeaping()])
def test_molecules_on_a_line_of_sites(method):
    """78 channels: independent molecules that jump to neighbours; none is lost, and the mean stays uniform."""
    sites, each, paths = 40, 12, 40
    pairs = [(i, j) for i in range(sites) for j in (i - 1, i + 1) if 0 <= j < sites]
    rows = np.eye(sites, dtype=int)
    line = sj.MassAction([rows[i] for i, _ in pairs], [rows[j] for _, j in pairs], [1.0] * len(pairs))
    end = lambda key: sj.solve_jump(line, line.stoichiometry, (0.0, 2.0), [each] * sites, key, method=method).y
    y = np.asarray(jax.jit(jax.vmap(end))(jax.random.split(jax.random.key(0), paths)))
    assert np.all(y.sum(axis=1) == each * sites) and np.all(y >= 0)
    # counts are binomial at first and nearly Poisson later: five standard errors of a mean of 40
    assert np.max(np.abs(y.mean(axis=0) - each)) < 5 * np.sqrt(each / paths)


def test_stoichiometry_and_conservation():
    network = sj.MassAction([[1, 1, 0], [0, 0, 1]], [[0, 0, 1], [1, 1, 0]], [0.01, 0.3])
    assert network.stoichiometry.tolist() == [[-1, -1, 1], [1, 1, -1]]
    sol = sj.solve_jump(network, network.stoichiometry, (0.0, 5.0), [30, 20, 0], jax.random.key(0), save=sj.Steps(200))
    assert bool(jnp.all(sol.y[:, 0] + sol.y[:, 2] == 30)) and bool(jnp.all(sol.y >= 0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1, 0]], [[0, 1], [1, 0]]), "one shape"),
        (([[-1]], [[0]]), "none negative"),
        (([[0.5]], [[0]]), "whole numbers"),
        (([1], [0]), "shape .channels, species."),
        (([[1]], [[0]], [1.0, 2.0]), "one a channel"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        sj.MassAction(*arguments)


@pytest.mark.parametrize("args", [None, 1.0, (1.0, 2.0)])
def test_missing_constants_are_told(args):
    network = sj.MassAction([[1]], [[0]])
    with pytest.raises(ValueError, match="1 channels needs as many rate constants"):
        sj.solve_jump(network, network.stoichiometry, (0.0, 1.0), [3], jax.random.key(0), args)


def ring(n: int) -> tuple[list, list, np.ndarray]:
    """Reactants, products and constants of a ring: neighbours meet in pairs and fall apart, each is born and dies, and
    a catalyst that all share, the last species, comes and goes."""
    random, unit = np.random.default_rng(0), np.eye(n + 1, dtype=int)
    one, none = unit[n], np.zeros(n + 1, int)
    left, right = [], []
    for i in range(n):
        nearest = unit[(i + 1) % n]
        left += [unit[i] + nearest, 2 * unit[i], unit[i] + one, none]
        right += [2 * nearest, nearest, one, unit[i]]
    return [*left, one, none], [*right, none, one], np.append(random.uniform(0.1, 1.0, 4 * n), [0.5, 2.0])


@pytest.mark.parametrize("method", [sj.SSA(), sj.NextReaction()], ids=str)
def test_few_rates_at_a_time_are_all_rates(method):
    """A network of which only what a jump changes is computed again, and the same as a function of the user's, of which
    all is: with one key every jump is the same, in batches and with saved times too."""
    reactants, products, constants = ring(24)
    network = sj.MassAction(reactants, products)
    start, times = [3] * 24 + [2], jnp.linspace(0.1, 2.9, 8)

    def path(rates, key, k):
        save = {"jumps": sj.Steps(400), "times": times}
        sol = sj.solve_jump(rates, network.stoichiometry, (0.0, 3.0), start, key, k, method=method, save=save)
        return sol.t["jumps"], sol.y["jumps"], sol.y["times"], sol.n["jumps"]

    keys, ks = jax.random.split(jax.random.key(0), 3), jnp.asarray(constants) * jnp.array([[0.5], [1.0], [1.5]])
    local = jax.jit(jax.vmap(lambda key, k: path(network, key, k)))(keys, ks)
    every = jax.jit(jax.vmap(lambda key, k: path(lambda t, x, k: network(t, x, k), key, k)))(keys, ks)
    assert np.all(np.asarray(local[3]) > 100)
    # sums of a hundred rates in another order
    np.testing.assert_allclose(local[0], every[0], rtol=1e-12)
    for a, b in zip(local[1:], every[1:], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("method", [sj.SSA(), sj.NextReaction()], ids=str)
def test_jumps_of_large_networks_copy_nothing(method):
    """Arrays of all channels and species are written in place: no copy of one in a loop inside the loop of jumps."""
    reactants, products, constants = ring(41)
    network = sj.MassAction(reactants, products)
    solve = lambda key, k: sj.solve_jump(  # noqa: E731
        network, network.stoichiometry, (0.0, 3.0), [3] * 42, key, k, method=method, throw=False
    )
    text = jax.jit(lambda key, k: solve(key, k).y).lower(jax.random.key(0), jnp.asarray(constants)).compile().as_text()
    assert "[42]" in text and "[166]" in text
    copies = re.findall(r"\[(?:42|166|168)\]\S* copy\(.*while/body/while", text)
    assert copies == []


def test_bad_constants_of_a_large_network_are_told():
    reactants, products, constants = ring(24)
    network = sj.MassAction(reactants, products)
    solve = lambda k: sj.solve_jump(network, network.stoichiometry, (0.0, 3.0), [3] * 25, jax.random.key(0), k)  # noqa: E731
    constants[7] = -1.0
    with pytest.raises(sj.SolveError, match="channel 7 has -1"):
        solve(constants)
    # no rate at first: the fifth species is born by channel 19 and meets itself in channel 17
    empty = sj.MassAction(reactants, products)
    constants[7], constants[17] = 1.0, -1.0
    with pytest.raises(sj.SolveError, match="channel 17 has -"):
        sj.solve_jump(empty, empty.stoichiometry, (0.0, 30.0), [0] * 25, jax.random.key(0), constants)
