"""Where a search for the parameters of population models starts: drawn around what the data say."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from ..data import cycle_length
from ..train import smooth
from .generalized_lotka_volterra import GeneralizedLotkaVolterra
from .lotka_volterra import LotkaVolterra
from .starts import stack


def predator_prey_starts(
    t: Float[np.ndarray, " T"],
    log_y: Float[np.ndarray, "T 2"],
    window: Float[np.ndarray, " T"],
    starts: int,
    key: PRNGKeyArray,
) -> LotkaVolterra:
    r"""Random Lotka–Volterra models, stacked, of the right size and of every period that the data can show.

    The period of small cycles is $2\pi/\sqrt{ac}$: it is drawn log-uniformly between four steps of time and the whole
    span, in every other start from 0.6 to 1.05 of the cycle that the data show, if any (large cycles take longer than
    small ones). $a/c$ is log-normal around 1. The mean of a cycle is $(c/d, a/b)$: $d$ and $b$ follow from the means of
    the data, and the initial state from the first row, each with a log-normal spread.
    """
    t, log_y = _seen(t, log_y, window)
    keys = jax.random.split(key, 4)
    shortest, longest = np.log(4 * np.median(np.diff(t))), np.log(t[-1] - t[0])
    cycle = cycle_length(t, log_y)
    near = (shortest, longest) if cycle is None else (np.log(0.6 * cycle), np.log(1.05 * cycle))
    low, high = np.array([(min(shortest, longest), longest), near])[np.arange(starts) % 2].T
    period = jnp.exp(jax.random.uniform(keys[0], (starts,), minval=low, maxval=high))
    skew = jnp.exp(0.3 * jax.random.normal(keys[1], (starts,)))
    a, c = 2 * jnp.pi / period * skew, 2 * jnp.pi / period / skew
    means = jnp.mean(jnp.exp(log_y), axis=0) * jnp.exp(0.3 * jax.random.normal(keys[2], (starts, 2)))
    rates = jnp.stack([a, a / means[:, 1], c, c / means[:, 0]], axis=1)
    y0 = jnp.exp(log_y[0] + 0.2 * jax.random.normal(keys[3], (starts, 2)))
    return stack([LotkaVolterra(rates[k], y0[k], t[0]) for k in range(starts)])


def generalized_starts(
    t: Float[np.ndarray, " T"],
    log_y: Float[np.ndarray, "T n"],
    window: Float[np.ndarray, " T"],
    starts: int,
    key: PRNGKeyArray,
) -> GeneralizedLotkaVolterra:
    r"""Random generalised Lotka–Volterra models, stacked, whose growth rates match slopes of the smoothed data.

    $d\log y_i/dt = r_i + \sum_j A_{ij} y_j$ is linear in $r$ and $A$: each start solves it by ridge regression, with
    slopes from a bandwidth, weights of the rows and a ridge drawn at random.
    """
    t, log_y = _seen(t, log_y, window)
    n, step = log_y.shape[1], float(np.median(np.diff(t)))
    scale = np.exp(np.mean(log_y, axis=0))
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    models = []
    for _ in range(starts):
        widths = np.exp(random.uniform(np.log(1.2), np.log(4.0))) * float(np.max(np.diff(t)))
        level, slope = (np.asarray(x) for x in smooth(jnp.asarray(t), jnp.asarray(log_y), widths))
        rows = np.column_stack([np.ones(len(t)), np.exp(level) / scale])
        weights = random.exponential(size=len(t))
        ridge = np.exp(random.uniform(np.log(1e-3), np.log(0.1)))
        normal = rows.T @ (weights[:, None] * rows) + ridge * np.eye(n + 1)
        found = np.linalg.solve(normal, rows.T @ (weights[:, None] * slope))
        y0 = np.exp(level[0] + 0.1 * random.normal(size=n))
        model = GeneralizedLotkaVolterra(found[0], found[1:].T / scale, y0, t[0], rate=1 / step, scale=scale)
        models.append(model)
    return stack(models)


def _seen(t, log_y, window):
    keep = window > 0
    return t[keep], log_y[keep]
