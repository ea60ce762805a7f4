"""Forward derivatives of one's own, and tangents that only go forwards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.core import forward_only, own_jvp

XS = jnp.array([1.0, 2.0])


def square(x):
    """x^2, whose slope is said to be 10 x, as no rule of JAX's would have it; and a whole number."""

    def jvp(again, xs, dots):
        return (xs[0] ** 2, jnp.int32(3)), (10 * xs[0] * dots[0], np.zeros((), jax.dtypes.float0))

    return own_jvp(lambda x: (x**2, jnp.int32(3)), jvp, x)[0]


@jax.custom_vjp
def cube(x):
    """Whose slope is said to be `square`."""
    return x**3


cube.defvjp(lambda x: (x**3, square(x)), lambda kept, cotangent: (kept * cotangent,))


def test_values_and_derivatives():
    assert square(3.0) == 9.0
    value, slope = jax.jit(lambda x: jax.jvp(square, (x,), (2.0,)))(3.0)
    assert (value, slope) == (9.0, 60.0)
    np.testing.assert_array_equal(jax.vmap(square)(XS), [1.0, 4.0])
    np.testing.assert_array_equal(jax.vmap(jax.jacfwd(square))(XS), [10.0, 20.0])
    np.testing.assert_array_equal(jax.jacfwd(jax.vmap(square))(XS), np.diag([10.0, 20.0]))
    assert jax.grad(square)(3.0) == 30.0  # the rule is linear in its tangents, and these go backwards too


@pytest.mark.parametrize(
    "many",
    [jax.vmap(cube), lambda xs: jax.lax.map(cube, xs), lambda xs: jax.lax.map(jax.vmap(cube), xs[None])],
    ids=["vmap", "map", "map of vmap"],
)
def test_rules_hold_in_gradients_that_are_differentiated(many):
    """`jax.custom_jvp` gives 2 x under `jax.lax.map`."""
    second = jax.hessian(lambda xs: jnp.sum(many(xs)))(XS)
    np.testing.assert_array_equal(second, np.diag([10.0, 20.0]))


def test_tangents_that_only_go_forwards():
    @jax.custom_jvp
    def f(x):
        return 2 * x

    f.defjvp(lambda xs, dots: (2 * xs[0], forward_only(2 * dots[0], "not backwards: say this")))
    assert jax.jacfwd(f)(1.0) == 2.0
    np.testing.assert_array_equal(jax.jit(jax.vmap(jax.jacfwd(f)))(XS), [2.0, 2.0])
    with pytest.raises(TypeError, match="not backwards: say this"):
        jax.grad(f)(1.0)
