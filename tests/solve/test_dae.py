"""Fully implicit differential-algebraic equations: references, consistent starts, gradients, events, mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.data import problems


@pytest.mark.parametrize("name", ["rober_dae", "chemical_akzo_nobel", "transistor_amplifier", "pendulum_dae"])
def test_references(name):
    p = getattr(problems, name)()
    sol = sj.solve_dae(p.residual, p.t_span, p.y0, p.dy0, p.args, rtol=1e-7, atol=1e-9)
    # local errors add up over some hundred to thousands of steps
    np.testing.assert_allclose(sol.y, p.reference, rtol=1e-3, atol=1e-5)


def circle(t, y, dy, w):
    """x' = -w z on the circle x^2 + z^2 = 1: x = cos, z = sin of w t, in a form that is nonlinear in x'."""
    x, z = y
    return jnp.stack([dy[0] + w * z + 0.1 * (dy[0] ** 3 + (w * z) ** 3), x**2 + z**2 - 1])


def start(angle, w=2.0):
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)]), w * jnp.stack([-jnp.sin(angle), jnp.cos(angle)])


def test_nonlinear_in_the_derivative():
    ts = np.linspace(0.0, 0.5, 11)
    sol = sj.solve_dae(circle, (0.0, 0.5), *start(0.4), 2.0, rtol=1e-8, atol=1e-8, save=ts)
    np.testing.assert_allclose(sol.y, np.stack([np.cos(0.4 + 2 * ts), np.sin(0.4 + 2 * ts)], -1), atol=1e-6)


# Where to start


def test_a_start_is_found():
    sol = sj.solve_dae(
        circle, (0.0, 0.5), jnp.array([np.cos(0.4), 0.3]), jnp.zeros(2), 2.0, rtol=1e-8, atol=1e-8, initial="find",
        save=[0.0, 0.5],
    )  # fmt: skip
    exact = np.array([[np.cos(0.4), np.sin(0.4)], [np.cos(1.4), np.sin(1.4)]])
    np.testing.assert_allclose(sol.y, exact, atol=1e-6)


STARTS = {
    "the state": (start(0.4)[0] + jnp.array([0.0, 0.1]), start(0.4)[1]),
    "the derivative": (start(0.4)[0], 0.5 * start(0.4)[1]),
}


@pytest.mark.parametrize("wrong", STARTS)
def test_an_inconsistent_start_is_refused(wrong):
    with pytest.raises(sj.SolveError, match=r"does not satisfy the algebraic equations(.|\n)*algebraic residual is"):
        sj.solve_dae(circle, (0.0, 0.5), *STARTS[wrong], 2.0)


def test_a_higher_index_is_told():
    def pendulum(t, y, dy, args):  # the constraint on positions: index 3
        x, z, vx, vz, tension = y
        return jnp.stack([dy[0] - vx, dy[1] - vz, dy[2] + tension * x, dy[3] + tension * z + 9.81, x**2 + z**2 - 1])

    y0 = jnp.array([0.8, 0.5, 0.0, 0.0, 0.0])
    sol = sj.solve_dae(pendulum, (0.0, 1.0), y0, jnp.zeros(5), initial="find", throw=False)
    assert sol.result == sj.RESULT.inconsistent_initial


# Gradients


@pytest.mark.parametrize("gradient", [sj.Recorded(), sj.Forward()], ids=["recorded", "forward"])
def test_gradients(gradient):
    """In the rate and in the state to start from, which is made consistent on the way."""

    def end(p):
        y0 = jnp.stack([jnp.cos(p[1]), jnp.asarray(0.5)])
        options = {"rtol": 1e-9, "atol": 1e-9, "initial": "find", "gradient": gradient}
        return sj.solve_dae(circle, (0.0, 0.3), y0, jnp.zeros(2), p[0], **options).y

    derive = jax.jacrev if isinstance(gradient, sj.Recorded) else jax.jacfwd
    angle = 0.4 + 0.3 * 2.0
    by_angle = np.array([-np.sin(angle), np.cos(angle)])
    exact = np.stack([0.3 * by_angle, by_angle], -1)
    np.testing.assert_allclose(jax.jit(derive(end))(jnp.array([2.0, 0.4])), exact, atol=2e-6)


def test_vmap():
    rates = jnp.array([1.0, 2.0])
    run = lambda w: sj.solve_dae(circle, (0.0, 0.5), start(0.4)[0], w * start(0.4, 1.0)[1], w).y  # noqa: E731
    lanes = jax.vmap(run)(rates)
    for lane, w in zip(lanes, rates, strict=True):
        np.testing.assert_allclose(lane, run(w), rtol=1e-6)


def test_events():
    """The solution goes on after a jump along the constraint."""
    quarter = sj.Event(
        lambda t, y, w: y[1] - np.sin(0.8), affect=lambda t, y, w: jnp.stack([jnp.cos(0.4), jnp.sin(0.4)])
    )
    sol = sj.solve_dae(circle, (0.0, 0.5), *start(0.4), 2.0, rtol=1e-8, atol=1e-8, events=quarter)
    np.testing.assert_allclose(sol.event.t[: int(sol.event.n)], [0.2, 0.4], atol=1e-6)
    np.testing.assert_allclose(sol.y, [np.cos(0.6), np.sin(0.6)], atol=1e-6)


MISTAKES = {
    "method": (
        {"method": sj.Rodas5P()},
        ValueError,
        r"solve_dae needs a method for fully implicit equations, sj.BDF\(\)",
    ),
    "mass": ({"mass": np.eye(2)}, TypeError, "solve_dae takes no mass: say it in the residual"),
    "adjoint": ({"gradient": sj.Backsolve()}, ValueError, "a structured field"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake):
    options, error, match = MISTAKES[mistake]
    with pytest.raises(error, match=match):
        sj.solve_dae(circle, (0.0, 0.5), *start(0.4), 2.0, **options)


def test_shapes_and_signatures():
    y0, dy0 = start(0.4)
    with pytest.raises(ValueError, match="dy0 must have the shape of y0"):
        sj.solve_dae(circle, (0.0, 0.5), y0, jnp.zeros(3), 2.0)
    with pytest.raises(ValueError, match="needs y0 to be one real vector"):
        sj.solve_dae(circle, (0.0, 0.5), (y0, y0), dy0, 2.0)
    with pytest.raises(ValueError, match="residual must return one array of the shape of y0"):
        sj.solve_dae(lambda t, y, dy, args: dy[0], (0.0, 0.5), y0, dy0, 2.0)
    with pytest.raises(TypeError, match="residual is called as residual"):
        sj.solve_dae(lambda t, y, args: y, (0.0, 0.5), y0, dy0, 2.0)
