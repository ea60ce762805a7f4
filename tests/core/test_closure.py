"""Functions traced once, their captured arrays as leaves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.core import close

W = jnp.array([1.0, 2.0])


def function(t, y, args):
    return {"dy": W * y["a"] * t + args[0]}


ARGS = (0.5, {"a": jnp.array([3.0, 4.0])}, [jnp.array(1.0)])


def test_it_computes_what_the_function_computes():
    closed = close(function, *ARGS)
    np.testing.assert_allclose(closed(*ARGS)["dy"], function(*ARGS)["dy"], rtol=1e-15)
    other = (2.0, {"a": jnp.array([-1.0, 0.0])}, [jnp.array(5.0)])
    np.testing.assert_allclose(closed(*other)["dy"], function(*other)["dy"], rtol=1e-15)


def test_captured_arrays_are_leaves():
    closed = close(function, *ARGS)
    leaves = jax.tree.leaves(closed)
    assert any(np.array_equal(leaf, W) for leaf in leaves)
    doubled = jax.tree.map(lambda x: 2 * x, closed)
    # W doubles, args do not
    np.testing.assert_allclose(doubled(*ARGS)["dy"], 2 * W * ARGS[1]["a"] * 0.5 + 1, rtol=1e-15)


@pytest.mark.float32
def test_derivatives_and_batches_reach_what_was_captured():
    def value(w, x):
        return close(lambda x: jnp.sum(w * x**2), x)(x)

    assert float(jax.grad(value)(3.0, jnp.float32(2.0))) == pytest.approx(4.0)
    np.testing.assert_allclose(jax.vmap(value, (0, None))(jnp.arange(3.0), jnp.float32(2.0)), [0, 4, 8])
    np.testing.assert_allclose(jax.jvp(lambda w: value(w, jnp.float32(2.0)), (3.0,), (1.0,))[1], 4.0)


def test_shapes_are_enough_to_trace():
    closed = close(lambda x: x + 1, jax.ShapeDtypeStruct((2,), W.dtype))
    np.testing.assert_array_equal(closed(W), [2.0, 3.0])


def test_the_function_runs_once():
    calls = []
    closed = close(lambda x: (calls.append(0), 2 * x)[1], 1.0)
    closed(1.0), closed(2.0)
    assert len(calls) == 1


def test_another_structure_is_refused():
    with pytest.raises(TypeError, match="a traced function was made for arguments"):
        close(function, *ARGS)(0.5, ARGS[1]["a"], ARGS[2])
