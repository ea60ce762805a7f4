"""Newton's iteration without matrices: agreement with factors, gradients, the preconditioner, mistakes."""

import warnings
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

N = 40
X = np.arange(1, N + 1) / (N + 1)


def reaction(t, u, k):
    """Diffusion and a cubic reaction on a line."""
    padded = jnp.pad(u, 1)
    return k * (padded[2:] - 2 * u + padded[:-2]) * (N + 1) ** 2 + u - u**3


START = np.sin(np.pi * X) + 0.5 * np.sin(3 * np.pi * X)


def solve(method, k=0.1, tolerance=1e-7, start=START, **options):
    options = {"rtol": tolerance, "atol": tolerance} | options
    return sj.solve_ode(reaction, (0.0, 0.5), start, k, method=method, **options)


METHODS = pytest.mark.parametrize("method", [sj.BDF(), sj.Kvaerno4(), sj.SBDF2()], ids=lambda m: type(m).__name__)


@METHODS
def test_it_agrees_with_factors(method):
    free, factored = solve(method, linear_solver=sj.Krylov()), solve(method)
    # both within some tens of tolerances of the solution
    np.testing.assert_allclose(free.y, factored.y, atol=5e-6)
    assert int(free.stats["newton_failures"]) <= 3


def test_nothing_but_the_diagonal_is_kept():
    kept = solve(sj.BDF(), linear_solver=sj.Krylov()).state.method.cache
    assert all(leaf.size <= N for leaf in jax.tree.leaves((kept.jac, kept.factors)))


def loss(k, method, **options):
    return jnp.sum(solve(method, k, 1e-8, **options).y ** 2)


@cache
def gradient_with_factors(method):
    return jax.jit(jax.grad(lambda k: loss(k, method)))(0.1)


@METHODS
@pytest.mark.parametrize("gradient", [sj.Recorded(), sj.Forward()], ids=["recorded", "forward"])
def test_gradients(method, gradient):
    """In the diffusivity; against factors with the same method, both at tight tolerances."""
    derive = jax.grad if isinstance(gradient, sj.Recorded) else jax.jacfwd
    free = jax.jit(derive(lambda k: loss(k, method, gradient=gradient, linear_solver=sj.Krylov())))(0.1)
    np.testing.assert_allclose(free, gradient_with_factors(method), rtol=1e-5)


@pytest.mark.float32
def test_gradients_in_float32():
    """Residuals are made as small as rounding lets them."""

    def loss(k, **options):
        return jnp.sum(solve(sj.BDF(), k, 1e-4, jnp.asarray(START, jnp.float32), **options).y ** 2)

    free = jax.jit(jax.grad(lambda k: loss(k, linear_solver=sj.Krylov())))(jnp.float32(0.1))
    # both within some tens of tolerances of that of the exact solution
    np.testing.assert_allclose(free, jax.jit(jax.grad(loss))(jnp.float32(0.1)), rtol=5e-3)


def preconditioner(t, y, shift):
    """The inverse of shift - 0.1 Laplacian, by the sine transform as a matrix."""
    modes = np.arange(1, N + 1)
    sines = np.sqrt(2 / (N + 1)) * np.sin(np.pi * np.outer(modes, X))
    rates = 0.1 * 4 * (N + 1) ** 2 * np.sin(np.pi * modes / 2 / (N + 1)) ** 2
    return lambda v: sines @ ((sines @ v) / (shift + rates))


def test_the_preconditioner():
    """With it three directions are enough, without it GMRES stagnates, and Newton's iteration fails at long steps."""
    with_it = solve(sj.BDF(), linear_solver=sj.Krylov(directions=3, preconditioner=preconditioner), max_steps=400)
    np.testing.assert_allclose(with_it.y, solve(sj.BDF()).y, atol=5e-6)
    assert int(with_it.stats["newton_failures"]) <= 3


def test_a_diagonal_mass_matrix():
    mass = 1 + X
    scaled = lambda t, u, k: reaction(t, u, k) / mass  # noqa: E731
    options = {"rtol": 1e-7, "atol": 1e-7, "method": sj.BDF()}
    free = sj.solve_ode(reaction, (0.0, 0.5), START, 0.1, mass=mass, linear_solver=sj.Krylov(), **options)
    exact = sj.solve_ode(scaled, (0.0, 0.5), START, 0.1, **options)
    np.testing.assert_allclose(free.y, exact.y, atol=5e-6)


def test_mistakes():
    with pytest.raises(
        ValueError, match=r"linear_solver=sj.Krylov\(\) is for sj.BDF, ESDIRK and IMEX methods, not Rodas4"
    ):
        solve(sj.Rodas4(), linear_solver=sj.Krylov())
    with pytest.raises(ValueError, match="needs a diagonal mass matrix"):
        solve(sj.BDF(), linear_solver=sj.Krylov(), mass=np.eye(N))
    with pytest.raises(TypeError, match="linear_solver must be a sj.Krylov"):
        solve(sj.BDF(), linear_solver="gmres")
    with pytest.raises(ValueError, match="jac_pattern= and linear_solver= exclude one another"):
        solve(sj.BDF(), linear_solver=sj.Krylov(), jac_pattern=(1, 1))


def test_a_long_factorisation_is_told():
    """64 x 64 x 2 places of a plane leave blocks of 128 rows and more: some tenths of a second each."""

    def plane(t, u, args):
        neighbours = sum(jnp.roll(u, shift, axis) for shift in (1, -1) for axis in (1, 2))
        return neighbours - 4 * u + u[::-1] ** 2

    start, options = jnp.ones((2, 64, 64)), {"method": sj.BDF(), "dt": 0.1}

    def traced(**more):
        jax.eval_shape(lambda u: sj.solve_ode(plane, (0.0, 0.1), u, **options, **more).y, start)

    with pytest.warns(
        UserWarning, match=r"8192 unknowns and its solves take about 0\.\d s.*linear_solver=sj.Krylov\(\) needs none"
    ):
        traced()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        traced(linear_solver=sj.Krylov())
        traced(jac_pattern="dense")
        jax.eval_shape(lambda u: sj.solve_ode(plane, (0.0, 0.1), u, **options).y, start[:, :8, :8])
