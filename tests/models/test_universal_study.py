"""The study behind the defaults of `fit_universal`: what choosing the prior by forecasts does on many series."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.models import fit_lotka_volterra, fit_universal, rolling_windows
from sciml_jax.solve import solve_ode

T, HELD_OUT, NOISE, SERIES = np.arange(21.0), 5, 0.2, 4


def lotka_volterra(t, z, p):
    u, v = jnp.exp(z)
    return jnp.stack([p[0] - p[1] * v, -p[2] + p[3] * u])


def interfering(t, z, p):
    """Predators that hinder one another."""
    u, v = jnp.exp(z)
    meeting = 1.3 / (1 + 0.02 * v)
    return jnp.stack([p[0] - p[1] * v * meeting, -p[2] + p[3] * u * meeting])


def saturating(t, z, p):
    """Logistic prey, and predators that eat with the square root of what there is."""
    u, v = jnp.exp(z)
    share = jnp.sqrt(30 / u)
    return jnp.stack([p[0] * (1 - u / 150) - 0.9 * p[1] * v * share, -p[2] + 0.8 * p[3] * u * share])


def forecasts(field, seed):
    """Root mean square errors against the truth, of the mechanistic and of the universal model."""
    random = np.random.default_rng(seed)
    p = np.array([0.55, 0.027, 0.8, 0.024]) * np.exp(0.15 * random.normal(size=4))
    z0 = np.log([30.0, 5.0]) + 0.2 * random.normal(size=2)
    truth = np.asarray(solve_ode(field, (0.0, 20.0), jnp.asarray(z0), jnp.asarray(p), save=T).y)
    y = np.exp(truth + NOISE * random.normal(size=truth.shape))
    seen = np.arange(len(T)) < len(T) - HELD_OUT
    rolling = np.pad(rolling_windows(int(seen.sum()), 4), ((0, 0), (0, HELD_OUT)))
    windows = np.concatenate([seen[None].astype(float), rolling])
    options = {"windows": windows, "key": jax.random.key(seed), "progress": False}
    mechanistic = fit_lotka_volterra(T, y, starts=12, steps=200, **options)
    universal = fit_universal(T, y, mechanistic.models, horizon=4, copies=1, **options)
    return [
        np.sqrt(np.mean((np.log(np.asarray(model.predict(T))) - truth)[~seen] ** 2))
        for model in (mechanistic.model, universal.model)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "gain"),
    # at most 10% worse on average where there is nothing to gain, better where there is something
    [(lotka_volterra, 1.1), (interfering, 0.5), (saturating, 0.95)],
)
def test_the_universal_model_gains_where_it_can_and_does_no_harm(field, gain):
    mechanistic, universal = np.mean([forecasts(field, seed) for seed in range(SERIES)], axis=0)
    print(f"{field.__name__}: mechanistic {mechanistic:.3f}, universal {universal:.3f}")
    assert universal < gain * mechanistic
