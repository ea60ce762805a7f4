"""The lane interpreter against `jax.vmap`, operation by operation, and its derivatives."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.core import close, empty_rows, while_loop, write_row
from sciml_jax.ensemble import NotInLanes, run_lanes

N = 5
RANDOM = np.random.default_rng(0)
X = jnp.asarray(RANDOM.normal(size=(N, 6)))
W = jnp.asarray(RANDOM.normal(size=(4, 3)))
K = jnp.array([0, 3, 1, -2, 9], jnp.int32)


@jax.custom_jvp
def soft(x):
    return jnp.log1p(jnp.exp(x))


soft.defjvp(lambda p, t: (soft(p[0]), 0.5 * jnp.tanh(p[0]) * t[0]))  # a rule that differs from the true derivative


@jax.custom_vjp
def halved(x):
    return x


halved.defvjp(lambda x: (x, None), lambda _, ct: (0.5 * ct,))


def newton(x, k):
    """A foreign loop that ends at different turns."""
    return jax.lax.while_loop(
        lambda s: jnp.abs(s[0] ** 3 - s[1]) > 1e-9,
        lambda s: (s[0] - (s[0] ** 3 - s[1]) / (3 * s[0] ** 2), s[1], s[2] + 1),
        (2.0 + 0 * x[0], 1 + x[0] ** 2, 0),
    )


def own_loop(x, k):
    """Our loop, with rows that are written in place."""
    rows = empty_rows(8, (0.0, x[:2]))

    def body(state, rows, on):
        y, i = state
        return (1.5 * y + 0.1, i + 1), write_row(rows, (y, x[:2] * y), i, on)

    state, rows = while_loop(lambda s: s[0] < 5.0, body, (jnp.abs(x[0]) + 0.3, jnp.int32(0)), rows)
    return state, jax.tree.map(lambda r: r[:-1], rows.all())  # the spare row means nothing


def branches(x, k):
    return jax.lax.switch(jnp.abs(k) % 3, [jnp.sin, jnp.cos, lambda x: x[::-1]], x)


OPERATIONS = {
    "elementwise": lambda x, k: (
        jnp.where(x > 0, jnp.sqrt(jnp.abs(x)), jnp.exp(x) ** 2) / (1 + x**3) + jnp.maximum(x, k)
    ),
    "of integers": lambda x, k: (k * 3 - 7) // 2 + k % 4 + (k << 1) + jnp.abs(k),
    "slicing": lambda x, k: (x[1:4], x[::-2], x[-1], x[None, 2]),
    "stacking": lambda x, k: (jnp.stack([x[0], 2 * x[3]]), jnp.concatenate([x, x[:2]]), jnp.tile(x, 2), jnp.roll(x, 2)),
    "shapes": lambda x, k: (x.reshape(2, 3).T, x.reshape(3, 2)[:, ::-1].ravel(), jnp.pad(x, (1, 2)), jnp.flip(x)),
    "broadcasting": lambda x, k: x[:, None] * x[None, :2] + W[0, 0],
    "products": lambda x, k: (W @ x[:3], x[:4] @ W, x @ x, jnp.einsum("ij,kj->ik", x.reshape(2, 3), W)),
    "batched products": lambda x, k: jnp.einsum("bij,bj->bi", x.reshape(1, 2, 3) * jnp.ones((2, 1, 1)), W[:2]),
    "reductions": lambda x, k: (x.sum(), x.reshape(2, 3).prod(0), x.max(), jnp.min(x.reshape(2, 3), 1), jnp.mean(x)),
    "of booleans": lambda x, k: (jnp.all(x > -1), jnp.any(x > 1), (x > 0) ^ (x > 1), ~(x > 0)),
    "places of extremes": lambda x, k: (
        jnp.argmax(x),
        jnp.argmin(x.reshape(2, 3), axis=0),
        jnp.argmax(jnp.where(x > 1, jnp.nan, x)),
    ),
    "running sums": lambda x, k: (
        jnp.cumsum(x),
        jnp.cumprod(x.reshape(2, 3), 1),
        jax.lax.cummax(x),
        jax.lax.cumsum(x, reverse=True),
    ),
    "indices that are known": lambda x, k: (
        x[np.array([4, 0, 0])],
        jnp.take(x, 2),
        x.at[1].set(7.0),
        x.at[np.array([0, 2, 2])].add(1.0),
        x.at[2:4].multiply(2.0),
    ),
    "indices that differ": lambda x, k: (
        x[k],
        x[jnp.clip(k, 0, 5)],
        jax.lax.dynamic_slice(x, (k,), (2,)),
        W[jnp.abs(k) % 4],
        jnp.arange(100.0)[k],
    ),
    "updates that differ": lambda x, k: (
        x.at[k].set(1.0),
        jax.lax.dynamic_update_slice(x, x[:2], (k,)),
        x.at[k].add(1.0, mode="drop"),
    ),
    "calls": lambda x, k: (
        jax.jit(lambda x: jnp.sin(x) * 2)(x),
        jax.checkpoint(jnp.cos)(x),
        soft(x),
        halved(x),
        jax.nn.relu(x),
    ),
    "a short scan": lambda x, k: jax.lax.scan(lambda c, a: (c * a + x[0], c), x[1], x),
    "a scan backwards": lambda x, k: jax.lax.scan(
        lambda c, a: (c - a, (c, a * 2)), 0.0, x.reshape(3, 2).sum(1), reverse=True
    ),
    "a long scan": lambda x, k: jax.lax.scan(
        lambda c, a: (0.9 * c + a[:2], (c * x[:2], a)), x[:2], jnp.ones((100, 2)) * x[0]
    ),
    "a scan of constants": lambda x, k: jax.lax.scan(lambda c, a: (c + a, (a, x[0])), 0.0, jnp.arange(100.0)),
    "a counted loop": lambda x, k: jax.lax.fori_loop(0, 4, lambda i, c: c.at[i].add(x[i + 1]), x),
    "a loop": newton,
    "our loop": own_loop,
    "a branch for all": lambda x, k: jax.lax.cond(W[0, 0] > 0, lambda: (x + 1, 0.0), lambda: (x * 2, x[0])),
    "branches": branches,
    "complex numbers": lambda x, k: (jnp.abs(x[0] + 1j * x[1]), (x[2] * 1j) ** 2, jnp.conj(x * 1j).imag),
    "what has no rule": lambda x, k: (
        jnp.sort(x),
        jnp.fft.rfft(x),
        jnp.linalg.solve(x[:4].reshape(2, 2) + 3 * jnp.eye(2), x[4:]),
    ),
    "large arrays": lambda x, k: (jnp.zeros(300) + x[0], (jnp.arange(300.0) * x[1]).sum(), jnp.ones((300, 6)) @ x),
    "random numbers": lambda x, k: jax.random.normal(jax.random.fold_in(jax.random.key(3), k), (3,)) + x[0],
    "nothing that differs": lambda x, k: (jnp.arange(3.0), W @ W.T),
    "float32": lambda x, k: (
        jnp.tanh(x.astype(jnp.float32)) @ W[:3, 0].astype(jnp.float32)[jnp.array([0, 1, 2, 0, 1, 2])]
    ),
}


def lanes(function, *rows, **options):
    """`function` over rows, interpreted."""
    one = close(lambda shared, row: function(*row), (), [jax.ShapeDtypeStruct(x.shape[1:], x.dtype) for x in rows])
    return run_lanes(one, (), [jnp.asarray(x) for x in rows], **options)


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name):
    function = OPERATIONS[name]
    got, want = jax.jit(partial(lanes, function))(X, K), jax.jit(jax.vmap(function))(X, K)
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        # sums in another order
        np.testing.assert_allclose(a, b, rtol=1e-5 if a.dtype == np.float32 else 1e-13, atol=1e-13)


def test_what_has_no_rule_is_named():
    with pytest.raises(NotInLanes, match=r"sort of float64\[6\] has no lanes"):
        lanes(lambda x: jnp.sort(x), X, strict=True)
