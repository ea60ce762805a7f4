"""Random numbers by counters: the cipher's published answers, and the distribution of what is made of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from sciml_jax.solve.noise.normal import key_words, normal32, normal64, normals, time_words
from sciml_jax.solve.noise.threefry import Words, threefry

ZERO = Words(jnp.uint32(0), jnp.uint32(0))
EDGES = np.array([0, 1, 2**9 - 1, 2**31 - 1, 2**31, 2**32 - 1], np.uint32)


@pytest.mark.parametrize(
    "key, counter, answer",
    [  # kat_vectors of the library Random123, threefry2x32 with 20 rounds
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_known_answers(key, counter, answer):
    found = threefry(Words(*map(jnp.uint32, key)), Words(*map(jnp.uint32, counter)))
    assert tuple(map(int, found)) == answer


def test_single_precision_is_the_inverse_of_the_error_function():
    bits = np.concatenate([EDGES, np.random.default_rng(0).integers(0, 2**32, 20_000).astype(np.uint32)])
    uniform = ((bits >> 9) + 0.5) * 2.0**-22 - 1
    # five roundings of float32 and what polynomials of this degree leave
    np.testing.assert_allclose(normal32(jnp.asarray(bits)), np.sqrt(2) * special.erfinv(uniform), rtol=6e-7)


def test_double_precision_is_the_inverse_of_the_error_function():
    bits = np.concatenate([EDGES, np.random.default_rng(0).integers(0, 2**32, 20_000).astype(np.uint32)])
    words = (bits, np.roll(bits, 1))
    uniform = ((words[0] >> 6) * 2.0**26 + (words[1] >> 6) + 0.5) * 2.0**-51 - 1
    found = np.asarray(normal64(Words(*map(jnp.asarray, words))))
    assert np.all(np.isfinite(found))
    # back by the error function, in the tail by its complement, which a relative error of the argument z changes by z^2
    np.testing.assert_allclose(special.erf(found / np.sqrt(2)), uniform, rtol=1e-14)
    tail = np.abs(uniform) > 0.9
    np.testing.assert_allclose(special.erfc(np.abs(found[tail]) / np.sqrt(2)), 1 - np.abs(uniform[tail]), rtol=1e-8)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_they_are_normal_and_independent(dtype):
    n = 4000
    times = jnp.linspace(0.0, 1.0, n, dtype=dtype)
    draw = jax.vmap(lambda t, s: normals(key_words(jax.random.key(3)), time_words(t), 0, (3,), dtype), (0, None))
    found = np.asarray(draw(times, 0))
    other = jax.vmap(lambda t: normals(key_words(jax.random.key(3)), time_words(t), 1, (3,), dtype))(times)
    key = jax.vmap(lambda t: normals(key_words(jax.random.key(4)), time_words(t), 0, (3,), dtype))(times)
    assert found.dtype == dtype
    # the chance of a smaller p is one in a thousand, of a correlation beyond 4.5 / sqrt(n) seven in a million
    assert stats.kstest(found.ravel(), "norm").pvalue > 1e-3
    together = np.concatenate([found, np.roll(found, 1, 0), other, key], axis=1)
    correlations = np.corrcoef(together.T) - np.eye(12)
    assert np.max(np.abs(correlations)) < 4.5 / np.sqrt(n)
    assert np.max(np.abs(np.corrcoef((together**2).T) - np.eye(12))) < 4.5 / np.sqrt(n) * 2


def test_keys_of_every_style():
    typed = jax.random.key(5)
    raw = jax.random.key_data(typed)
    for key in (raw, np.asarray(raw), key_words(typed)):
        np.testing.assert_array_equal(jnp.stack(key_words(key)), jnp.stack(key_words(typed)))
    long = key_words(jax.random.key(5, impl="rbg"))
    assert [w.dtype for w in long] == [jnp.uint32] * 2
    with pytest.raises(TypeError, match=r"key must be a key of jax.random, such as jax.random.key\(0\); got 5"):
        key_words(5)


def test_times_are_different_counters():
    t = np.float64(0.1)
    words = [time_words(jnp.asarray(x)) for x in (t, np.nextafter(t, 1), -t)]
    assert len({tuple(map(int, w)) for w in words}) == 3
    assert int(time_words(jnp.float32(1.0)).first) == 0x3F800000
