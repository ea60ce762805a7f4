"""Rows written at an index, under every transformation, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.core import empty_rows, read_row, write_row
from sciml_jax.core.rows import stacked_rows

ROWS = {
    "a number": lambda x: x,
    "one array": lambda x: x * jnp.arange(3.0),
    "leaves of one dtype": lambda x: {"a": x, "b": (x * jnp.ones((2, 2)), x + jnp.arange(3.0))},
    "several dtypes": lambda x: (x, jnp.int32(3), x * jnp.ones(2, complex), jnp.asarray(True), jnp.float32(2) * x),
}


@pytest.fixture(params=ROWS, scope="module")
def row(request):
    return ROWS[request.param]


def same(got, want):
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert a.dtype == jnp.result_type(b)
        np.testing.assert_array_equal(a, b)


def test_rows_come_back_as_they_were_written(row):
    rows = empty_rows(4, row(0.0))
    assert rows.capacity == 4
    for i in (2, 0):
        rows = write_row(rows, row(i + 1.0), jnp.int32(i), True)
    zero = jax.tree.map(jnp.zeros_like, row(0.0))
    for i, want in enumerate([row(1.0), zero, row(3.0), zero]):
        same(read_row(rows, jnp.int32(i)), want)
        same(jax.tree.map(lambda x, i=i: x[i], rows.all()), want)


def test_a_row_that_is_off_goes_to_the_spare_place(row):
    rows = write_row(empty_rows(2, row(0.0)), row(5.0), jnp.int32(0), jnp.asarray(False))
    same(read_row(rows, jnp.int32(0)), jax.tree.map(jnp.zeros_like, row(0.0)))
    same(jax.tree.map(lambda x: x[-1], rows.all()), row(5.0))


def test_stacked_rows_read_like_the_stack(row):
    stack = jax.vmap(row)(jnp.arange(5.0))
    rows = stacked_rows(stack)
    assert rows.capacity == 4
    same(rows.all(), stack)
    same(read_row(rows, jnp.int32(3)), jax.tree.map(lambda x: x[3], stack))


def fill(x, at, on):
    rows = write_row(empty_rows(3, ROWS["leaves of one dtype"](0.0)), ROWS["leaves of one dtype"](x), at, on)
    return jax.tree.map(lambda x: x[:-1], rows.all())


X = jnp.arange(1.0, 7.0).reshape(2, 3)
AT = jnp.array([[0, 2, 1], [1, 1, 0]])
ON = jnp.array([[True, True, False], [True, False, True]])


def test_lanes_write_their_own_rows():
    got = jax.vmap(fill)(X[0], AT[0], ON[0])
    for i in range(3):
        same(jax.tree.map(lambda x, i=i: x[i], got), fill(X[0, i], AT[0, i], ON[0, i]))


@pytest.mark.parametrize("jit", [False, True])
def test_nested_lanes_write_their_own_rows(jit):
    nested = jax.vmap(jax.vmap(fill))
    got = (jax.jit(nested) if jit else nested)(X, AT, ON)
    for i in np.ndindex(2, 3):
        same(jax.tree.map(lambda x, i=i: x[i], got), fill(X[i], AT[i], ON[i]))


def test_lanes_may_share_the_index_or_the_row():
    got = jax.vmap(fill, (None, 0, None))(X[0, 0], AT[0], jnp.asarray(True))
    for i in range(3):
        same(jax.tree.map(lambda x, i=i: x[i], got), fill(X[0, 0], AT[0, i], True))


def test_writing_is_linear():
    rows = stacked_rows(jnp.arange(4.0))
    dots = stacked_rows(10 * jnp.arange(4.0))
    _, out = jax.jvp(lambda r, x: write_row(r, x, jnp.int32(1), True), (rows, 7.0), (dots, 70.0))
    np.testing.assert_array_equal(out.all(), [0, 70, 20, 30])
    _, out = jax.vmap(lambda x, at: jax.jvp(lambda x: write_row(rows, x, at, True).all(), (x,), (1.0,)))(
        jnp.arange(2.0), jnp.arange(2)
    )
    np.testing.assert_array_equal(out, [[1, 0, 0, 0], [0, 1, 0, 0]])


@pytest.mark.parametrize(("index", "row"), [(-1, 0.0), (7, 9.0)])
def test_reading_clamps_to_the_buffer(index, row):
    # -1 counts from the end, as everywhere in JAX: callers clamp it themselves
    rows = stacked_rows(jnp.array([0.0, 1.0, 9.0]))
    assert float(read_row(rows, jnp.maximum(jnp.int32(index), 0))) == row


def test_no_lanes():
    assert jax.vmap(fill)(X[0, :0], AT[0, :0], ON[0, :0])["a"].shape == (0, 3)


@pytest.mark.float32
def test_a_row_keeps_the_dtypes_of_the_buffer():
    rows = write_row(empty_rows(2, jnp.float32(0)), 1, jnp.int32(0), True)
    assert rows.all().dtype == jnp.float32
