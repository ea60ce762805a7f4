"""Fits: the published numbers, known parameters, windows that do not leak, many copies at once."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax import train
from sciml_jax.data import PUBLISHED_MEANS, hudson_bay
from sciml_jax.models import (
    GeneralizedLotkaVolterra,
    fit_lotka_volterra,
    fit_universal,
    misfit,
    pick,
    rolling_windows,
    rows_after,
    side_by_side,
    stack,
    standard_errors,
)
from sciml_jax.models.fit_universal import choose
from sciml_jax.solve import solve_ode

pytestmark = pytest.mark.xdist_group("population fits")  # one fit serves most of them

PELTS = hudson_bay()
SEEN = (PELTS.t < 1916).astype(float)


@pytest.fixture(scope="module")
def fitted():
    """Two windows: all years, and those up to 1915, of which the rest is spoiled."""
    windows = np.stack([np.ones(21), SEEN])
    return fit_lotka_volterra(PELTS.t, PELTS.y, windows=windows, starts=16, key=jax.random.key(0), progress=False)


def test_all_years_give_the_published_parameters(fitted):
    assert fitted.outcome == "completed"
    published = np.array(list(PUBLISHED_MEANS.values()))
    errors = standard_errors(fitted.model, PELTS.t, PELTS.y, np.ones(21))
    # a maximum of the likelihood and a posterior mean differ by less than the spread of either
    assert np.all(np.abs(fitted.model.rates - published) < fitted.model.rates * errors.log_rates)
    np.testing.assert_allclose(fitted.model.rates, published, rtol=0.05)
    # the published posterior standard deviations are 0.064, 0.004, 0.091, 0.004
    np.testing.assert_allclose(fitted.model.rates * errors.log_rates, [0.064, 0.004, 0.091, 0.004], rtol=0.25)


def test_the_fit_is_a_minimum(fitted):
    args = (jnp.asarray(PELTS.t), jnp.log(PELTS.y), jnp.ones(21))
    gradient = jax.grad(lambda z: misfit(eqx.tree_at(lambda m: m.log_rates, fitted.model, z), *args))
    # curvatures are about 1: Adam's last steps leave some 1e-4 of the logarithms
    assert float(jnp.max(jnp.abs(gradient(fitted.model.log_rates)))) < 2e-3
    assert fitted.losses[0] == pytest.approx(float(misfit(fitted.model, *args)), rel=1e-6)
    assert fitted.losses[0] == np.min(fitted.start_losses[0])


def test_a_window_does_not_see_what_lies_outside(fitted):
    spoiled = np.where(SEEN[:, None] > 0, PELTS.y, 1e3)
    windows = np.stack([SEEN, SEEN])
    again = fit_lotka_volterra(PELTS.t, spoiled, windows=windows, starts=16, key=jax.random.key(0), progress=False)
    np.testing.assert_allclose(again.models[1].rates, fitted.models[1].rates, rtol=1e-6)


def test_three_populations_are_a_generalised_model():
    t = np.arange(24.0)
    true = GeneralizedLotkaVolterra(
        [0.9, 0.7, 0.5], [[-0.1, -0.06, 0], [0, -0.1, -0.06], [-0.08, 0, -0.1]], [1, 2, 6.0]
    )
    y = np.asarray(true.predict(t))
    options = {"starts": 12, "steps": 300, "polish": 0, "key": jax.random.key(0), "progress": False}
    fitted = fit_lotka_volterra(t, y, windows=(t < 18).astype(float)[None], **options)
    # no noise: what is left is how far Adam comes along the flat directions
    forecast = np.log(np.asarray(fitted.model.predict(t)) / y)[18:]
    assert np.sqrt(fitted.losses[0]) < 0.02
    assert np.sqrt(np.mean(forecast**2)) < 0.05


def _interfering(t, z, args):
    """Lotka–Volterra in logarithms, with predators that hinder one another: the rates of meeting fall with v."""
    u, v = jnp.exp(z)
    meeting = 1 / (1 + 0.03 * v)
    return jnp.stack([0.55 - 0.04 * v * meeting, -0.8 + 0.03 * u * meeting])


def test_the_network_finds_what_lotka_volterra_lacks():
    t, z0 = jnp.arange(21.0), jnp.log(jnp.array([30.0, 5.0]))
    y = np.exp(solve_ode(_interfering, (0.0, 20.0), z0, save=t).y)
    windows = np.stack([np.ones(21), np.ones(21)])
    poor = fit_lotka_volterra(t, y, windows=windows, starts=16, key=jax.random.key(0), progress=False)
    options = {"windows": windows[:1], "horizon": 0, "copies": 1, "progress": False, "key": jax.random.key(0)}
    free = fit_universal(t, y, poor.models[:1], priors=[0.5], **options)
    assert poor.losses[0] > 0.1**2
    assert free.loss < 0.1 * poor.losses[0]
    assert free.validation.shape == (0, 1)
    # the factor falls with the number of predators, as the truth does
    few, many = (float(free.model.factors(jnp.array([30.0, v]))[0]) for v in (10.0, 30.0))
    assert few / many == pytest.approx((1 + 0.03 * 30) / (1 + 0.03 * 10), rel=0.3)
    # a narrow prior leaves the model where it started
    bound = fit_universal(t, y, poor.models[:1], priors=[0.01], **options)
    assert bound.loss == pytest.approx(poor.losses[0], rel=0.02)


def test_the_narrowest_prior_wins_unless_another_is_clearly_better():
    assert choose(np.zeros((0, 3))) == 0
    assert choose(np.array([[0.4, 0.33, 0.5]])) == 0
    assert choose(np.array([[0.4, 0.31, 0.5]])) == 1
    assert choose(np.array([[0.4, 0.31, 0.2], [0.4, 0.31, 0.2]])) == 2
    # a forecast that blew up never wins
    assert choose(np.array([[np.inf, 0.3, np.inf]])) == 1


def test_windows_roll_inside_the_rows():
    windows = rolling_windows(16, 4)
    assert windows.sum(axis=1).tolist() == [12, 11, 10]
    assert np.flatnonzero(rows_after(windows[1], 4)).tolist() == [11, 12, 13, 14]
    assert rolling_windows(10, 4).shape == (0, 10)
    assert rolling_windows(16, 0).shape == (0, 16)


def _square(x, target):
    return (x["x"] - target) ** 2


def _spoiled(x, bad):
    return jnp.where(bad, jnp.nan, 1.0) * (x["x"] - 1.0) ** 2


def test_copies_train_as_they_would_alone():
    models = stack([{"x": jnp.asarray(v)} for v in (0.0, 5.0)])
    options = {"stages": train.adam(50, 0.1), "key": jax.random.key(0), "progress": False}
    both = train.fit(models, side_by_side(_square), data=((), (jnp.array([1.0, 2.0]),)), **options)
    for k, target in enumerate((1.0, 2.0)):
        data = ((), (jnp.array([target]),))
        alone = train.fit(stack([pick(models, k)]), side_by_side(_square), data=data, **options)
        np.testing.assert_allclose(alone.model["x"][0], both.model["x"][k], rtol=1e-12)
    assert side_by_side(_square) is side_by_side(_square)


def test_a_copy_that_is_not_finite_does_not_stop_the_others():
    models = {"x": jnp.array([0.0, 0.0])}
    data = ((), (jnp.array([True, False]),))
    options = {"stages": train.adam(300, 0.1), "key": jax.random.key(0), "progress": False}
    result = train.fit(models, side_by_side(_spoiled), data=data, **options)
    assert result.result == "completed"
    np.testing.assert_allclose(result.model["x"], [0.0, 1.0], atol=1e-3)


def test_stack_refuses_what_does_not_belong_together():
    with pytest.raises(ValueError, match="at least one"):
        stack([])
    with pytest.raises(ValueError, match="one structure"):
        stack([{"x": jnp.ones(1)}, {"y": jnp.ones(1)}])
