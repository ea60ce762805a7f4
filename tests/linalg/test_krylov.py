"""GMRES against NumPy, its residuals, and its theory: as many products as there are different eigenvalues."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.linalg import gmres


def matrix(n, dtype=float):
    random = np.random.default_rng(n)
    a = random.normal(size=(n, n)) + (1j * random.normal(size=(n, n)) if dtype is complex else 0)
    return a / np.sqrt(n) + 2 * np.eye(n)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("n", [1, 5, 50])
def test_solutions(n, dtype):
    a, b = matrix(n, dtype), np.linspace(1, 2, n).astype(dtype)
    found = jax.jit(lambda b: gmres(lambda v: a @ v, b, rtol=1e-11, max_restart_dim=20, max_restarts=40))(b)
    assert found.converged
    assert np.linalg.norm(a @ found.x - b) <= 1.01e-11 * np.linalg.norm(b)  # rounding of our own product
    np.testing.assert_allclose(found.x, np.linalg.solve(a, b), rtol=1e-10 * np.linalg.cond(a))


@pytest.mark.parametrize("different", [1, 3, 7])
def test_one_product_for_every_eigenvalue(different):
    eigenvalues = 1.0 + np.arange(60) % different
    found = gmres(lambda v: eigenvalues * v, jnp.linspace(1, 2, 60), rtol=1e-12)
    assert found.converged
    assert int(found.iterations) == different


def test_it_stops_at_the_tolerance_and_restarts():
    a, b = matrix(80), np.ones(80)
    solve = jax.jit(
        lambda rtol, k: gmres(lambda v: a @ v, jnp.asarray(b), rtol=rtol, max_restart_dim=k), static_argnums=1
    )
    counts = [int(solve(rtol, 80).iterations) for rtol in (1e-2, 1e-5, 1e-10)]
    assert 0 < counts[0] < counts[1] < counts[2] < 80
    restarted = solve(1e-5, 5)
    assert restarted.converged and int(restarted.iterations) >= counts[1]
    assert np.linalg.norm(a @ restarted.x - b) <= 1e-5 * np.linalg.norm(b)


def test_a_start_and_a_preconditioner():
    a = matrix(40) + np.diag(np.logspace(0, 6, 40))
    b, exact = np.ones(40), np.linalg.solve(a, np.ones(40))
    multiply = lambda v: a @ v
    assert int(gmres(multiply, jnp.asarray(b), x0=jnp.asarray(exact), rtol=1e-8).iterations) == 0
    diagonal = np.diag(a)
    solve = lambda **options: jax.jit(lambda: gmres(multiply, jnp.asarray(b), rtol=1e-8, max_restart_dim=40, **options))
    plain, better = solve()(), solve(preconditioner=lambda v: v / diagonal)()
    assert better.converged
    assert int(better.iterations) < int(plain.iterations) / 2
    assert np.linalg.norm(a @ better.x - b) <= 1.01e-8 * np.linalg.norm(b)


def test_failures_do_not_converge():
    ones = jnp.ones(4)
    assert gmres(lambda v: v, 0 * ones).converged  # the solution is 0
    for multiply, b in ((lambda v: 0 * v, ones), (lambda v: jnp.nan * v, ones), (lambda v: v, jnp.nan * ones)):
        assert not gmres(multiply, b).converged
    few = gmres(lambda v: matrix(50) @ v, jnp.ones(50), rtol=1e-12, max_restart_dim=3, max_restarts=2)
    assert not few.converged
    assert int(few.iterations) == 6


def test_batches_agree_with_the_loop():
    a, b = matrix(20), np.random.default_rng(0).normal(size=(3, 20))
    solve = lambda b: gmres(lambda v: a @ v, b, rtol=1e-10)
    many = jax.jit(jax.vmap(solve))(b)
    for x, right in zip(many.x, b, strict=True):
        assert np.linalg.norm(a @ x - right) <= 1.01e-10 * np.linalg.norm(right)
