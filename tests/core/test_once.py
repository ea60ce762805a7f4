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


@pytest.mark.parametrize("n", [2, 7])
@pytest.mark.parametrize("x", [-0.0, 3.0, np.inf, -np.inf, np.nan, 1e-300, np.float32(1e-30), 2 + 1j, 7, True])
def test_no_number_changes(x, n):
    given = jnp.full(n, x)
    found = jax.jit(once)(given)
    assert found.dtype == given.dtype
    np.testing.assert_array_equal(np.asarray(found).view(np.uint8), np.asarray(given).view(np.uint8))


def chain(n):
    """A stencil of itself, n times: computed again in every reader it would be 3^n operations."""

    def value(x, mark):
        for _ in range(n):
            x = mark(jnp.roll(x, 1) * jnp.roll(x, -1) - 0.5 * x)
        return jnp.sum(x * x)

    return value


@pytest.mark.parametrize("derive", [lambda f: f, jax.grad])
def test_work_grows_with_the_number_of_marked_values(derive):
    def work(n):
        return jax.jit(derive(lambda x: chain(n)(x, once))).lower(jnp.ones(64)).compile().cost_analysis()["flops"]

    one = work(5) - work(4)
    assert 64 <= one < 64 * 40
    assert work(8) - work(4) < 5 * one


def test_it_leaves_no_operation_on_few_numbers():
    text = jax.jit(lambda x: once(x) + 1).lower(1.0).as_text()
    assert text.count("stablehlo.") == jax.jit(lambda x: x + 1).lower(1.0).as_text().count("stablehlo.")
