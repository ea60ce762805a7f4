"""Block tridiagonal factorisations against dense matrices in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.linalg import block_tridiagonal

from .test_banded import banded_matrix, stored


def blocks(k, m, dtype=float, seed=0):
    random = np.random.default_rng(seed)
    part = lambda count: (
        random.normal(size=(count, m, m)) + (1j * random.normal(size=(count, m, m)) if dtype is complex else 0)
    )
    return part(k - 1), part(k), part(k - 1)


def assembled(lower, diagonal, upper):
    k, m, _ = diagonal.shape
    a = np.zeros((k, m, k, m), diagonal.dtype)
    for i in range(k):
        a[i, :, i] = diagonal[i]
    for i in range(k - 1):
        a[i + 1, :, i], a[i, :, i + 1] = lower[i], upper[i]
    return a.reshape(k * m, k * m)


def check(parts):
    a = assembled(*parts)
    b = np.linspace(1, 2, len(a))
    factors = jax.jit(block_tridiagonal.factorize)(*map(jnp.asarray, parts))
    for solve, system in ((block_tridiagonal.solve, a), (block_tridiagonal.solve_transposed, a.T)):
        x = np.asarray(jax.jit(solve)(factors, jnp.asarray(b)))
        # backward stable: see test_banded; sums have three blocks' width
        scale = np.max(np.abs(system) @ np.abs(x) + np.abs(b))
        assert np.max(np.abs(system @ x - b)) <= 30 * parts[1].shape[1] * np.finfo(float).eps * scale


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("k, m", [(1, 3), (2, 3), (5, 4), (7, 1)])
def test_solutions(k, m, dtype):
    check(blocks(k, m, dtype))


def test_singular_blocks_on_the_diagonal():
    lower, diagonal, upper = blocks(6, 4)
    diagonal[0] = 0.0  # rows must come from the next block row
    diagonal[2, :, 1] = 1e-14
    check((lower, diagonal, upper))


@pytest.mark.parametrize("n, lower, upper", [(20, 4, 4), (23, 3, 5), (7, 6, 6), (9, 0, 0)])
def test_from_bands(n, lower, upper):
    a = banded_matrix(n, lower, upper)
    parts = jax.jit(block_tridiagonal.from_bands, static_argnums=1)(stored(a, lower, upper), lower)
    whole = assembled(*map(np.asarray, parts))
    np.testing.assert_array_equal(whole[:n, :n], a)
    np.testing.assert_array_equal(whole[n:], np.eye(len(whole))[n:])
    factors, b = jax.jit(block_tridiagonal.factorize)(*parts), np.ones(n)
    for solve, system in ((block_tridiagonal.solve, a), (block_tridiagonal.solve_transposed, a.T)):
        x = jax.jit(solve)(factors, jnp.asarray(b))
        expected = np.linalg.solve(system, b)
        assert x.shape == (n,)
        np.testing.assert_allclose(x, expected, rtol=0, atol=1e-14 * np.linalg.cond(a) * np.max(np.abs(expected)))


def test_a_singular_matrix_gives_no_number():
    lower, diagonal, upper = blocks(3, 2)
    diagonal[1, :, 0] = lower[1, :, 0] = upper[0, :, 0] = 0.0
    factors = jax.jit(block_tridiagonal.factorize)(*map(jnp.asarray, (lower, diagonal, upper)))
    assert not np.all(np.isfinite(jax.jit(block_tridiagonal.solve)(factors, jnp.ones(6))))
