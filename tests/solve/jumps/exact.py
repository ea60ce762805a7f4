"""Distributions of jump processes that are known, and the test against them."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

import sciml_jax as sj

# Tests with fixed keys either pass or fail for ever: at this significance one in ten thousand right codes fails.
SIGNIFICANCE = 1e-4


def chi_square(found: np.ndarray, probability: np.ndarray) -> float:
    """The p-value of whole numbers against probabilities of 0, 1, ... (what is left over belongs to the last).

    Neighbouring values are put together until each group expects ten, so that the statistic has its distribution.
    """
    n = len(found)
    counts = np.bincount(np.minimum(found, len(probability)), minlength=len(probability) + 1).astype(float)
    expected = n * np.append(probability, max(1 - probability.sum(), 0.0))
    groups: list[list[float]] = [[0.0, 0.0]]
    for c, e in zip(counts, expected, strict=True):
        if groups[-1][1] >= 10:
            groups.append([0.0, 0.0])
        groups[-1][0] += c
        groups[-1][1] += e
    if groups[-1][1] < 10 and len(groups) > 1:
        last = groups.pop()
        groups[-1] = [groups[-1][0] + last[0], groups[-1][1] + last[1]]
    c, e = np.array(groups).T
    return float(stats.chi2.sf(np.sum((c - e) ** 2 / e), len(groups) - 1))


@cache
def _ends(rates, changes, t_span, x0, method, save):
    def one(key, args):
        sol = sj.solve_jump(rates, changes, t_span, list(x0), key, args, method=method, save=save, throw=False)
        return sol.y, sol.t, sol.n, sol.result

    return jax.jit(jax.vmap(one, in_axes=(0, None)))


def ends(rates, changes, t_span, x0, method, args, n, *, seed=0, save=None):
    """`(y, t, number of rows)` of n paths; none of them failed."""
    run = _ends(rates, changes, t_span, tuple(x0), method, save)
    y, t, rows, result = run(jax.random.split(jax.random.key(seed), n), args)
    assert bool(jnp.all(result == sj.RESULT.successful))
    return np.asarray(y), np.asarray(t), np.asarray(rows)


def birth_death(birth: float, death: float, t: float, most: int) -> np.ndarray:
    """Probabilities of 0, 1, ..., most descendants at time t of one individual.

    Source: D. G. Kendall, On the generalized birth-and-death process, Ann. Math. Stat. 19 (1948).
    """
    e = np.exp((birth - death) * t)
    none, more = death * (e - 1) / (birth * e - death), birth * (e - 1) / (birth * e - death)
    return np.append(none, (1 - none) * (1 - more) * more ** np.arange(most))


def sir_final_sizes(infection: float, recovery: float, susceptible: int, infected: int) -> np.ndarray:
    """Probabilities of 0, 1, ..., susceptible infections in an epidemic until it ends: the linear system of its
    embedded chain of infections and recoveries, solved."""
    places = {(s, i): k for k, (s, i) in enumerate(np.ndindex(susceptible + 1, susceptible + infected + 1))}
    n = len(places)
    step = np.zeros((n, n))
    for (s, i), k in places.items():
        if i == 0:
            continue
        p = infection * s / (infection * s + recovery)
        if s > 0 and (s - 1, i + 1) in places:
            step[k, places[s - 1, i + 1]] = p
        step[k, places[s, i - 1]] = 1 - p
    visits = np.linalg.solve((np.eye(n) - step).T, np.eye(n)[places[susceptible, infected]])
    return np.array([visits[places[susceptible - k, 0]] for k in range(susceptible + 1)])
