"""The functions phi_k against mpmath, for numbers and matrices, with their derivatives."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from sciml_jax.solve.exponential.phi import phi, phi_matrix

TOP = 4


def exact(z, k: int):
    """phi_k(z) with fifty digits to spare."""
    with mp.workdps(110):
        z = mp.mpmathify(complex(z))
        if z == 0:
            return 1 / mp.factorial(k)
        value = mp.exp(z)
        for j in range(k):
            value = (value - 1 / mp.factorial(j)) / z
        return value


def exact_derivative(z, k: int):
    """phi_k'(z) = phi_k - k phi_(k + 1), with digits to spare."""
    with mp.workdps(110):
        return exact(z, k) - k * exact(z, k + 1)


def points(angle: float) -> np.ndarray:
    """Magnitudes from 1e-12 to 1e4 on a ray, and where the formula changes."""
    sizes = np.concatenate([np.logspace(-12, 4, 33), [0.999, 1.001, 2.999, 3.001]])
    z = sizes * np.exp(1j * angle)
    return z[z.real < 500]


RAYS = {"negative": np.pi, "positive": 0.0, "imaginary": np.pi / 2, "complex": 2.0, "growing": 1.0}


@pytest.mark.parametrize("ray", RAYS)
def test_numbers_on_rays(ray):
    z = points(RAYS[ray])
    z = z.real if ray in ("negative", "positive") else z
    values = phi(jnp.asarray(z), TOP)
    for k, value in enumerate(values):
        wanted = np.array([complex(exact(x, k)) for x in z])
        # a few roundings; phi_0 of a large imaginary number has the rounding of its argument's reduction, and phi_1
        # has zeros, near which it is as good as 1/z
        scale = np.maximum(np.abs(wanted), 0.5 / np.maximum(np.abs(z), 1) if k else 1e-300)
        assert value.dtype == z.dtype
        assert np.max(np.abs(value - wanted) / scale) < 20 * np.finfo(float).eps


def test_zero():
    assert [float(x) for x in phi(jnp.asarray(0.0), 4)] == pytest.approx([1, 1, 1 / 2, 1 / 6, 1 / 24], rel=1e-15)
    assert [float(x) for x in phi(jnp.asarray(0.7), 0)] == [float(np.exp(0.7))]


@pytest.mark.parametrize("ray", ["negative", "imaginary"])
def test_derivatives_of_numbers(ray):
    """First and second derivatives, in forward mode, along the ray."""
    z = jnp.asarray(points(RAYS[ray])[::3])
    one = jnp.ones_like(z)

    def first(z):
        return jax.jvp(lambda z: phi(z, TOP), (z,), (jnp.ones_like(z),))[1]

    values, seconds = jax.jvp(first, (z,), (one,))
    for k in range(TOP + 1):
        wanted = np.array([complex(exact_derivative(x, k)) for x in np.asarray(z)])
        # the value's rounding, divided by z where that is large
        scale = np.maximum(np.abs(wanted), 1e-300)
        assert np.max(np.abs(values[k] - wanted) / scale) < 1e-13
        second = exact_second(np.asarray(z), k)
        np.testing.assert_allclose(seconds[k], second, rtol=1e-11, atol=1e-300)


def exact_second(z, k: int):
    """phi_k'' = phi_k - 2 k phi_(k + 1) + k (k + 1) phi_(k + 2)."""
    with mp.workdps(110):
        return np.array([complex(exact(x, k) - 2 * k * exact(x, k + 1) + k * (k + 1) * exact(x, k + 2)) for x in z])


def test_reverse_mode_of_numbers():
    z = jnp.asarray(-0.3)
    gradient = jax.grad(lambda z: phi(z, 3)[2])(z)
    assert float(gradient) == pytest.approx(float(exact_derivative(-0.3, 2).real), rel=1e-14)


@pytest.mark.float32
def test_single_precision():
    z = np.concatenate([points(np.pi).real, points(0.0).real[:25]]).astype(np.float32)
    for k, value in enumerate(phi(jnp.asarray(z), TOP)):
        assert value.dtype == np.float32
        wanted = np.array([float(exact(x, k).real) for x in z])
        large = wanted > 1e-30
        np.testing.assert_allclose(value[large], wanted[large], rtol=40 * np.finfo(np.float32).eps)


def convection_diffusion(n: int, size: float) -> np.ndarray:
    """A stiff matrix that is not symmetric."""
    up = np.diag(np.ones(n - 1), 1)
    return size * (-2 * np.eye(n) + 1.3 * up + 0.7 * up.T)


def exact_matrix(a: np.ndarray, top: int) -> list[np.ndarray]:
    """phi_0, ..., phi_top of a matrix: blocks of the exponential of an augmented one."""
    n = len(a)
    with mp.workdps(80):
        big = mp.zeros(n * (top + 1))
        for i in range(n):
            for j in range(n):
                big[i, j] = mp.mpmathify(complex(a[i, j]))
            for b in range(top):
                big[b * n + i, (b + 1) * n + i] = 1
        e = mp.expm(big)
        return [np.array([[complex(e[i, k * n + j]) for j in range(n)] for i in range(n)]) for k in range(top + 1)]


@pytest.mark.parametrize("size", [0.0, 1e-3, 1.0, 50.0, 1e4])
def test_matrices(size):
    a = convection_diffusion(5, size)
    for k, (value, wanted) in enumerate(zip(phi_matrix(jnp.asarray(a), 3), exact_matrix(a, 3), strict=True)):
        # every squaring doubles the rounding error of phi_0, which decays to nothing where it matters
        bound = 1e-13 * np.abs(wanted).max() if k else 1e-13
        assert np.abs(value - wanted).max() < bound


def test_complex_matrices():
    a = (0.3 + 2j) * convection_diffusion(4, 3.0)
    for value, wanted in zip(phi_matrix(jnp.asarray(a), 2), exact_matrix(a, 2), strict=True):
        assert np.abs(value - wanted).max() < 1e-13 * np.abs(wanted).max()


def test_derivatives_of_matrices():
    """The Fréchet derivative is a block of the function of a block matrix; reverse mode is its transpose."""
    a, da = convection_diffusion(4, 7.0), np.random.default_rng(0).normal(size=(4, 4))
    block = np.block([[a, da], [np.zeros((4, 4)), a]])
    _, tangents = jax.jvp(lambda a: phi_matrix(a, 3), (jnp.asarray(a),), (jnp.asarray(da),))
    weights = np.random.default_rng(1).normal(size=(4, 4, 4))
    gradient = jax.grad(lambda a: sum(jnp.sum(w * f) for w, f in zip(weights, phi_matrix(a, 3), strict=True)))(a)
    wanted = [f[:4, 4:] for f in phi_matrix(jnp.asarray(block), 3)]
    for tangent, block_of in zip(tangents, wanted, strict=True):
        np.testing.assert_allclose(tangent, block_of, rtol=0, atol=1e-14 * 8)
    assert float(jnp.sum(gradient * da)) == pytest.approx(float(np.sum(weights * np.array(wanted))), rel=1e-12)


def test_matrices_under_vmap():
    stack = jnp.asarray(np.stack([convection_diffusion(3, s) for s in (0.1, 10.0, 1e3)]))
    together = jax.vmap(lambda a: phi_matrix(a, 2))(stack)
    for i, a in enumerate(stack):
        for x, y in zip(together, phi_matrix(a, 2), strict=True):
            np.testing.assert_allclose(x[i], y, rtol=1e-13, atol=1e-15)


def test_an_endless_matrix_is_refused():
    """Beyond 2^31 the squarings do not suffice, and nothing wrong is returned."""
    assert bool(jnp.all(jnp.isnan(phi_matrix(jnp.asarray([[-1e12]]), 1)[1])))
