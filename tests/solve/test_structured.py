"""Structured fields: equal to plain ones for general methods, and what geometric methods keep."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import PENDULUM, pendulum_exact, pendulum_force, pendulum_velocity

Y0 = tuple(float(x) for x in pendulum_exact(0.0))


def test_a_general_method_solves_the_whole_field():
    """A separable field is a field; its solution is the exact one."""
    sol = sj.solve_ode(PENDULUM, (0.0, 4.0), Y0, (1.0,), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(jnp.stack(sol.y), pendulum_exact(4.0), atol=1e-8)
    whole = PENDULUM(0.3, (1.0, 0.5), (1.2,))
    np.testing.assert_allclose(whole[0], pendulum_velocity(0.3, 0.5, (1.2,)))
    np.testing.assert_allclose(whole[1], pendulum_force(0.3, 1.0, (1.2,)))


def kepler(t, q, args):
    return -q / jnp.sum(q**2) ** 1.5


def energy(q, v):
    return 0.5 * np.sum(v**2, -1) - 1 / np.sqrt(np.sum(q**2, -1))


@pytest.mark.parametrize(
    ("method", "bound"),
    [
        # the error of the energy is bounded by C h^order, here with h = 2 pi / 200, for all times
        (sj.StormerVerlet(), 2e-3),
        (sj.Yoshida4(), 3e-4),
        (sj.Yoshida6(), 1e-5),
        (sj.KahanLi8(), 1e-8),
    ],
    ids=lambda m: type(m).__name__,
)
def test_symplectic_methods_keep_the_energy(method, bound):
    """Over fifty orbits the energy comes back; its error does not grow."""
    y0 = (np.array([0.7, 0.0]), np.array([0.0, np.sqrt(1.3 / 0.7)]))
    sol = sj.solve_ode(sj.SecondOrder(kepler), (0.0, 100 * np.pi), y0, method=method, steps=10_000, save=sj.Steps())
    q, v = (np.asarray(x) for x in sol.y)
    error = np.abs(energy(q, v) + 0.5)
    assert error.max() < bound
    assert error[5000:].max() < 1.5 * error[:5000].max() + 1e-12


def test_symplectic_euler_keeps_areas():
    """The Jacobian of a step preserves the symplectic form, exactly."""

    def step(y):
        sol = sj.solve_ode(PENDULUM, (0.0, 0.3), (y[0], y[1]), (1.0,), method=sj.SymplecticEuler(), steps=1)
        return jnp.stack(sol.y)

    for method_step in (step,):
        jacobian = jax.jacfwd(method_step)(jnp.array([1.0, 0.3]))
        assert float(jnp.linalg.det(jacobian)) == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize(
    "method", [sj.StormerVerlet(), sj.Yoshida4(), sj.Yoshida6(), sj.KahanLi8(), sj.ALF(), sj.ReversibleHeun()]
)
def test_steps_can_be_undone(method):
    """Symmetric and reversible methods return where they started, when the state of the method goes back too."""
    there = sj.solve_ode(PENDULUM, (0.0, 2.0), Y0, (1.0,), method=method, steps=40)
    here = sj.solve_ode(PENDULUM, (2.0, 0.0), there.y, (1.0,), method=method, steps=40, state=there.state)
    # rounding of forty steps
    np.testing.assert_allclose(jnp.stack(here.y), Y0, atol=1e-12)


def test_arguments_of_both_parts():
    """Gradients reach what the two functions close over, and args."""
    k = jnp.asarray(1.3)

    def end(k, args):
        field = sj.Separable(lambda t, p, args: k * p, lambda t, q, args: -args * q)
        return sj.solve_ode(field, (0.0, 1.0), (1.0, 0.0), args, method=sj.KahanLi8(), dt=0.05).y[0]

    def exact(k, args):
        return jnp.cos(jnp.sqrt(k * args))

    np.testing.assert_allclose(end(k, 0.7), exact(k, 0.7), rtol=1e-10)
    np.testing.assert_allclose(jax.grad(end, (0, 1))(k, 0.7), jax.grad(exact, (0, 1))(k, 0.7), rtol=1e-8)


def test_a_list_is_refused():
    """A field returns the pair (velocity, force), so the state must be a pair too."""
    with pytest.raises(TypeError, match="a tuple of two states; got a list of 2"):
        sj.solve_ode(sj.SecondOrder(lambda t, q, a: -q), (0.0, 1.0), [1.0, 0.0], steps=10, method=sj.StormerVerlet())
