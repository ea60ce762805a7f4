"""The one jit: what is traced, what is static, and what recompiles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.core import call_jitted
from sciml_jax.core.entry import split_static


class Counted:
    """A function that counts how often it is traced."""

    def __init__(self):
        self.traces = 0

    def __call__(self, tree):
        self.traces += 1
        return [x for x in jax.tree.leaves(tree) if not isinstance(x, str)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1.0, 2.0),
        (np.float64(1.0), np.float64(2.0)),
        (1.0 + 2.0j, 3.0 - 1.0j),
        (jnp.arange(3.0), jnp.ones(3)),
        (np.arange(3), np.ones(3, int)),
        ({"a": 1.0, "n": 3}, {"a": 2.0, "n": 3}),
        (("text", 1.0), ("text", 5.0)),
    ],
)
def test_new_values_do_not_recompile(first, second):
    function = Counted()
    for value in (first, second, first):
        call_jitted(function, value)
    assert function.traces == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [(1, 2), (1, True), (1, 1.0), ("a", "b"), (jnp.ones(2), jnp.ones(3)), (jnp.ones(2), [jnp.ones(2)]), (None, 1.0)],
)
def test_new_structure_and_static_leaves_do(first, second):
    function = Counted()
    for value in (first, second, first, second):
        call_jitted(function, value)
    assert function.traces == 2


@pytest.mark.float32
def test_static_leaves_arrive_as_they_are():
    seen = {}

    def look(tree):
        seen.update(tree)
        return tree["x"] * tree["n"]

    assert float(call_jitted(look, {"x": 1.5, "n": 2, "flag": True, "name": "rod"})) == 3.0
    assert seen["n"] == 2 and seen["flag"] is True and seen["name"] == "rod"


def test_it_goes_through_transformations():
    def square(x, n):
        return n * x**2

    assert float(jax.grad(lambda x: call_jitted(square, x, 3))(2.0)) == 12.0
    np.testing.assert_array_equal(jax.vmap(lambda x: call_jitted(square, x, 3))(jnp.arange(3.0)), [0, 3, 12])
    assert float(jax.jit(lambda x: call_jitted(square, x, 3))(2.0)) == 12.0


def test_leaves_are_put_back_in_their_places():
    tree = {"a": [1.0, 2, jnp.ones(2)], "b": ("x", 3.0j, None)}
    traced, static = split_static(tree)
    assert len(traced) == 3
    joined = static.join(traced)
    assert jax.tree.structure(joined) == jax.tree.structure(tree)
    assert joined["a"][1] == 2 and joined["b"][0] == "x"


@pytest.mark.float32
def test_unhashable_leaves_are_refused_with_the_cure():
    with pytest.raises((TypeError, ValueError), match="wrap the object so that it is a pytree"):
        call_jitted(lambda x: 0, {"s": {1, 2}})
