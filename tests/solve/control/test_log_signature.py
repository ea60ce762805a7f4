"""Signatures against iterated integrals, the shuffle identity and Chen's; log-signatures against their own series."""

from functools import cache
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.solve.control.log_signature import factors, lyndon_words

POINTS = np.random.default_rng(1).normal(size=(7, 3))


@cache
def compiled(function, depth: int):
    return jax.jit(lambda xs: function(xs, depth))


def by_words(xs, depth: int) -> dict[tuple[int, ...], float]:
    """The signature as a dictionary, from the words to their integrals; the empty word has 1."""
    values = iter(np.asarray(compiled(sj.signature, depth)(xs)).tolist())
    d = np.shape(xs)[1]
    return {(): 1.0} | {w: next(values) for k in range(1, depth + 1) for w in product(range(d), repeat=k)}


def shuffles(u: tuple, v: tuple) -> list[tuple]:
    if not u or not v:
        return [u + v]
    return [(u[0], *w) for w in shuffles(u[1:], v)] + [(v[0], *w) for w in shuffles(u, v[1:])]


def expanded(word: tuple, d: int) -> np.ndarray:
    """The bracket of a Lyndon word as a tensor, by matrices: its nested commutators."""
    if len(word) == 1:
        return np.eye(d)[word[0]]
    left, right = (expanded(w, d) for w in factors(word))
    return np.multiply.outer(left, right) - np.multiply.outer(right, left)


def test_iterated_integrals_of_a_smooth_path():
    """Sums over 4,000 trapezia, nested: the errors of integrals and of the polygon are (6 / 4000)^2 times about 10."""
    t = np.linspace(0.0, 1.0, 4001)
    xs = np.stack([np.sin(3 * t), t**2, np.exp(-t)], axis=1)
    found = by_words(xs, 3)
    path = {(): np.ones_like(t)}
    for k in range(1, 4):
        for word in product(range(3), repeat=k):
            inner, dx = path[word[:-1]], np.diff(xs[:, word[-1]])
            path[word] = np.concatenate([[0.0], np.cumsum(0.5 * (inner[1:] + inner[:-1]) * dx)])
    for word, values in path.items():
        assert found[word] == pytest.approx(values[-1], abs=2e-6), word


def test_the_shuffle_identity():
    """S^u S^v is the sum of S^w over all shuffles of u and v: exact, so rounding alone."""
    s = by_words(POINTS, 4)
    for u, v in [((0,), (1,)), ((0, 1), (2,)), ((0, 1), (1, 2)), ((2,), (0, 1, 1))]:
        assert s[u] * s[v] == pytest.approx(sum(s[w] for w in shuffles(u, v)), rel=1e-11, abs=1e-11)


def test_chens_identity():
    whole, first, second = (by_words(xs, 3) for xs in (POINTS, POINTS[:4], POINTS[3:]))
    for word, value in whole.items():
        pieces = sum(first[word[:k]] * second[word[k:]] for k in range(len(word) + 1))
        assert value == pytest.approx(pieces, rel=1e-12, abs=1e-12)


def moebius(n: int) -> int:
    primes = [p for p in range(2, n + 1) if n % p == 0 and all(p % q for q in range(2, p))]
    return 0 if any(n % p**2 == 0 for p in primes) else (-1) ** len(primes)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_there_are_as_many_words_as_witt_counts(d):
    words = lyndon_words(d, 5)
    for k in range(1, 6):
        witt = sum(moebius(m) * d ** (k // m) for m in range(1, k + 1) if k % m == 0) // k
        assert sum(len(w) == k for w in words) == witt


@pytest.mark.parametrize("d, depth", [(2, 5), (3, 4), (1, 3)])
def test_the_exponential_of_the_log_signature_is_the_signature(d, depth):
    """The Lie series of the brackets, and its exponential series, as dense tensors by NumPy."""
    xs = POINTS[:, :d]
    log = np.asarray(compiled(sj.log_signature, depth)(xs))
    levels = [np.zeros((d,) * k) for k in range(depth + 1)]
    for word, coefficient in zip(lyndon_words(d, depth), log, strict=True):
        levels[len(word)] = levels[len(word)] + coefficient * expanded(word, d)
    total, power = [np.zeros_like(x) for x in levels], [np.zeros_like(x) for x in levels]
    power[0] = power[0] + 1.0
    for n in range(1, depth + 1):
        power = [
            sum((np.multiply.outer(power[i], levels[k - i]) for i in range(k)), np.zeros((d,) * k)) / n
            for k in range(depth + 1)
        ]
        total = [a + b for a, b in zip(total, power, strict=True)]
    flat = np.concatenate([x.ravel() for x in total[1:]])
    np.testing.assert_allclose(compiled(sj.signature, depth)(xs), flat, rtol=1e-11, atol=1e-11)


def test_straight_lines_have_nothing_but_their_increment():
    line = np.linspace(0.0, 1.0, 6)[:, None] ** 2 * np.array([1.0, -2.0, 0.5])
    log = np.asarray(compiled(sj.log_signature, 3)(line))
    np.testing.assert_allclose(log[:3], line[-1], rtol=1e-14)
    np.testing.assert_allclose(log[3:], 0.0, atol=1e-14)
    # along one direction log-signatures add up, whatever the speed and however often it turns back
    there_and_back = np.array([0.0, 1.0, 0.3, 2.0])[:, None] * np.array([1.0, 2.0])
    np.testing.assert_allclose(sj.log_signature(there_and_back, 3), [2.0, 4.0, 0.0, 0.0, 0.0], atol=1e-14)


def test_what_does_not_change_a_log_signature():
    whole = np.asarray(compiled(sj.log_signature, 3)(POINTS))
    with_stops = np.repeat(POINTS, 2, axis=0)
    back = np.concatenate([POINTS, POINTS[-2::-1]])
    np.testing.assert_allclose(sj.log_signature(with_stops, 3), whole, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(sj.log_signature(POINTS + 5.0, 3), whole, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(sj.log_signature(POINTS[::-1], 3), -whole, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(sj.log_signature(back, 3), 0.0, atol=1e-12)


def test_batches_and_gradients():
    batch = np.stack([POINTS, 2 * POINTS])
    many = jax.vmap(lambda xs: sj.log_signature(xs, 3))(batch)
    for row, xs in zip(many, batch, strict=True):
        np.testing.assert_allclose(row, compiled(sj.log_signature, 3)(xs), rtol=1e-13)
    loss = jax.jit(lambda xs: jnp.sum(jnp.cos(sj.log_signature(xs, 3))))
    found = jax.jit(jax.grad(loss))(POINTS)
    h = 1e-6  # h^2 f''' / 6 and rounding over h: about 1e-9 of values up to 100
    for k, c in ((0, 0), (3, 1), (6, 2)):
        e = np.zeros_like(POINTS)
        e[k, c] = h
        assert float(found[k, c]) == pytest.approx(float(loss(POINTS + e) - loss(POINTS - e)) / (2 * h), rel=1e-6)


@pytest.mark.float32
def test_single_precision_and_single_points():
    log = sj.log_signature(POINTS.astype(np.float32), 2)
    assert log.dtype == np.float32 and log.shape == (6,)
    assert sj.log_signature(np.ones((1, 2), np.float32), 2).tolist() == [0.0, 0.0, 0.0]
    assert sj.log_signature(np.array([[0], [3]]), 2).tolist() == [3.0]


@pytest.mark.parametrize("function", [sj.signature, sj.log_signature])
def test_messages(function):
    with pytest.raises(ValueError, match=r"xs must be the points of one path, shape \(n, channels\); got \(2, 7, 3\)"):
        function(np.stack([POINTS, POINTS]), 2)
    with pytest.raises(ValueError, match="depth must be an int of at least 1 .*; got 0"):
        function(POINTS, 0)
    with pytest.raises(ValueError, match="depth must be an int of at least 1 .*; got 2.0"):
        function(POINTS, 2.0)
