"""Pytree algebra against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.core import max_norm, rms_norm, trees

X = {"a": jnp.array([1.0, -2.0]), "b": jnp.array(3.0)}
Y = {"a": jnp.array([0.5, 4.0]), "b": jnp.array(-1.0)}


def flat(tree):
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])


@pytest.mark.float32
def test_sums():
    np.testing.assert_allclose(flat(trees.combine([2, 0, -1], [X, Y, Y])), 2 * flat(X) - flat(Y))
    np.testing.assert_allclose(flat(trees.axpy(0.5, X, Y)), flat(Y) + 0.5 * flat(X))
    np.testing.assert_allclose(flat(trees.scale(3.0, X)), 3 * flat(X))
    np.testing.assert_allclose(flat(trees.subtract(X, Y)), flat(X) - flat(Y))


@pytest.mark.float32
def test_an_empty_sum_is_none_and_adds_nothing():
    assert trees.combine([0.0, 0], [X, Y]) is None
    assert trees.axpy(0.5, None, Y) is Y


@pytest.mark.float32
def test_weights_do_not_change_the_dtype():
    x = jnp.ones(2, jnp.float32)
    assert trees.combine(np.array([0.1, 0.2]), [x, x]).dtype == jnp.float32
    assert trees.axpy(np.float64(0.1), x, x).dtype == jnp.float32
    assert trees.scale(np.float64(0.1), x).dtype == jnp.float32


def test_select_leaves_shared_leaves_alone():
    z = {"a": X["a"], "b": Y["b"]}
    picked = trees.select(jnp.asarray(False), X, z)
    assert picked["a"] is X["a"]
    assert float(picked["b"]) == -1.0


@pytest.mark.float32
def test_norms():
    np.testing.assert_allclose(rms_norm(X), np.sqrt(np.mean(flat(X) ** 2)), rtol=1e-6)
    assert float(max_norm(X)) == 3.0
    z = jnp.array([3.0 + 4.0j, 0.0])
    np.testing.assert_allclose(rms_norm(z), np.sqrt(12.5), rtol=1e-6)
    assert float(max_norm(z)) == 5.0


@pytest.mark.float32
@pytest.mark.parametrize("empty", [(), {}, jnp.zeros(0), [jnp.zeros((0, 3))]])
def test_norms_of_nothing_are_zero(empty):
    assert float(rms_norm(empty)) == 0.0
    assert float(max_norm(empty)) == 0.0
    assert bool(trees.all_finite(empty))


def test_norms_ignore_empty_leaves():
    assert float(rms_norm((jnp.array(2.0), jnp.zeros(0)))) == 2.0
    assert float(max_norm((jnp.array(2.0), jnp.zeros(0)))) == 2.0


@pytest.mark.float32
@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, complex(0, jnp.nan)])
def test_all_finite_sees_one_bad_entry(bad):
    assert bool(trees.all_finite(X))
    assert not bool(trees.all_finite({"a": X["a"], "b": jnp.array([1.0, bad])}))


def test_the_dtype_of_times():
    f32, f64, c64 = jnp.ones(1, jnp.float32), jnp.ones(1), jnp.ones(1, jnp.complex64)
    assert trees.real_dtype(f32) == jnp.float32
    assert trees.real_dtype(c64) == jnp.float32
    assert trees.real_dtype((f32, f64)) == jnp.float64
    assert trees.real_dtype((c64, f64)) == jnp.float64


@pytest.mark.float32
def test_integers_become_the_default_float():
    default = jnp.result_type(float)
    assert trees.as_inexact(3).dtype == default
    assert trees.as_inexact(np.array([True])).dtype == default
    assert trees.as_inexact(jnp.float32(1)).dtype == jnp.float32
    assert trees.as_inexact(1j).dtype == jnp.result_type(complex)


@pytest.mark.float32
def test_prefixes():
    assert trees.broadcast_prefix(0.1, X, "rtol") == {"a": 0.1, "b": 0.1}
    nested = {"a": {"c": X["a"], "d": X["b"]}, "b": X["b"]}
    assert trees.broadcast_prefix({"a": 1, "b": 2}, nested, "rtol") == {"a": {"c": 1, "d": 1}, "b": 2}
    with pytest.raises(ValueError, match="rtol must be a number, an array .* or a pytree"):
        trees.broadcast_prefix((1, 2), X, "rtol")
