"""Factorisations against NumPy, and derivatives of solutions against differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.linalg import dense, factorisation, inverse, linear_solver, small

METHODS = {"small": small, "inverse": inverse, "dense": dense}


def matrix(n, kind="random"):
    random = np.random.default_rng(n)
    a = random.normal(size=(n, n))
    if kind == "permuted":  # zeros on the diagonal: nothing works without pivoting
        a = np.eye(n)[random.permutation(n)] + 1e-14 * a
    if kind == "graded":  # rows of very different size, as in stiff chemistry
        a = a * 10.0 ** np.linspace(-8, 8, n)[:, None]
    return a


@pytest.mark.parametrize("kind", ["random", "permuted", "graded"])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_solutions(method, n, kind):
    a, b = matrix(n, kind), np.arange(1.0, n + 1)
    factors = jax.jit(method.factorize)(jnp.asarray(a))
    for solve, system in ((method.solve, a), (method.solve_transposed, a.T)):
        x = np.asarray(jax.jit(solve)(factors, jnp.asarray(b)))
        # the residual is small against |A| |x| row by row, which partial pivoting promises; n grows with the sums
        size = np.abs(system) @ np.abs(x) + np.abs(b)
        scale = size if kind != "graded" else size.max()
        assert np.all(np.abs(system @ x - b) <= 20 * n * np.finfo(float).eps * scale)


@pytest.mark.parametrize("n", [13, 40, 64, 70])
def test_larger_ones(n):
    a, b = matrix(n), np.ones(n)
    x = jax.jit(lambda a, b: linear_solver(a)(b))(a, b)
    np.testing.assert_allclose(a @ x, b, atol=1e-10)
    assert factorisation(n) is (inverse if n <= 64 else dense)


@pytest.mark.parametrize("n", [3, 20, 70])
def test_derivatives_follow_the_rule(n):
    a, b, w = matrix(n), np.ones(n), np.linspace(-1, 1, n)

    def value(a, b):
        return w @ linear_solver(a)(b) ** 2

    da, db = jax.jit(jax.grad(value, (0, 1)))(jnp.asarray(a), jnp.asarray(b))
    x = np.linalg.solve(a, b)
    back = np.linalg.solve(a.T, 2 * w * x)
    np.testing.assert_allclose(db, back, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(da, -np.outer(back, x), rtol=1e-8, atol=1e-10)
    tangent = jax.jvp(value, (jnp.asarray(a), jnp.asarray(b)), (jnp.ones((n, n)), jnp.ones(n)))[1]
    np.testing.assert_allclose(tangent, np.sum(da) + np.sum(db), rtol=1e-7)


def test_second_derivatives():
    a = jnp.asarray(matrix(3))
    value = lambda s: jnp.sum(linear_solver(a + s * jnp.eye(3))(jnp.ones(3)))  # noqa: E731
    h = 1e-4
    difference = (value(h) - 2 * value(0.0) + value(-h)) / h**2
    for second in (jax.jacfwd(jax.grad(value)), jax.jacfwd(jax.jacfwd(value)), jax.grad(jax.grad(value))):
        # h^2 f'''' / 12 and eps / h^2
        assert float(second(0.0)) == pytest.approx(float(difference), rel=1e-5)


@pytest.mark.parametrize("n", [3, 20, 70])
def test_batches_agree_with_the_loop(n):
    a = np.stack([matrix(n), matrix(n) + np.eye(n), matrix(n, "permuted")])
    b = np.arange(3.0 * n).reshape(3, n)
    many = jax.vmap(lambda a, b: linear_solver(a)(b))(a, b)
    np.testing.assert_allclose(many, [np.linalg.solve(a[i], b[i]) for i in range(3)], rtol=1e-7, atol=1e-9)


def test_inverses_are_refused_beyond_their_rows():
    with pytest.raises(ValueError, match="for 64 rows at most, got 65"):
        inverse.factorize(jnp.eye(65))


def test_a_singular_matrix_gives_no_number():
    for n in (3, 20, 70):
        x = linear_solver(jnp.ones((n, n)))(jnp.arange(1.0, n + 1))
        assert not np.all(np.isfinite(x))


@pytest.mark.float32
def test_float32():
    a = matrix(5).astype(np.float32)
    x = linear_solver(jnp.asarray(a))(jnp.ones(5, jnp.float32))
    assert x.dtype == jnp.float32
    np.testing.assert_allclose(a @ np.asarray(x), 1.0, atol=1e-4)
