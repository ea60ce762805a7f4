"""Exactly N steps by a scan: the same numbers as the driver, and JAX's own derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import PENDULUM, decay, spiral

SPAN, Y0, ARGS = (0.5, 1.6), jnp.array([1.3, 2.0]), (jnp.asarray(1.1),)
GRID = np.linspace(*SPAN, 24)


def scan(method=None, save=None, n=23, **options):
    return sj.solve_ode(spiral, SPAN, Y0, ARGS, method=method, steps=n, save=save, **options)


def driver(method=None, save=None, n=23, **options):
    """A stop outside the span changes nothing, but takes the problem to the general driver."""
    return scan(method, save, n, step_to=[9.0], **options)


@pytest.mark.parametrize("method", [sj.RK4(), sj.Tsit5(), sj.Vern7(), sj.ReversibleHeun(), sj.ALF()])
def test_the_scan_gives_the_drivers_numbers(method):
    ours, theirs = scan(method, sj.Steps()), driver(method, sj.Steps())
    assert ours.t.shape == (24,) and ours.y.shape == (24, 2)
    assert int(ours.n) == 24 and ours.result == sj.RESULT.successful
    np.testing.assert_allclose(ours.t, GRID, rtol=1e-15)
    np.testing.assert_allclose(ours.t, theirs.t[:24], rtol=1e-15)
    np.testing.assert_allclose(ours.y, theirs.y[:24], rtol=1e-12)
    assert int(ours.stats["accepted"]) == 23
    assert int(ours.stats["field_evaluations"]) == int(theirs.stats["field_evaluations"])


def test_a_separable_field():
    y0 = (1.5, 0.4)
    ours = sj.solve_ode(PENDULUM, (0.0, 2.0), y0, (1.0,), method=sj.Yoshida4(), steps=20, save=sj.Steps())
    theirs = sj.solve_ode(PENDULUM, (0.0, 2.0), y0, (1.0,), method=sj.Yoshida4(), steps=20, save=np.linspace(0, 2, 21))
    for a, b in zip(ours.y, theirs.y, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 10, 23])
def test_any_number_of_steps(n):
    """The scan is folded in two for reverse mode: with and without a rest."""

    def end(y0):
        return sj.solve_ode(decay, (0.0, 1.0), y0, method=sj.Euler(), steps=n).y

    assert float(end(2.0)) == pytest.approx(2 * (1 - 1 / n) ** n, rel=1e-14)
    assert float(jax.grad(end)(2.0)) == pytest.approx((1 - 1 / n) ** n, rel=1e-13)


@pytest.mark.parametrize("n, size", [(257, 10), (300, 40), (289, 40)])
def test_more_states_than_reverse_mode_keeps(n, size):
    """Of 257 steps of ten numbers every state is kept, of 300 and 289 of forty a root: with and without a rest."""

    def end(y0):
        return jnp.sum(sj.solve_ode(decay, (0.0, 1.0), y0, method=sj.Euler(), steps=n).y)

    np.testing.assert_allclose(jax.grad(end)(jnp.ones(size)), (1 - 1 / n) ** n, rtol=1e-12)


@pytest.mark.parametrize("n, snapshots", [(20, 4), (23, 8), (5, 8)])
def test_as_many_snapshots_as_asked_for(n, snapshots):
    """Fewer than steps, with and without a rest, and more."""

    def end(y0, gradient):
        return sj.solve_ode(decay, (0.0, 1.0), y0, method=sj.Euler(), steps=n, gradient=gradient).y

    for derive in (jax.grad, lambda f: jax.grad(lambda x: f(f(x)))):
        few, every = (
            derive(lambda y0, g=gradient: end(y0, g))(2.0) for gradient in (sj.Recorded(snapshots=snapshots), None)
        )
        assert float(few) == pytest.approx(float(every), rel=1e-13)


def test_more_steps_than_the_limit_of_the_driver():
    sol = sj.solve_ode(decay, (0.0, 1.0), 1.0, method=sj.Euler(), steps=1000, max_steps=10)
    assert int(sol.stats["accepted"]) == 1000


def value(p, method=None, gradient=None):
    sol = sj.solve_ode(
        spiral, (p[3], p[4]), p[1:3], (p[0],), method=method, steps=23, save=sj.Steps(), gradient=gradient
    )
    return jnp.sum(sol.y * jnp.cos(sol.t)[:, None])


P = jnp.array([1.1, 1.3, 2.0, 0.5, 1.6])


value_and_gradient = jax.jit(jax.value_and_grad(value))


def gradient(p):
    return value_and_gradient(p)[1]


def test_derivatives_agree_with_differences():
    f, h = lambda p: value_and_gradient(p)[0], 1e-4
    differences = [(f(P + h * e) - f(P - h * e)) / (2 * h) for e in jnp.eye(5)]
    # h^2 times the third derivative
    np.testing.assert_allclose(gradient(P), differences, rtol=1e-6)
    for kind in (sj.Recorded(), sj.Forward()):
        tangent = jax.jit(lambda d, kind=kind: jax.jvp(lambda p: value(p, gradient=kind), (P,), (d,))[1])(P)
        np.testing.assert_allclose(tangent, gradient(P) @ P, rtol=1e-11)


def test_second_derivatives_every_way():
    """Reverse over reverse and forward over reverse agree with differences of the gradient."""

    def end(p):
        return jnp.sum(sj.solve_ode(spiral, SPAN, p[1:], (p[0],), method=sj.Heun(), steps=9).y ** 2)

    p, h = P[:3], 1e-5
    for derive in (jax.jacfwd, jax.jacrev):
        # in one program: the Jacobian of the gradient, and the gradient
        both = jax.jit(derive(lambda p: (jax.grad(end)(p),) * 2, has_aux=True))
        hessian, _ = both(p)
        differences = [(both(p + h * e)[1] - both(p - h * e)[1]) / (2 * h) for e in jnp.eye(3)]
        # h^2 times third derivatives of a few hundred
        np.testing.assert_allclose(hessian, differences, rtol=1e-6, atol=1e-6)


def test_functions_and_projections():
    save = sj.Steps(None, lambda t, y, args: y[0] * args[0] + t)
    unit = lambda t, y, args: y / jnp.sqrt(jnp.sum(y**2)) * jnp.sqrt(5.69)  # noqa: E731
    ours, theirs = scan(sj.Heun(), save, projection=unit), driver(sj.Heun(), save, projection=unit)
    np.testing.assert_allclose(ours.y, theirs.y[:24], rtol=1e-12)
    assert float(jnp.sum(ours.state.y**2)) == pytest.approx(5.69, rel=1e-13)


def test_auxiliary_outputs():
    sol = sj.solve_ode(
        lambda t, y, args: (-y, {"t": t}), (0.0, 1.0), 1.0, has_aux=True, method=sj.RK4(), steps=5, save=sj.Steps()
    )
    np.testing.assert_allclose(sol.aux["t"], np.linspace(0, 1, 6), rtol=1e-15)


def test_lanes():
    p = P * (1 + 0.1 * jnp.arange(3.0))[:, None]
    values, gradients = jax.jit(jax.vmap(jax.value_and_grad(value)))(p)
    one_by_one = [value_and_gradient(x) for x in p]
    np.testing.assert_allclose(values, [value for value, _ in one_by_one], rtol=1e-12)
    np.testing.assert_allclose(gradients, [gradient for _, gradient in one_by_one], rtol=1e-10)


def test_a_failure_is_told():
    sol = sj.solve_ode(lambda t, y, args: jnp.where(t > 0.5, jnp.nan, -y), (0.0, 1.0), 1.0, steps=10, throw=False)
    assert sol.result == sj.RESULT.non_finite
    with pytest.raises(sj.SolveError, match="NaN or infinite"):
        sj.solve_ode(lambda t, y, args: y * jnp.inf, (0.0, 1.0), 1.0, steps=10)


@pytest.mark.float32
def test_float32():
    sol = sj.solve_ode(decay, (0.0, 1.0), jnp.float32(1), method=sj.RK4(), steps=10, save=sj.Steps())
    assert sol.y.dtype == sol.t.dtype == jnp.float32
    np.testing.assert_allclose(sol.y, np.exp(-np.linspace(0, 1, 11)), rtol=2e-6)


@pytest.mark.parametrize("method", [sj.ImplicitEuler(), sj.Kvaerno3(), sj.Radau5(), sj.Tsit5()])
def test_second_derivatives(method):
    """Forwards over backwards against central differences of the gradient, whose error is eps^2 = 1e-10; `custom_root`
    and `custom_jvp` lose their derivatives there, and were wrong by a third."""
    options = {"method": method, "steps": 3, "rtol": 1e-12, "atol": 1e-12}  # of Newton's iteration
    end = lambda k: sj.solve_ode(lambda t, y, k: -k * y**2, (0.0, 1.0), 1.0, k, **options).y
    slope, eps = jax.jit(jax.grad(end)), 1e-5
    want = (slope(1.0 + eps) - slope(1.0 - eps)) / (2 * eps)
    np.testing.assert_allclose(jax.jit(jax.hessian(end))(1.0), want, rtol=1e-8)
