"""The multi-layer perceptron: shapes, values, initial weights, messages."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.nn import MLP

pytestmark = pytest.mark.float32

KEY = jax.random.key(0)


@pytest.mark.parametrize("in_size", [3, "scalar"])
@pytest.mark.parametrize("out_size", [2, "scalar"])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_shapes(in_size, out_size, depth):
    net = MLP(in_size, out_size, 5, depth, key=KEY)
    shape = () if in_size == "scalar" else (3,)
    x = jnp.ones(shape)
    expected = () if out_size == "scalar" else (2,)
    assert net(x).shape == expected
    assert jax.vmap(net)(jnp.ones((4, *shape))).shape == (4, *expected)
    assert len(net.layers) == depth + 1
    assert net(x, key=KEY).shape == expected


def test_is_the_formula():
    net = MLP(2, 3, 4, 2, activation=jnp.sin, final_activation=jnp.exp, key=KEY)
    x = h = np.array([0.3, -0.7])
    for layer in net.layers[:-1]:
        h = np.sin(np.asarray(layer.weight, np.float64) @ h + np.asarray(layer.bias, np.float64))
    expected = np.exp(np.asarray(net.layers[-1].weight, np.float64) @ h + np.asarray(net.layers[-1].bias, np.float64))
    eps = jnp.finfo(net.layers[0].weight.dtype).eps
    assert np.allclose(net(jnp.asarray(x)), expected, rtol=100 * eps)


def test_initial_weights_are_glorot_normal_and_biases_zero():
    layer = MLP(200, 1, 300, 1, key=KEY).layers[0]
    expected = np.sqrt(2 / (200 + 300))
    # the standard error of a standard deviation from n normals is sd / sqrt(2 n); the initialiser is truncated at two
    # deviations and rescaled, which changes the fourth moment a little
    error = expected / np.sqrt(2 * layer.weight.size)
    assert abs(np.std(layer.weight) - expected) < 4 * error
    assert abs(np.mean(layer.weight)) < 4 * expected / np.sqrt(layer.weight.size)
    assert not layer.bias.any()


def test_default_activation_is_smooth_and_dtype_is_respected():
    net = MLP(1, 1, 4, 1, dtype=jnp.float32, key=KEY)
    assert net.activation is jax.nn.tanh
    assert {x.dtype for x in jax.tree.leaves(eqx.filter(net, eqx.is_array))} == {jnp.dtype("float32")}
    default = MLP(1, 1, 4, 1, key=KEY)
    assert default.layers[0].weight.dtype == jnp.result_type(float)


def test_the_key_decides():
    one, same, other = MLP(1, 1, 4, 1, key=KEY), MLP(1, 1, 4, 1, key=KEY), MLP(1, 1, 4, 1, key=jax.random.key(1))
    assert eqx.tree_equal(one, same)
    assert not eqx.tree_equal(one, other)
    assert not np.array_equal(one.layers[0].weight, one.layers[1].weight.T)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, 4, 1), r"in_size must be an integer of at least 1.*got 0"),
        ((1, "vector", 4, 1), r"out_size must be .*\"scalar\".*got 'vector'"),
        ((1, 1, 0, 1), r"width .*at least 1; got 0"),
        ((1, 1, 4, -1), r"depth .*at least 0; got -1"),
        ((1, 1, 4, 1.5), r"depth .*got 1.5"),
    ],
)
def test_sizes_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        MLP(*arguments, key=KEY)


def test_other_mistakes_name_the_cure():
    with pytest.raises(TypeError, match="activation must be a function such as jax.nn.tanh; got 'tanh'"):
        MLP(1, 1, 4, 1, activation="tanh", key=KEY)
    with pytest.raises(ValueError, match=r"x has shape \(5, 2\).*jax.vmap\(mlp\)\(x\)"):
        MLP(2, 1, 4, 1, key=KEY)(jnp.ones((5, 2)))
