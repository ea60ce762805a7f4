"""Lévy areas: their law, how they add up, and what Milstein's method makes of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

SPAN = (0.0, 1.0)


def areas(n, m=2, **options):
    """Increments and areas of n paths over [0, 1]."""

    def one(key):
        path = sj.IncrementPath(SPAN, (m,), key, **options)
        return path.increment_and_levy_area(jnp.zeros(()), jnp.ones(()))

    return jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), n))


@pytest.mark.parametrize("resolution", [None, 32])
def test_law_of_an_area(resolution):
    """Variance 1/4, uncorrelated with W; given W as Lévy found it: E exp(i x A) = 1 / cosh(x / 2) (1951)."""
    n = 20_000
    w, area = (np.asarray(x) for x in areas(n, 3, resolution=resolution))
    np.testing.assert_allclose(area, -np.swapaxes(area, 1, 2), atol=1e-15)
    a, b = area[:, 0, 1], area[:, 1, 2]
    fourth = np.mean(a**4)
    assert abs(np.mean(a**2) - 1 / 4) < 4.5 * np.sqrt((fourth - 1 / 16) / n)
    assert abs(np.mean(a)) < 4.5 * 0.5 / np.sqrt(n)
    # E A^2 given W is 1/12 + |W|^2 / 12 (of the two noises): correlations as those have them, and no others
    square = w[:, 0] ** 2 + w[:, 1] ** 2
    product = a**2 * (square - 2)
    assert abs(product.mean() - 4 / 12) < 4.5 * product.std() / np.sqrt(n)
    assert abs(np.mean(a * b)) < 4.5 * np.std(a * b) / np.sqrt(n)
    assert abs(np.mean(a * w[:, 0])) < 4.5 * np.std(a * w[:, 0]) / np.sqrt(n)
    for x in (1.0, 3.0):
        waves = np.cos(x * a)
        # numbers of single intervals have the law only nearly: within a hundredth
        near = 0.0 if resolution else 0.01
        assert abs(waves.mean() - 1 / np.cosh(x / 2)) < 4.5 * waves.std() / np.sqrt(n) + near


def test_areas_of_parts_add_up():
    """Chen's relation: those of two intervals and the triangle of their chords, also backwards."""
    path = sj.IncrementPath(SPAN, (3,), jax.random.key(2), resolution=64)
    time = lambda x: jnp.asarray(x, float)  # noqa: E731
    w, area = path.increment_and_levy_area(time(0.25), time(0.5))
    (w1, a1), (w2, a2) = (path.increment_and_levy_area(time(t), time(0.25)) for t in (0.25, 0.5))
    cross = 0.5 * (w1[:, None] * w2[None, :] - w2[:, None] * w1[None, :])
    np.testing.assert_allclose(w, w1 + w2, atol=1e-14)
    np.testing.assert_allclose(area, a1 + a2 + cross, atol=1e-14)
    np.testing.assert_allclose(w, path.increment(time(0.25), time(0.5)), atol=1e-14)
    back, turned = path.increment_and_levy_area(time(0.75), time(-0.5))
    np.testing.assert_allclose((back, turned[0]), (-w, -area[0]), atol=1e-14)


def heisenberg(t, y, args):
    """Two noises, and what they sweep."""
    return jnp.stack([jnp.array([1.0, 0.0, -y[1]]), jnp.array([0.0, 1.0, y[0]])], axis=-1)


@pytest.mark.parametrize("interpretation", ["ito", "stratonovich"])
def test_milstein_sweeps_the_area_exactly(interpretation):
    """dy3 = y1 dW2 - y2 dW1 is twice the area, for steps of any length; on paths with and without cells."""
    options = {"noise": "general", "interpretation": interpretation, "method": sj.Milstein()}
    path = sj.IncrementPath(SPAN, (2,), jax.random.key(4), resolution=128)
    w, area = path.increment_and_levy_area(jnp.zeros(()), jnp.ones(()))
    for steps in (1, 8, 128):
        y = sj.solve_sde(
            lambda t, y, args: 0 * y, heisenberg, SPAN, np.zeros(3), None, path=path, steps=steps, **options
        ).y
        np.testing.assert_allclose(y, [*w, 2 * area[0, 1]], atol=1e-13)


def test_milstein_and_euler_have_one_limit():
    """The method of order 1/2 with short steps: their distance falls with its order, from 16 to 256 cells and steps."""
    g = lambda t, y, args: jnp.stack([0.8 * jnp.sin(y[::-1]), jnp.stack([0.6 * y[0], -0.3 + 0 * y[1]])], axis=-1)  # noqa: E731

    def gap(key, n):
        path = sj.IncrementPath(SPAN, (2,), key, resolution=n)
        ends = [
            sj.solve_sde(lambda t, y, args: -0.2 * y, g, SPAN, np.array([1.0, 0.5]), None, noise="general", path=path,
                         method=method, steps=n).y
            for method in (sj.Milstein(), sj.EulerMaruyama())
        ]  # fmt: skip
        return jnp.sum((ends[0] - ends[1]) ** 2)

    keys = jax.random.split(jax.random.key(5), 1000)
    sizes = [float(jnp.sqrt(jnp.mean(jax.jit(jax.vmap(lambda k, n=n: gap(k, n)))(keys)))) for n in (16, 256)]
    # 1000 paths: a few percent of either
    assert abs(np.log(sizes[0] / sizes[1]) / np.log(16) - 0.5) < 0.1, sizes


def test_other_paths_say_so():
    path = sj.GivenPath(function=lambda t: jnp.stack([t, t]), shape=(2,))
    with pytest.raises(
        ValueError, match="needs the Lévy areas between its noises, which this sj.GivenPath does not know"
    ):
        sj.solve_sde(
            *(lambda t, y, args: 0 * y, heisenberg, SPAN, np.zeros(3), None),
            noise="general", path=path, method=sj.Milstein(), steps=2,
        )  # fmt: skip
