"""Patterns against the nonzeros of Jacobians at random points: nothing missing, and nothing more for stencils."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.core import close
from sciml_jax.linalg import pattern

RANDOM = np.random.default_rng(0)
PLACES = np.array([3, 1, 4, 1, 5])
SPARSE = RANDOM.normal(size=(6, 6)) * (RANDOM.random((6, 6)) < 0.3)
KERNEL = jnp.asarray(RANDOM.normal(size=(4, 1, 3, 3)))
IMAGES = jnp.asarray(RANDOM.normal(size=(2, 2, 1, 2)))


def brusselator(size):
    def field(x):
        u, v = x.reshape(2, size, size)
        laplacian = lambda z: sum(jnp.roll(z, s, axis) for s in (1, -1) for axis in (0, 1)) - 4 * z
        return jnp.stack([1 + u**2 * v - 4.4 * u + laplacian(u), 3.4 * u - u**2 * v + laplacian(v)]).ravel()

    return field


def dependences(function, *args, argument=0) -> Any:
    found = pattern(function, *args, argument=argument)
    assert found is not None
    return found


def nonzeros(function, n):
    points = jnp.asarray(RANDOM.normal(size=(4, n)))
    leaves = jax.tree.leaves(jax.jit(jax.vmap(jax.jacfwd(function)))(points))
    return np.any(np.concatenate([np.reshape(a, (4, -1, n)) for a in leaves], axis=1) != 0, axis=0)


def running(x):
    return jax.lax.scan(lambda c, a: (0.5 * c + a, c * a), x[0], x[1:])


# every entry of these patterns is nonzero at almost every point
EXACT = {
    "brusselator": (brusselator(5), 50),
    "boundaries": (lambda x: (x * jnp.roll(x, 1)).at[0].set(2.0).at[-1].add(x[0]), 8),
    "convolve": (lambda x: jnp.convolve(x, jnp.array([1.0, -2.0, 1.0]), "same"), 9),
    "slices": (lambda x: jnp.pad(x[2:] - x[:-2] ** 2, 1), 9),
    "gather": (lambda x: x[PLACES] * x[jnp.array([0, 1, 2, -1, 4])], 8),
    "places outside": (lambda x: x.at[np.array([1, 20])].get(mode="fill", fill_value=3.0), 8),
    "known matrix": (lambda x: jnp.concatenate([SPARSE @ x, x @ SPARSE]), 6),
    "outer product": (lambda x: jnp.einsum("i,j->ij", x[:3], x[3:]), 6),
    "batched product": (lambda x: jnp.einsum("bij,bjk->bik", x.reshape(2, 3, 3), x.reshape(2, 3, 3) ** 2), 18),
    "right factor": (lambda x: jnp.einsum("bij,bjk->bik", np.ones((2, 4, 3)), x.reshape(2, 3, 3)), 18),
    "grouped convolution": (
        lambda x: jax.lax.conv_general_dilated(x.reshape(1, 2, 5, 5), KERNEL, (1, 1), "SAME", feature_group_count=2),
        50,
    ),
    "dilated convolution": (
        lambda x: jax.lax.conv_general_dilated(
            *(x.reshape(2, 5, 5, 1), IMAGES, (2, 1), ((1, 0), (0, 1))),
            lhs_dilation=(2, 1),
            rhs_dilation=(1, 2),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        ),
        50,
    ),
    "cumulative sum": (lambda x: jnp.cumsum(x.reshape(3, 4) ** 2, axis=1), 12),
    "reversed cumulative": (lambda x: jax.lax.cumlogsumexp(x.reshape(3, 4), axis=0, reverse=True), 12),
    "sums": (lambda x: jnp.sum(x.reshape(2, 3, 2) ** 2, axis=(0, 2)), 12),
    "softmax": (lambda x: jax.nn.softmax(x.reshape(3, 4), axis=1), 12),
    "scan": (running, 7),
    "long scan": (running, 80),
    "scan from behind": (lambda x: jax.lax.scan(lambda c, a: (c + a**2, c * a), x[0], x[1:], reverse=True), 7),
    "map": (lambda x: jax.lax.map(lambda a: a**2, x), 80),
    "loop": (lambda x: jax.lax.fori_loop(0, 2, lambda i, y: y + 0.1 * jnp.roll(y, 1), x)[:1], 2),
    "while": (lambda x: jax.lax.while_loop(lambda y: jnp.sum(y) < 1e3, lambda y: y**2 + 1, x), 5),
    "rematerialised": (jax.checkpoint(lambda x: jnp.sin(x) * jnp.roll(x, 2)), 5),
    "known slices": (lambda x: jax.lax.dynamic_update_slice(x, x[2:5] ** 2, (jnp.int32(1),)), 8),
    "edges": (lambda x: jnp.pad(x, (1, 2), mode="edge") + jnp.pad(x, (2, 1)), 6),
    "stopped": (lambda x: x * jax.lax.stop_gradient(jnp.roll(x, 1)), 6),
    "tree": (lambda x: {"a": x[::2], "b": (x[0], jnp.flip(x))}, 6),
    "dtypes": (lambda x: (x.astype(jnp.float32) + 0j).real.astype(jnp.float64) + jnp.floor(jnp.roll(x, 1)), 6),
}
# these have entries that are zero at some points or cancel
SUPERSET = {
    "branches": (lambda x: jax.lax.cond(x[0] > 0, lambda x: jnp.roll(x, 1), lambda x: x, x), 5),
    "choice": (lambda x: jnp.where(x > 0, x, jnp.roll(x, 1) ** 2), 5),
    "maximum": (lambda x: jnp.max(x.reshape(3, 4), axis=1), 12),
    "sorted": (lambda x: jnp.sort(x.reshape(3, 4), axis=0), 12),
    "unknown place": (lambda x: x[jnp.argmax(x)] + x[PLACES[:3]], 6),
    "unknown slice": (lambda x: jax.lax.dynamic_slice(x, (jnp.argmin(x[:3]),), (2,)), 6),
    "written at unknown places": (lambda x: jnp.zeros(6).at[jnp.argsort(x)].set(x**2), 6),
    "scatter": (lambda x: x.at[PLACES].set(x[:5] ** 2) + jnp.zeros(8).at[PLACES].max(x[3:]), 8),
    "fourier": (lambda x: jnp.fft.fft(x).real, 8),
    "system": (lambda x: jnp.linalg.solve(jnp.eye(4) + 0.1, x), 4),
    "very long scan": (lambda x: jax.lax.scan(lambda c, a: (0.5 * c + a, c * a), x[0], jnp.ones(5000) * x[1])[0], 7),
    "many rounds": (lambda x: jax.lax.fori_loop(0, 30, lambda i, y: y + 0.1 * jnp.roll(y, 1), x), 40),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact(name):
    function, n = EXACT[name]
    np.testing.assert_array_equal(dependences(function, jnp.zeros(n)).toarray(), nonzeros(function, n))


@pytest.mark.parametrize("name", SUPERSET)
def test_nothing_is_missing(name):
    function, n = SUPERSET[name]
    assert not np.any(nonzeros(function, n) & ~dependences(function, jnp.zeros(n)).toarray())


def test_a_derivative_of_the_users_own_is_not_cut():
    rounded = jax.custom_jvp(lambda x: jnp.round(x))
    rounded.defjvp(lambda primals, tangents: (rounded(*primals), tangents[0]))
    assert dependences(rounded, jnp.zeros(3)).toarray().tolist() == np.eye(3, dtype=bool).tolist()
    assert dependences(jnp.round, jnp.zeros(3)).nnz == 0


def test_one_argument_of_several():
    field = lambda t, y, args: args * y * jnp.roll(y, 1) + t
    found = dependences(field, 0.0, jax.ShapeDtypeStruct((4,), np.float64), jnp.zeros(4), argument=1)
    expected = np.eye(4) + np.roll(np.eye(4), 1, axis=0)
    np.testing.assert_array_equal(found.toarray(), expected > 0)
    assert dependences(field, 0.0, jnp.zeros(4), jnp.zeros(4), argument=0).toarray().tolist() == [[True]] * 4


def test_values_of_arguments_are_not_taken_for_constants():
    gather = lambda x, places: x[places]
    # other places may come in the next call
    assert dependences(gather, jnp.zeros(3), jnp.array([0, 0])).toarray().all()


def test_inside_a_trace_captured_tracers_are_unknown():
    counts = []

    @jax.jit
    def traced(x, factor):
        counts.append(dependences(lambda x: jnp.eye(3) @ x[jnp.array([2, 1, 0])], x).nnz)
        counts.append(dependences(lambda x: factor @ x, x).nnz)
        return x

    traced(jnp.ones(3), jnp.eye(3))
    assert counts == [3, 9]


def test_a_traced_function_is_taken_as_it_is():
    closed = close(lambda t, y: y[::-1] * t, 0.0, jnp.zeros(3))
    assert dependences(closed, argument=1).toarray().tolist() == np.eye(3, dtype=bool)[::-1].tolist()


def test_a_full_pattern_of_a_large_function_is_given_up():
    assert pattern(lambda x: jnp.fft.fft(x).real, jnp.zeros(8192)) is None


def test_a_large_grid_has_six_entries_a_row():
    found = dependences(brusselator(64), jnp.zeros(8192))
    # u and v: five points of the own species, one of the other
    assert np.all(np.diff(found.indptr) == 6)
