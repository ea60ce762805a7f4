"""Ready objectives: what they compute, what missing data do, and that fits find the truth."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax import train
from sciml_jax.train.objectives import observe
from sciml_jax.train.problem import evaluate
from sciml_jax.train.shooting import segment_length

KEY = jax.random.key(0)
T = jnp.linspace(0.0, 2.0, 13)


def fit(model, objective, *stages, **options):
    stages = stages or [train.lbfgs(100)]
    return train.fit(model, objective, stages=stages, key=KEY, progress=False, **options)


def decay(model, t, start=2.0):
    return start * jnp.exp(-model * (t - t[0]))


def loss(objective, model, batch):
    return float(evaluate(objective, model, batch, KEY)[0])


def test_trajectory_is_the_mean_over_what_is_observed():
    y = decay(1.5, T) + jnp.sin(40 * T)
    masked = y.at[jnp.array([2, 5])].set(jnp.nan)
    mask = jnp.ones(13).at[7].set(0)
    seen = np.delete(np.arange(13), [2, 5, 7])
    expected = np.mean((decay(1.0, T)[seen] - y[seen]) ** 2)
    objective = train.trajectory(decay)
    assert loss(objective, 1.0, (T, masked, mask)) == pytest.approx(float(expected), rel=1e-12)
    assert loss(objective, 1.0, (T, y, None, 3.0)) == pytest.approx(
        float(np.mean((decay(1.0, T, 3.0) - y) ** 2)), rel=1e-12
    )
    assert loss(train.trajectory(decay, scale=2.0), 1.0, (T, y)) == pytest.approx(
        float(np.mean((decay(1.0, T) - y) ** 2)) / 4, rel=1e-12
    )


def test_trajectory_gradients_do_not_see_missing_data():
    y = decay(1.5, T)
    missing = y.at[3].set(jnp.nan)
    objective = train.trajectory(decay)

    def total(model, data):
        return evaluate(objective, model, (T, data, None), KEY)[0]

    gradient = jax.grad(total)(1.0, missing)
    without = np.delete(np.arange(13), 3)
    expected = jax.grad(lambda m: jnp.mean((decay(m, T)[without] - y[without]) ** 2))(1.0)
    assert float(gradient) == pytest.approx(float(expected), rel=1e-12)
    # nothing observed: a loss of zero and no gradient, rather than zero over zero
    assert float(total(1.0, jnp.full(13, jnp.nan))) == 0
    assert float(jax.grad(total)(1.0, jnp.full(13, jnp.nan))) == 0


def test_trajectory_maps_over_many_and_goes_with_batches():
    starts = jnp.array([1.0, 2.0, 3.0, 4.0, 5.0])
    y = jax.vmap(lambda s: decay(1.5, T, s))(starts).at[1, 4].set(jnp.nan)
    times = jnp.tile(T, (5, 1))
    objective = train.trajectory(decay, in_axes=(0, 0))
    one = train.trajectory(lambda m, t, starts: jax.vmap(lambda s: decay(m, t, s))(starts))
    assert loss(objective, 1.0, (times, y, None, starts)) == pytest.approx(loss(one, 1.0, (T, y, None, starts)))
    batches = train.Batches((times, y, jnp.ones(5), starts), 2)
    result = fit(jnp.array(1.0), objective, train.adam(200, 3e-2), train.lbfgs(30), data=batches)
    assert float(result.model) == pytest.approx(1.5, rel=1e-8)


def test_observe_broadcasts_masks_from_the_left():
    y = jnp.arange(6.0).reshape(3, 2).at[0, 0].set(jnp.nan)
    observed, clean = observe(y, jnp.array([True, False, True]))
    assert observed.tolist() == [[False, True], [False, False], [True, True]]
    assert clean.tolist() == [[0, 1], [0, 0], [4, 5]]
    with pytest.raises(ValueError, match=r"mask has shape \(2,\); it must have that of y, \(3, 2\)"):
        observe(y, jnp.ones(2))


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ((T, jnp.ones((13, 2))), ValueError, r"solve_fn returned shape \(13,\), the data y have shape \(13, 2\)"),
        (jnp.ones(3), TypeError, r"the batch of a trajectory objective is \(t, y\).*data= to fit; got"),
        ((T,), TypeError, "the batch of a trajectory objective"),
        (None, TypeError, "got NoneType"),
    ],
)
def test_trajectory_names_mistakes(batch, error, message):
    with pytest.raises(error, match=message):
        fit(jnp.array(1.0), train.trajectory(decay), data=batch)


def test_trajectory_through_a_solve():
    import sciml_jax as sj

    def field(t, y, args):
        return jnp.stack([y[1], -args[0] * y[0] - args[1] * y[1]])

    def solve(model, t, y0):
        return sj.solve_ode(field, (t[0], t[-1]), y0, model, save=t, rtol=1e-8, atol=1e-10).y

    truth, y0 = jnp.array([4.0, 0.5]), jnp.array([1.0, 0.0])
    y = solve(truth, T, y0).at[4].set(jnp.nan)
    result = fit(jnp.array([3.5, 0.3]), train.trajectory(solve), train.lbfgs(40), data=(T, y, None, y0))
    assert np.allclose(result.model, truth, rtol=1e-6)


def test_nll_is_the_mean_and_gives_every_sample_a_key():
    x = jax.random.normal(KEY, (50, 2)) * 3.0 + 1.0

    class Normal(eqx.Module):
        mean: jax.Array
        log_scale: jax.Array

        def log_prob(self, x):
            return jnp.sum(jax.scipy.stats.norm.logpdf(x, self.mean, jnp.exp(self.log_scale)))

    result = fit(Normal(jnp.zeros(2), jnp.zeros(2)), train.nll(), data=x)
    assert np.allclose(result.model.mean, np.mean(x, axis=0), atol=1e-6)
    assert np.allclose(jnp.exp(result.model.log_scale), np.std(x, axis=0), rtol=1e-6)

    noisy = train.nll(lambda model, x, key: jax.random.normal(key))
    values = [loss(noisy, None, jnp.ones(2)), loss(noisy, None, jnp.ones(1))]
    assert len(set(values)) == 2
    with pytest.raises(ValueError, match="nll: the batch needs samples"):
        fit(jnp.array(1.0), noisy, data=jnp.ones((0, 2)))


def shoot(model, t, y0):
    omega = jnp.exp(model)
    phase = omega * (t - t[0])
    return jnp.stack(
        [
            y0[0] * jnp.cos(phase) + y0[1] / omega * jnp.sin(phase),
            y0[1] * jnp.cos(phase) - omega * y0[0] * jnp.sin(phase),
        ],
        axis=1,
    )


def test_multiple_shooting_finds_a_frequency_that_single_shooting_misses():
    t = jnp.linspace(0.0, 20.0, 81)
    truth = jnp.log(3.0)
    y = shoot(truth, t, jnp.array([1.0, 0.0])).at[5, 0].set(jnp.nan)
    guess = jnp.log(2.0)
    model = train.Shooting(guess, t, y, segments=20)
    assert model.states.shape == (20, 2)
    assert np.isfinite(model.states).all()
    result = fit(model, train.multiple_shooting(shoot), train.lbfgs(300), data=(t, y))
    assert float(result.model.model) == pytest.approx(float(truth), rel=1e-7)
    assert set(result.history.terms) == {"continuity", "data"}
    # the segments meet: the first state and the model alone reproduce everything
    path = shoot(result.model.model, t, result.model.states[0])
    assert np.nanmax(np.abs(path - y)) < 1e-5
    single = fit(
        guess, train.trajectory(lambda m, t: shoot(m, t, jnp.array([1.0, 0.0]))), train.lbfgs(300), data=(t, y)
    )
    assert abs(float(single.model - truth)) > 0.1


def test_multiple_shooting_with_a_hidden_component():
    t = jnp.linspace(0.0, 6.0, 25)
    truth = jnp.log(2.0)
    full = shoot(truth, t, jnp.array([1.0, 0.0]))
    states = jnp.stack([full[:24:6, 0], jnp.zeros(4)], axis=1)
    objective = train.multiple_shooting(shoot, continuity=10.0, observation=lambda y: y[:1])
    result = fit(train.Shooting(jnp.log(1.7), states=states), objective, train.lbfgs(300), data=(t, full[:, :1]))
    assert float(result.model.model) == pytest.approx(float(truth), rel=1e-6)
    assert np.allclose(result.model.states[:, 1], full[:24:6, 1], atol=1e-5)


def test_one_segment_is_single_shooting():
    y = shoot(0.0, T, jnp.array([1.0, 0.0]))
    model = train.Shooting(jnp.array(0.1), T, y, segments=1)
    multiple = evaluate(train.multiple_shooting(shoot), model, (T, y), KEY)[0]
    single = evaluate(train.trajectory(lambda m, t: shoot(m, t, y[0])), jnp.array(0.1), (T, y), KEY)[0]
    assert float(multiple) == pytest.approx(float(single), rel=1e-12)


def test_multiple_shooting_names_mistakes():
    y = shoot(0.0, T, jnp.array([1.0, 0.0]))
    with pytest.raises(ValueError, match=r"5 segments do not divide 13 times.*one of \[1, 2, 3, 4, 6, 12\]"):
        train.Shooting(0.0, T, y, segments=5)
    with pytest.raises(ValueError, match="0 segments do not divide"):
        segment_length(13, 0)
    with pytest.raises(ValueError, match="needs t, y and segments, or the initial states"):
        train.Shooting(0.0, T, y)
    with pytest.raises(ValueError, match="component 1 of y is never observed: give the initial states in states="):
        train.Shooting(0.0, T, y.at[:, 1].set(jnp.nan), segments=3)
    with pytest.raises(TypeError, match=r"trains a Shooting, got .*fit\(Shooting\(model, t, y, segments=...\), ...\)"):
        fit(jnp.array(0.0), train.multiple_shooting(shoot), data=(T, y))
    with pytest.raises(ValueError, match=r"shape \(13, 2\), the data y have shape \(13, 1\); observation="):
        fit(train.Shooting(jnp.array(0.0), T, y, segments=3), train.multiple_shooting(shoot), data=(T, y[:, :1]))


@pytest.mark.parametrize("bandwidth", [None, 0.4])
def test_smooth_is_exact_for_quadratics(bandwidth):
    # at unequal times, with gaps, up to the ends
    t = jnp.sort(jax.random.uniform(KEY, (40,))) * 3.0
    y = jnp.stack([1 + 2 * t - t**2, 3 * t], axis=1).at[7, 0].set(jnp.nan)
    value, slope = train.smooth(t, y, bandwidth)
    assert np.allclose(value, jnp.stack([1 + 2 * t - t**2, 3 * t], axis=1), atol=1e-10)
    assert np.allclose(slope, jnp.stack([2 - 2 * t, jnp.full(40, 3.0)], axis=1), atol=1e-9)


def test_smooth_reduces_noise_and_gives_other_times():
    t = jnp.linspace(0.0, 1.0, 200)
    noise = 0.05 * jax.random.normal(KEY, t.shape)
    at = jnp.linspace(0.1, 0.9, 9)
    value, slope = train.smooth(t, (jnp.sin(3 * t) + noise)[:, None], 0.2, at=at)
    # about 80 points a window: a standard error of about 1.3 * 0.05 / sqrt(80) for values, and the slope's is some
    # 3 / h times that; the bias of the slope is h^2/2 * f''' * 3/7 * ... < 0.3 here
    assert value.shape == slope.shape == (9, 1)
    assert np.max(np.abs(value[:, 0] - jnp.sin(3 * at))) < 4 * 1.3 * 0.05 / np.sqrt(80)
    assert np.max(np.abs(slope[:, 0] - 3 * jnp.cos(3 * at))) < 0.3 + 4 * 3 / 0.2 * 0.05 / np.sqrt(80)


def test_smooth_with_too_few_points_stays_finite():
    y = jnp.full((13, 1), jnp.nan).at[jnp.array([0, 12])].set(1.0)
    value, slope = train.smooth(T, y, 0.3)
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()
    with pytest.raises(ValueError, match=r"smooth takes t of shape \(T,\) with T >= 3.*got \(2,\) and \(2, 1\)"):
        train.smooth(T[:2], jnp.ones((2, 1)))


def test_collocation_finds_the_parameters_of_a_field():
    # the exact derivative of an oscillator: the truth is the minimum
    y = shoot(jnp.log(3.0), T, jnp.array([1.0, 0.0]))
    dy = jnp.stack([y[:, 1], -9.0 * y[:, 0]], axis=1)

    def field(model, t, y):
        return jnp.stack([y[1], -model * y[0]])

    objective = train.collocation(field)
    result = fit(jnp.array(1.0), objective, data=(T, y, dy))
    assert float(result.model) == pytest.approx(9.0, rel=1e-8)
    assert loss(objective, 8.0, (T, y, dy)) == pytest.approx(float(np.mean(y[:, 0] ** 2)), rel=1e-12)
    assert loss(train.collocation(field, scale=2.0), 8.0, (T, y, dy)) == pytest.approx(float(np.mean(y[:, 0] ** 2)) / 4)
    with pytest.raises(TypeError, match=r"the batch of collocation is \(t, y, dy\)"):
        fit(jnp.array(1.0), objective, data=(T, y))
