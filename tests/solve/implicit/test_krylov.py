"""Newton's iteration without matrices: the exact solution and its gradient, the preconditioner, mistakes."""

import warnings
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from ..problems import differences, tight

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


@cache
def exact(k=0.1, by_mass=False):
    """The end, by SciPy."""

    def right(t, u, args):
        padded = np.pad(u, 1)
        rates = k * (padded[2:] - 2 * u + padded[:-2]) * (N + 1) ** 2 + u - u**3
        return rates / (1 + X) if by_mass else rates

    return tight(right, (0.0, 0.5), START)[0]


@cache
def exact_gradient():
    """Of the sum of squares at the end, in the diffusivity; the error of the differences is h^4."""
    return differences(lambda k: np.sum(exact(float(k)) ** 2), 0.1, 1e-3).item()


METHODS = pytest.mark.parametrize("method", [sj.BDF(), sj.Kvaerno3(), sj.SBDF2()], ids=lambda m: type(m).__name__)


def loss(k, method, gradient, tolerance=1e-8, start=START):
    sol = solve(method, k, tolerance, start, gradient=gradient, linear_solver=sj.Krylov())
    return jnp.sum(sol.y**2), sol


@cache
def reverse(method):
    """Gradient and solution."""
    return jax.jit(jax.grad(lambda k: loss(k, method, sj.Recorded()), has_aux=True))(0.1)


@METHODS
def test_the_exact_solution(method):
    sol = reverse(method)[1]
    # some tens of tolerances a step
    np.testing.assert_allclose(sol.y, exact(), atol=5e-6)
    assert int(sol.stats["newton_failures"]) <= 3


def test_nothing_but_the_diagonal_is_kept():
    kept = reverse(sj.BDF())[1].state.method.cache
    assert all(leaf.size <= N for leaf in jax.tree.leaves((kept.jac, kept.factors)))


@METHODS
@pytest.mark.parametrize("gradient", [sj.Recorded(), sj.Forward()], ids=["recorded", "forward"])
def test_gradients(method, gradient):
    """In the diffusivity, at tight tolerances."""
    if isinstance(gradient, sj.Recorded):
        free = reverse(method)[0]
    else:
        free = jax.jit(lambda k: jax.jvp(lambda k: loss(k, method, gradient)[0], (k,), (1.0,))[1])(0.1)
    np.testing.assert_allclose(free, exact_gradient(), rtol=1e-5)


@pytest.mark.float32
def test_gradients_in_float32():
    """Residuals are made as small as rounding lets them."""
    start = jnp.asarray(START, jnp.float32)
    free = jax.jit(jax.grad(lambda k: loss(k, sj.BDF(), sj.Recorded(), 1e-4, start)[0]))(jnp.float32(0.1))
    # within some tens of tolerances of that of the exact solution
    np.testing.assert_allclose(free, exact_gradient(), rtol=5e-3)


def preconditioner(t, y, shift):
    """The inverse of shift - 0.1 Laplacian, by the sine transform as a matrix."""
    modes = np.arange(1, N + 1)
    sines = np.sqrt(2 / (N + 1)) * np.sin(np.pi * np.outer(modes, X))
    rates = 0.1 * 4 * (N + 1) ** 2 * np.sin(np.pi * modes / 2 / (N + 1)) ** 2
    return lambda v: sines @ ((sines @ v) / (shift + rates))


def test_the_preconditioner():
    """With it three directions are enough, without it GMRES stagnates, and Newton's iteration fails at long steps."""
    with_it = solve(sj.BDF(), linear_solver=sj.Krylov(directions=3, preconditioner=preconditioner), max_steps=400)
    np.testing.assert_allclose(with_it.y, exact(), atol=5e-6)
    assert int(with_it.stats["newton_failures"]) <= 3


def test_a_diagonal_mass_matrix():
    free = solve(sj.BDF(), mass=1 + X, linear_solver=sj.Krylov())
    np.testing.assert_allclose(free.y, exact(by_mass=True), atol=5e-6)


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
