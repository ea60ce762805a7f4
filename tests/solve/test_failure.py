"""How a failed solve says so."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import decay


def explode(t, y, args):
    """dy/dt = y^2: infinite at t = 1."""
    return y * y


def test_the_error_carries_the_solution_and_names_the_place():
    with pytest.raises(sj.SolveError) as failure:
        sj.solve_ode(explode, (0.0, 2.0), 1.0, save=[0.5, 1.5])
    text, sol = str(failure.value), failure.value.solution
    for part in ("The solve stopped at t = 1", "(of 0 to 2)", "accepted", "rejected", "the next step was to be"):
        assert part in text
    assert sol.result == sj.RESULT.dt_min_reached and not bool(sol.success)
    # what was computed is there
    assert int(sol.n) == 1
    np.testing.assert_allclose(sol.y[0], 2.0, rtol=1e-4)
    assert isinstance(failure.value, RuntimeError)


def test_without_throwing():
    sol = sj.solve_ode(explode, (0.0, 2.0), 1.0, throw=False)
    assert not bool(sol.success)
    assert "singularity" in sj.RESULT[sol.result]
    assert float(sol.t) == pytest.approx(1.0, abs=1e-3)


def test_the_limit_of_steps():
    with pytest.raises(sj.SolveError, match="Raise max_steps=") as failure:
        sj.solve_ode(decay, (0.0, 1.0), 1.0, max_steps=3)
    assert int(failure.value.solution.stats["steps"]) == 3


def test_a_limit_reached_together_with_the_end_is_no_failure():
    n = int(sj.solve_ode(decay, (0.0, 1.0), 1.0).stats["steps"])
    assert sj.solve_ode(decay, (0.0, 1.0), 1.0, max_steps=n).result == sj.RESULT.successful


def test_a_field_that_is_nan_is_named():
    with pytest.raises(sj.SolveError, match="Check the field at the reported state") as failure:
        sj.solve_ode(lambda t, y, args: jnp.where(t > 0.3, jnp.nan, -y), (0.0, 1.0), 1.0)
    assert float(failure.value.solution.t) == pytest.approx(0.3, abs=1e-6)
    with pytest.raises(sj.SolveError, match="NaN or infinite"):
        sj.solve_ode(lambda t, y, args: jnp.nan * y, (0.0, 1.0), 1.0)


@pytest.mark.parametrize("option", ["projection", "affect"])
def test_a_state_that_becomes_nan_at_the_very_end_is_a_failure(option):
    options = {
        "projection": {"projection": lambda t, y, args: jnp.where(t >= 1.0, jnp.nan, y)},
        "affect": {"events": sj.Event(lambda t, y, args: t - 1.0, lambda t, y, args: y * jnp.nan)},
    }[option]
    assert sj.solve_ode(decay, (0.0, 1.0), 1.0, throw=False, **options).result == sj.RESULT.non_finite


def test_under_jit_it_is_a_runtime_error():
    run = jax.jit(lambda y: sj.solve_ode(explode, (0.0, 2.0), y).y)
    assert float(run(0.1)) == pytest.approx(0.125, rel=1e-5)
    with pytest.raises(Exception, match="A solve failed: rerun it outside jit, or with throw=False"):
        jax.block_until_ready(run(1.0))
    with pytest.raises(eqx.EquinoxRuntimeError, match="A solve failed"):
        eqx.filter_jit(lambda y: sj.solve_ode(explode, (0.0, 2.0), y).y)(1.0)


@pytest.mark.parametrize("transform", [jax.grad, jax.jacfwd], ids=lambda f: f.__name__)
def test_under_an_eager_gradient_the_reason_is_told(transform):
    gradient = sj.Forward() if transform is jax.jacfwd else sj.Recorded()

    def end(t1, y):
        return sj.solve_ode(explode, (0.0, t1), y, gradient=gradient).y

    with pytest.raises(sj.SolveError, match=r"at t = 1 \(of 0 to 2\)") as failure:
        transform(end, (0, 1))(2.0, 1.0)
    assert float(failure.value.solution.t) == pytest.approx(1.0, abs=1e-3)


def test_lanes_fail_alone():
    sol = jax.vmap(lambda y: sj.solve_ode(explode, (0.0, 2.0), y, throw=False))(jnp.array([0.1, 1.0, 0.25]))
    assert sol.success.tolist() == [True, False, True]
    np.testing.assert_allclose(sol.y[::2], [0.125, 0.5], rtol=1e-5)
    assert (sol.result == sj.RESULT.dt_min_reached).tolist() == [False, True, False]
    with pytest.raises(Exception, match="A solve failed"):
        jax.block_until_ready(jax.vmap(lambda y: sj.solve_ode(explode, (0.0, 2.0), y).y)(jnp.array([0.1, 1.0])))


def test_a_gradient_of_a_failed_solve_is_that_of_what_was_computed():
    def reached(y):
        return sj.solve_ode(decay, (0.0, 1.0), y, throw=False, max_steps=4).y

    assert float(jax.grad(reached)(2.0)) == pytest.approx(float(reached(2.0)) / 2, rel=1e-12)


def test_stiffness_is_hinted_at():
    def relax(t, y, k):
        return -k * (y - jnp.cos(t))

    stiff = sj.solve_ode(relax, (0.0, 2.0), 1.0, 1e4)
    assert bool(stiff.stats["stiff"])
    assert not bool(sj.solve_ode(relax, (0.0, 2.0), 1.0, 1.0).stats["stiff"])
    smooth = sj.solve_ode(lambda t, y, k: jnp.cos(k * t), (0.0, 2.0), 1.0, 1e4)
    assert int(smooth.stats["steps"]) > 1000 and not bool(smooth.stats["stiff"])
    with pytest.raises(sj.SolveError, match="It looks stiff: an implicit method would take fewer steps"):
        sj.solve_ode(relax, (0.0, 2.0), 1.0, 1e4, max_steps=2000)
