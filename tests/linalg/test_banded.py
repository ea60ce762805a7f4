"""Banded factorisations against dense matrices in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.linalg import banded

# (n, lower, upper): windows of scalars and of vectors, triangles, full matrices
SHAPES = [
    *((1, 0, 0), (6, 1, 0), (6, 0, 2), (9, 1, 1), (40, 2, 2), (20, 1, 5)),
    *((30, 4, 4), (8, 7, 7), (30, 0, 25)),
]


def banded_matrix(n, lower, upper, dtype=float, seed=0):
    random = np.random.default_rng(seed)
    a = random.normal(size=(n, n)) + (1j * random.normal(size=(n, n)) if dtype is complex else 0)
    return np.triu(np.tril(a, upper), -lower)


def stored(a, lower, upper):
    n = len(a)
    bands = np.zeros((n, lower + upper + 1), a.dtype)
    for i in range(n):
        for j in range(max(0, i - lower), min(n, i + upper + 1)):
            bands[i, j - i + lower] = a[i, j]
    return jnp.asarray(bands)


def check(a, lower, upper, b):
    factors = jax.jit(banded.factorize, static_argnums=1)(stored(a, lower, upper), lower)
    for solve, system in ((banded.solve, a), (banded.solve_transposed, a.T)):
        x = np.asarray(jax.jit(solve)(factors, jnp.asarray(b)))
        # partial pivoting is backward stable up to its growth factor: the residual is small against |A| |x|, however
        # ill-conditioned A is; the growth of these matrices stays under 10, and sums have lower + upper terms
        scale = np.max(np.abs(system) @ np.abs(x) + np.abs(b))
        assert np.max(np.abs(system @ x - b)) <= 10 * (lower + upper + 2) * np.finfo(float).eps * scale
        if np.linalg.cond(a) < 1e8:
            expected = np.linalg.solve(system, b)
            np.testing.assert_allclose(x, expected, rtol=0, atol=1e-14 * np.linalg.cond(a) * np.max(np.abs(expected)))


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("n, lower, upper", SHAPES)
def test_solutions(n, lower, upper, dtype):
    check(banded_matrix(n, lower, upper, dtype), lower, upper, np.linspace(1.0, 2.0, n))


@pytest.mark.parametrize("lower, upper", [(1, 1), (2, 2), (4, 5)])
def test_rows_are_exchanged(lower, upper):
    a = banded_matrix(20, lower, upper)
    np.fill_diagonal(a, 0.0)  # nothing works without pivoting
    check(a, lower, upper, np.ones(20))
    np.fill_diagonal(a, 1e-14)
    check(a, lower, upper, np.ones(20))


@pytest.mark.parametrize("lower, upper", [(1, 1), (4, 4)])
def test_singular_matrices_give_no_number(lower, upper):
    factorize = jax.jit(banded.factorize, static_argnums=1)
    for place in (0, 7, 19):
        a = banded_matrix(20, lower, upper)
        a[:, place] = 0.0
        factors = factorize(stored(a, lower, upper), lower)
        for solve in (banded.solve, banded.solve_transposed):
            assert not np.all(np.isfinite(jax.jit(solve)(factors, jnp.ones(20))))


@pytest.mark.parametrize("lower, upper", [(1, 2), (5, 4)])
def test_batches_agree_with_the_loop(lower, upper):
    a = [banded_matrix(15, lower, upper, seed=s) for s in range(3)]
    b = np.arange(45.0).reshape(3, 15)
    many = jax.jit(jax.vmap(lambda bands, b: banded.solve(banded.factorize(bands, lower), b)))
    found = many(jnp.stack([stored(x, lower, upper) for x in a]), b)
    for x, system, right in zip(found, a, b, strict=True):
        np.testing.assert_allclose(x, np.linalg.solve(system, right), rtol=1e-14 * np.linalg.cond(system))


def test_complex_right_side_of_a_real_matrix():
    a, b = banded_matrix(12, 2, 1), np.linspace(1, 2, 12) * (1 + 2j)
    check(a, 2, 1, b)


def test_a_loop_around_it_is_one_compiled_function():
    def repeated(bands, b):
        step = lambda i, x: banded.solve(banded.factorize(bands + x[:, None], 1), b)
        return jax.lax.fori_loop(0, 10, step, b)

    text = jax.jit(repeated).lower(jnp.ones((50, 3)), jnp.ones(50)).compile().as_text()
    assert text is not None and "custom-call" not in text  # a library call would keep a loop from becoming one function


@pytest.mark.float32
def test_float32():
    a = banded_matrix(20, 2, 2) + 5 * np.eye(20)
    factors = banded.factorize(stored(a.astype(np.float32), 2, 2), 2)
    x = banded.solve(factors, jnp.ones(20, jnp.float32))
    assert x.dtype == jnp.float32
    np.testing.assert_allclose(a @ np.asarray(x), 1.0, atol=1e-5)  # 100 eps
