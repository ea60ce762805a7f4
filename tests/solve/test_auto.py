"""Auto: who steps when, agreement with either method alone, gradients through switches, lanes that switch apart."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj


def van_der_pol(t, y, mu):
    return jnp.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])


START = jnp.array([2.0, 0.0])


def solve(mu, t1=150.0, method=None, tolerance=1e-8, **options):
    options = {"rtol": tolerance, "atol": tolerance} | options
    return sj.solve_ode(van_der_pol, (0.0, t1), START, mu, method=sj.Auto() if method is None else method, **options)


def test_an_easy_problem_is_left_to_the_explicit_method():
    auto, alone = solve(1.0, 20.0), solve(1.0, 20.0, sj.Tsit5())
    np.testing.assert_array_equal(auto.y, alone.y)
    stats = {k: int(v) for k, v in auto.stats.items()}
    assert stats["switches"] == stats["jacobians"] == 0
    assert stats["steps"] == int(alone.stats["steps"])


def test_a_stiff_problem_is_handed_over_and_back():
    """The relaxation oscillation of mu = 100 is stiff on its slow branches and fast at its jumps."""
    sol = solve(100.0)
    stats = {k: int(v) for k, v in sol.stats.items()}
    assert stats["switches"] >= 2
    assert 0 < stats["jacobians"] < stats["steps"]
    # an explicit method alone needs 0.9 * 150 * 300 / 3.3 steps, four times the rate of the slow branch
    assert stats["steps"] < 2000
    tight = solve(100.0, method=sj.Rodas5P(), tolerance=1e-11)
    np.testing.assert_allclose(sol.y, tight.y, rtol=1e-5)


def test_saved_times_and_events_across_switches():
    event = sj.Event(lambda t, y, mu: y[0], terminate=False)
    ts = np.linspace(1.0, 149.0, 60)
    ours = solve(100.0, save=ts, events=event)
    theirs = solve(100.0, method=sj.Rodas5P(), tolerance=1e-10, save=ts, events=event)
    np.testing.assert_allclose(ours.y, theirs.y, rtol=1e-4, atol=1e-4)
    n = int(ours.event.n)
    assert n == int(theirs.event.n) > 0
    np.testing.assert_allclose(ours.event.t[:n], theirs.event.t[:n], rtol=1e-6)


@cache
def tight_gradient():
    return jax.jit(jax.grad(lambda mu: solve(mu, method=sj.Rodas5P(), tolerance=1e-10).y[0]))(100.0)


@pytest.mark.parametrize("gradient", [sj.Recorded(), sj.Forward()], ids=["recorded", "forward"])
def test_gradients_follow_the_switches(gradient):
    loss = lambda mu: solve(mu, gradient=gradient).y[0]  # noqa: E731
    derive = jax.grad if isinstance(gradient, sj.Recorded) else jax.jacfwd
    np.testing.assert_allclose(jax.jit(derive(loss))(100.0), tight_gradient(), rtol=1e-4)


def test_lanes_switch_apart():
    mus = np.array([1.0, 30.0, 100.0])
    lanes = jax.jit(jax.vmap(solve))(mus)
    for i, mu in enumerate(mus):
        one = solve(mu)
        assert {k: int(v) for k, v in one.stats.items()} == {k: int(v[i]) for k, v in lanes.stats.items()}
        np.testing.assert_allclose(lanes.y[i], one.y, rtol=1e-7)


def test_other_pairs():
    sol = solve(100.0, method=sj.Auto(nonstiff=sj.Vern7(), stiff=sj.Rodas4()))
    tight = solve(100.0, method=sj.Rodas5P(), tolerance=1e-11)
    np.testing.assert_allclose(sol.y, tight.y, rtol=1e-5)
    assert int(sol.stats["switches"]) >= 2


def test_mistakes():
    with pytest.raises(
        ValueError, match="nonstiff of sj.Auto must have a known interval of stability; Rodas4 has none"
    ):
        sj.Auto(nonstiff=sj.Rodas4())
    with pytest.raises(ValueError, match="stiff of sj.Auto must be a method with an error estimate"):
        sj.Auto(stiff=sj.RK4())
    with pytest.raises(ValueError, match="BDF chooses its own steps and cannot be part of sj.Auto"):
        solve(1.0, 1.0, sj.Auto(stiff=sj.BDF()))
