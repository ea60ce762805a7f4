"""Products with matrices of few columns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.linalg import times_columns


@pytest.mark.float32
@pytest.mark.parametrize("rows", [(), (4,), (2, 3)])
@pytest.mark.parametrize("m", [0, 1, 2, 7, 20, 21])
def test_the_product_over_the_last_axis(rows, m):
    random = np.random.default_rng(m)
    matrix, vector = jnp.asarray(random.normal(size=(*rows, m))), jnp.asarray(random.normal(size=m))
    eps = float(jnp.finfo(matrix.dtype).eps)
    np.testing.assert_allclose(times_columns(matrix, vector), np.asarray(matrix) @ np.asarray(vector), atol=20 * eps)
    many = jax.vmap(times_columns, (None, 0))(matrix, jnp.stack([vector, 2 * vector]))
    np.testing.assert_allclose(many[1], 2 * many[0], atol=20 * eps)


@pytest.mark.parametrize("m", [3, 30])
def test_derivatives(m):
    """Bilinear: the pullback of c is the outer product of c and the vector, and the matrix times c."""
    random = np.random.default_rng(m)
    matrix, vector, c = (jnp.asarray(random.normal(size=s)) for s in ((4, m), (m,), (4,)))
    d_matrix, d_vector = jax.jit(lambda c: jax.vjp(times_columns, matrix, vector)[1](c))(c)
    np.testing.assert_allclose(d_matrix, np.outer(c, vector), rtol=1e-14)
    np.testing.assert_allclose(d_vector, np.asarray(c) @ np.asarray(matrix), rtol=1e-13, atol=1e-14)
    _, tangent = jax.jvp(times_columns, (matrix, vector), (matrix, vector))
    np.testing.assert_allclose(tangent, 2 * times_columns(matrix, vector), rtol=1e-13)
    second = jax.hessian(lambda v: jnp.sum(times_columns(matrix, v) ** 2))(vector)
    np.testing.assert_allclose(second, 2 * matrix.T @ matrix, rtol=1e-12, atol=1e-13)
