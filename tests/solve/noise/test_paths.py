"""Paths: additivity, the law of Brownian motion, refinement, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

KEYS = jax.random.split(jax.random.key(11), 4000)
SHAPES = {"a": (), "b": (2,)}


def make(kind, key, shape=()):
    if kind != "increments":
        return sj.BrownianTree((0.0, 2.0), shape, key, depth=6, area=kind == "areas")
    return sj.IncrementPath((0.0, 2.0), shape, key, resolution=64)


def time(x):
    return jnp.asarray(x, float)


# traced, so that they compile once for all times
value = jax.jit(lambda path, t: path(t))
values = jax.jit(lambda path, ts: jax.vmap(path)(ts))
increment = jax.jit(lambda path, t, h: path.increment(time(t), time(h)))
increments = jax.jit(lambda path, ts, hs: jax.vmap(path.increment)(ts, hs))
increment_and_area = jax.jit(lambda path, t, h: path.increment_and_area(time(t), time(h)))


@pytest.mark.parametrize("kind", ["tree", "areas", "increments"])
def test_the_law_of_brownian_motion(kind):
    """Covariances of increments over grid times: variances are their lengths, the rest is zero."""
    ends = jnp.array([0.0, 0.5, 0.53125, 1.0, 1.75, 2.0])

    def drawn(key):
        return jax.vmap(make(kind, key).increment)(ends[:-1], jnp.diff(ends))

    found = np.asarray(jax.jit(jax.vmap(drawn))(KEYS)) / np.sqrt(np.diff(ends))
    # of n numbers: means and covariances have errors of 1 / sqrt(n), variances of sqrt(2 / n)
    n = len(KEYS)
    assert np.max(np.abs(found.mean(0))) < 4.5 / np.sqrt(n)
    assert np.max(np.abs(np.cov(found.T) - np.eye(5))) < 4.5 * np.sqrt(2 / n)


@pytest.mark.parametrize("kind", ["tree", "areas", "increments"])
def test_increments_add_up(kind):
    path = make(kind, KEYS[0], SHAPES)
    whole = increment(path, 0.25, 1.5)
    parts = [increment(path, 0.25 + 0.125 * k, 0.125) for k in range(12)]
    assert jax.tree.map(jnp.shape, whole) == SHAPES
    for name, total in whole.items():
        np.testing.assert_allclose(sum(part[name] for part in parts), total, rtol=1e-12, atol=1e-12)
    back = increment(path, 1.75, -1.5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, -b, rtol=1e-12), back, whole)


def test_a_tree_is_a_function_of_time():
    path = make("tree", KEYS[1], (3,))
    ts = jnp.linspace(0.0, 2.0, 23)
    found = values(path, ts)
    np.testing.assert_array_equal(found[0], 0.0)
    steps = increments(path, ts[:-1], jnp.diff(ts))
    np.testing.assert_allclose(steps, jnp.diff(found, axis=0), atol=1e-14)
    # deeper trees refine the same path
    deep = sj.BrownianTree((0.0, 2.0), (3,), KEYS[1], depth=12)
    grid = jnp.linspace(0.0, 2.0, 65)
    known = values(path, grid)
    np.testing.assert_allclose(values(deep, grid), known, atol=1e-14)
    # between the times of the last level it is linear
    np.testing.assert_allclose(value(path, grid[3] + 1 / 64), 0.5 * (known[3] + known[4]), atol=1e-14)
    np.testing.assert_array_equal(value(path, time(5.0)), value(path, time(2.0)))
    np.testing.assert_array_equal(jax.jacfwd(lambda t: value(path, t))(time(0.3)), 0.0)


def test_a_resolution_is_a_path():
    """Finer and coarser steps see one path; without it, every step size has its own."""
    fine = make("increments", KEYS[2])
    np.testing.assert_allclose(
        increment(fine, 0.0, 2.0),
        sum(increment(fine, k / 32, 1 / 32) for k in range(64)),
        rtol=1e-12,
    )
    plain = sj.IncrementPath((0.0, 2.0), (), KEYS[2])
    assert float(increment(plain, 0.5, 0.25)) == pytest.approx(2 * float(increment(plain, 0.5, 0.0625)), rel=1e-14)
    assert float(increment(plain, 0.5, 0.25)) != float(increment(plain, 0.5625, 0.25))
    assert not plain.reconstructible
    assert make("tree", KEYS[0]).reconstructible


def test_plain_increments_are_brownian():
    def drawn(key):
        path = sj.IncrementPath((0.0, 1.0), (2,), key)
        return jax.vmap(path.increment)(jnp.array([0.0, 0.1, 0.2]), jnp.full(3, 0.1)).ravel()

    found = np.asarray(jax.jit(jax.vmap(drawn))(KEYS)) / np.sqrt(0.1)
    n = len(KEYS)
    assert np.max(np.abs(found.mean(0))) < 4.5 / np.sqrt(n)
    assert np.max(np.abs(np.cov(found.T) - np.eye(6))) < 4.5 * np.sqrt(2 / n)


@pytest.mark.parametrize("kind", ["plain", "areas", "increments"])
def test_areas_are_of_the_law_of_brownian_motion(kind):
    """Means over chords: of variance h / 12, and independent of the increments and of one another."""

    def both(key):
        path = sj.IncrementPath((0.0, 2.0), (), key) if kind == "plain" else make(kind, key)
        # neighbours that part at the first level of a tree
        pairs = jnp.stack(jax.vmap(path.increment_and_area)(jnp.array([0.875, 1.0]), jnp.full(2, 0.125)), axis=1)
        same = path.increment(time(1.0), time(0.125)) - pairs[1, 0]
        return pairs.ravel(), same

    found, same = jax.jit(jax.vmap(both))(KEYS)
    np.testing.assert_allclose(same, 0.0, atol=1e-14)
    scaled = np.asarray(found) / np.sqrt(0.125 * np.array([1, 1 / 12, 1, 1 / 12]))
    n = len(KEYS)
    assert np.max(np.abs(scaled.mean(0))) < 4.5 / np.sqrt(n)
    assert np.max(np.abs(np.cov(scaled.T) - np.eye(4))) < 4.5 * np.sqrt(2 / n)


@pytest.mark.parametrize("kind", ["areas", "increments"])
def test_areas_add_up(kind):
    """The integral of a path over two intervals is the sum of the integrals."""
    path = make(kind, KEYS[4], SHAPES)

    def integral(t, h, start):
        w, area = increment_and_area(path, t, h)
        return jax.tree.map(lambda w, area, s: h * (s + 0.5 * w + area), w, area, start), w

    zero = {"a": jnp.zeros(()), "b": jnp.zeros(2)}
    whole, _ = integral(0.25, 1.0, zero)
    first, w = integral(0.25, 0.375, zero)
    second, _ = integral(0.625, 0.625, w)
    jax.tree.map(lambda c, a, b: np.testing.assert_allclose(c, a + b, rtol=1e-12), whole, first, second)
    back = increment_and_area(path, 1.25, -1.0)[1]
    forth = increment_and_area(path, 0.25, 1.0)[1]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), back, forth)


def test_areas_are_integrals_of_the_path():
    """Deeper trees refine the same path, and areas are what a sum over their last intervals gives."""
    path, deep = make("areas", KEYS[5]), sj.BrownianTree((0.0, 2.0), (), KEYS[5], depth=12, area=True)
    grid = jnp.linspace(0.0, 2.0, 65)
    np.testing.assert_allclose(values(deep, grid), values(path, grid), atol=1e-14)
    w, area = increment_and_area(path, 0.53125, 0.75)
    np.testing.assert_allclose(increment_and_area(deep, 0.53125, 0.75), (w, area), rtol=1e-11)
    # Simpson's rule is exact on the parabolas between the times of the last level
    nodes = jnp.linspace(0.53125, 1.28125, 2 * 24 + 1)
    found = values(path, nodes)
    mean = (found[:-1:2].sum() + 4 * found[1::2].sum() + found[2::2].sum()) / (6 * 24)
    assert float(area) == pytest.approx(float(mean - 0.5 * (found[0] + found[-1])), rel=1e-11)
    assert float(w) == pytest.approx(float(found[-1] - found[0]), rel=1e-12)
    np.testing.assert_array_equal(increment_and_area(path, 0.3, 0.0), [0.0, 0.0])


@pytest.mark.parametrize("kind", ["tree", "increments"])
def test_backwards_spans_hold_the_same_path(kind):
    make = (
        (lambda span: sj.BrownianTree(span, (), KEYS[3], depth=5))
        if kind == "tree"
        else lambda span: sj.IncrementPath(span, (), KEYS[3], resolution=32)
    )
    up, down = make((0.0, 1.0)), make((1.0, 0.0))
    assert float(increment(up, 0.25, 0.5)) == float(increment(down, 0.25, 0.5))


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda key: sj.IncrementPath((0.0, 1.0), (), key, resolution=0),
            "resolution of sj.IncrementPath must be a pos",
        ),
        (lambda key: sj.BrownianTree((0.0, 1.0), (), key, tol=0.0), "tol of sj.BrownianTree must be positive"),
        (lambda key: sj.BrownianTree((0.0, 1.0), (), key, tol=1e-12), "needs 40 levels, more than 30"),
        (lambda key: sj.BrownianTree((0.0, 1.0), (), key, depth=31), "1 to 30 levels; got depth=31"),
        (lambda key: sj.BrownianTree((0.0, np.inf), (), key, tol=1e-3), "t_span finite"),
        (
            lambda key: jax.jit(lambda t: sj.BrownianTree((0.0, t), (), key, tol=1e-3).words)(1.0),
            "inside jit give depth=",
        ),
    ],
)
def test_messages(make, message):
    with pytest.raises(ValueError, match=message):
        make(KEYS[0])


def test_levels_from_a_tolerance():
    assert sj.BrownianTree((0.0, 1.0), (), KEYS[0], tol=1e-3).depth == 10  # 2^-10 < 1e-3 < 2^-9
    assert sj.BrownianTree((0.0, 1.0), (), KEYS[0], tol=4.0).depth == 1
