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


def test_a_traced_end_that_is_nan_is_a_failure():
    run = jax.jit(lambda t1: sj.solve_ode(decay, (0.0, t1), 1.0, throw=False).result == sj.RESULT.non_finite)
    assert bool(run(jnp.nan)) and bool(run(jnp.inf)) and not bool(run(1.0))


@pytest.mark.float32
@pytest.mark.parametrize("t0", [1e3, 1e6])
def test_a_field_that_is_zero_at_a_late_start(t0):
    """The first step is long enough to move t."""
    dose = sj.Event(lambda t, y, args: t - t0 - 4.0, lambda t, y, args: y + 1.0)
    y0 = jnp.float32(0.0)
    sol = sj.solve_ode(lambda t, y, args: 0 * y, (t0, t0 + 10.0), y0, events=dose, rtol=1e-4)
    assert int(sol.stats["steps"]) < 20
    assert float(sol.y) == 1.0


def test_a_step_below_the_rounding_error_of_t_is_a_failure():
    sol = sj.solve_ode(decay, (1e6, 1e6 + 1), 1.0, dt=1e-12, throw=False)
    assert sol.result == sj.RESULT.dt_min_reached
    assert int(sol.stats["steps"]) == 1


@pytest.mark.parametrize("option", ["projection", "affect"])
def test_a_state_that_becomes_nan_at_the_very_end_is_a_failure(option):
    options = {
        "projection": {"projection": lambda t, y, args: jnp.where(t >= 1.0, jnp.nan, y)},
        "affect": {"events": sj.Event(lambda t, y, args: t - 1.0, lambda t, y, args: y * jnp.nan)},
    }[option]
    assert sj.solve_ode(decay, (0.0, 1.0), 1.0, throw=False, **options).result == sj.RESULT.non_finite


def reached(y, **options):
    """y after two units of time: a failure from y = 0.5 on."""
    return sj.solve_ode(explode, (0.0, 2.0), y, **options).y


def test_under_jit_it_is_a_runtime_error_with_the_reason():
    run = jax.jit(reached)
    assert float(run(0.1)) == pytest.approx(0.125, rel=1e-5)
    with pytest.raises(Exception, match="The step size fell below"):
        jax.block_until_ready(run(1.0))
    with pytest.raises(eqx.EquinoxRuntimeError, match="The step size fell below"):
        eqx.filter_jit(reached)(1.0)
    with pytest.raises(Exception, match="Raise max_steps="):
        jax.block_until_ready(jax.jit(lambda y: reached(y, max_steps=3))(0.1))


DERIVATIVES = {
    "grad": jax.grad(reached),
    "vmap of grad": lambda y: jax.vmap(jax.grad(reached))(jnp.stack([0.1 * y, y])),
    "jacfwd": jax.jacfwd(lambda y: reached(y, gradient=sj.Forward())),
    "backsolve": jax.grad(lambda y: reached(y, gradient=sj.Backsolve())),
    "hessian": jax.hessian(reached),
}


@pytest.mark.parametrize("derivative", DERIVATIVES.values(), ids=DERIVATIVES)
def test_a_compiled_derivative_of_a_failed_solve_is_an_error(derivative):
    """Although it has no use for the solution itself."""
    run = jax.jit(derivative)
    # y / (1 - 2 y) has the slope 1 / (1 - 2 y)^2
    value = np.ravel(run(0.1))[-1]
    assert np.isfinite(value)
    with pytest.raises(Exception, match="The step size fell below|NaN or infinite"):
        jax.block_until_ready(run(1.0))


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
    with pytest.raises(Exception, match="The step size fell below"):
        jax.block_until_ready(jax.vmap(lambda y: sj.solve_ode(explode, (0.0, 2.0), y).y)(jnp.array([0.1, 1.0])))


def test_a_gradient_of_a_failed_solve_is_that_of_what_was_computed():
    def reached(y):
        return sj.solve_ode(decay, (0.0, 1.0), y, throw=False, max_steps=4).y

    assert float(jax.grad(reached)(2.0)) == pytest.approx(float(reached(2.0)) / 2, rel=1e-12)


def test_a_field_without_derivatives_is_solved():
    """Only the hint at stiffness would need one: of a function outside of JAX, as simulators are, there is none."""

    def outside(t, y, args):
        return jax.pure_callback(lambda y: -np.asarray(y), jax.ShapeDtypeStruct(y.shape, y.dtype), y)

    sol = sj.solve_ode(outside, (0.0, 1.0), 1.0)
    # a hundred times the tolerance
    np.testing.assert_allclose(sol.y, np.exp(-1), atol=1e-4)


def test_stiffness_is_hinted_at():
    def relax(t, y, k):
        return -k * (y - jnp.cos(t))

    stiff = sj.solve_ode(relax, (0.0, 2.0), 1.0, 1e4)
    assert bool(stiff.stats["stiff"])
    assert not bool(sj.solve_ode(relax, (0.0, 2.0), 1.0, 1.0).stats["stiff"])
    smooth = sj.solve_ode(lambda t, y, k: jnp.cos(k * t), (0.0, 2.0), 1.0, 1e4)
    assert int(smooth.stats["steps"]) > 1000 and not bool(smooth.stats["stiff"])
    with pytest.raises(sj.SolveError, match="It looks stiff: an implicit method, sj.Rodas5P"):
        sj.solve_ode(relax, (0.0, 2.0), 1.0, 1e4, max_steps=2000)
