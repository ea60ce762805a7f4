"""Frozen arrays: read like the array, move like a pytree, never trained."""

import operator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.core import Frozen
from sciml_jax.core.frozen import is_frozen

pytestmark = pytest.mark.float32


def test_reads_as_the_array():
    frozen = Frozen([[1.0, 2.0], [3.0, 4.0]])
    assert isinstance(frozen.value, jax.Array)
    assert np.array_equal(np.asarray(frozen), [[1, 2], [3, 4]])
    assert np.array_equal(jnp.asarray(frozen), frozen.value)
    assert np.asarray(frozen, dtype=np.int32).dtype == np.int32
    assert (frozen.shape, frozen.ndim, frozen.size, len(frozen)) == ((2, 2), 2, 4, 2)
    assert frozen.dtype == frozen.value.dtype
    assert np.array_equal(frozen.T, frozen.value.T)
    assert np.array_equal(frozen[1], [3, 4])
    assert [row.tolist() for row in frozen] == [[1, 2], [3, 4]]
    assert (float(Frozen(2.5)), int(Frozen(3))) == (2.5, 3)


@pytest.mark.parametrize(
    "operation", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.matmul]
)
@pytest.mark.parametrize("other", [jnp.array([2.0, 4.0]), np.array([2.0, 4.0], np.float32), Frozen([2.0, 4.0])])
def test_stands_in_arithmetic(operation, other):
    frozen = Frozen([1.0, 2.0])
    expected = operation(np.array([1.0, 2.0], np.float32), np.asarray(other))
    assert np.array_equal(operation(frozen, other), expected)
    assert np.array_equal(operation(other, frozen), operation(np.asarray(other), np.array([1.0, 2.0], np.float32)))
    assert isinstance(operation(other, frozen), jax.Array)


def test_stands_in_arithmetic_with_numbers_and_in_numpy_functions():
    frozen = Frozen([1.0, 2.0])
    assert ((2.0 - frozen).tolist(), (-frozen).tolist(), (frozen**2).tolist()) == ([1, 0], [-1, -2], [1, 4])
    assert np.array_equal(jnp.sin(frozen), jnp.sin(frozen.value))
    assert np.array_equal(jnp.stack([frozen, frozen]), [[1, 2], [1, 2]])


def test_goes_through_jit_and_vmap():
    frozen = Frozen(jnp.arange(3.0))
    assert np.array_equal(jax.jit(lambda f, x: f * x)(frozen, 2.0), [0, 2, 4])
    assert np.array_equal(jax.vmap(lambda f: f.value + 1)(frozen), [1, 2, 3])
    assert isinstance(jax.jit(lambda f: f)(frozen), Frozen)


@pytest.mark.parametrize("read", [lambda f: f.value, jnp.asarray, lambda f: f * 1.0, lambda f: f[0], jnp.sin])
def test_reading_stops_the_gradient(read):
    frozen = Frozen([1.0, 2.0])
    gradient = eqx.filter_grad(lambda f: jnp.sum(read(f)))(frozen)
    assert gradient.array.tolist() == [0, 0]
    x, tangent = jax.jvp(lambda f: jnp.sum(read(f)), (frozen,), (Frozen([1.0, 1.0]),))
    assert tangent == 0


def test_gradients_of_the_rest_go_past_it():
    gradient = jax.grad(lambda x, f: jnp.sum(f * x**2))(jnp.array([1.0, 1.0]), Frozen([1.0, 2.0]))
    assert gradient.tolist() == [2, 4]


def test_is_a_pytree_of_one_array():
    frozen = Frozen([1.0, 2.0])
    assert len(jax.tree.leaves(frozen)) == 1
    assert jax.tree.map(lambda x: x + 1, frozen).array.tolist() == [2, 3]
    assert jax.tree.leaves({"a": frozen, "b": 1.0}, is_leaf=is_frozen)[0] is frozen
    assert Frozen(frozen).array is frozen.array
    assert Frozen(jnp.arange(3, dtype=jnp.int32)).dtype == jnp.int32
    assert isinstance(jax.tree.map(Frozen, {"a": jnp.ones(2)})["a"], Frozen)


@pytest.mark.parametrize("x", [{"a": 1.0}, (np.ones(2), np.ones(2)), [jnp.ones(2)], "text", None])
def test_refuses_what_is_no_array(x):
    with pytest.raises(TypeError, match=r"Frozen\(x\) holds one array, got .*jax.tree.map\(Frozen, tree\)"):
        Frozen(x)
