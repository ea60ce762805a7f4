"""A mark that changes nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.core.once import once


def marked(x):
    return jnp.sum(once({"a": jnp.sin(x), "b": (x**2,)})["a"] * x)


def plain(x):
    return jnp.sum(jnp.sin(x) * x)


@pytest.mark.float32
@pytest.mark.parametrize(
    "transform",
    [jax.jit, jax.grad, jax.hessian, jax.jacfwd, lambda f: jax.vmap(f), lambda f: jax.jit(jax.vmap(jax.grad(f)))],
)
def test_values_and_derivatives_stay(transform):
    x = jnp.asarray(np.linspace(0.1, 1.0, 6).reshape(2, 3))
    np.testing.assert_allclose(transform(marked)(x), transform(plain)(x), rtol=1e-6)


def test_it_leaves_no_operation():
    text = jax.jit(lambda x: once(x) + 1).lower(1.0).as_text()
    assert text.count("stablehlo.") == jax.jit(lambda x: x + 1).lower(1.0).as_text().count("stablehlo.")
