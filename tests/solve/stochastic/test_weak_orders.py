"""Weak orders, exactly: a step has finitely many outcomes, over which expectations are sums without sampling error."""

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import sciml_jax as sj

DRIFT = np.array([[-0.5, 0.3], [0.2, -0.4]])
KICKS = np.array([[[0.4, -0.3], [0.5, 0.1]], [[0.1, 0.6], [-0.2, 0.3]]])  # which do not commute


class Chosen(sj.Path):
    """The same increment and area for every step."""

    w: jax.Array
    area: jax.Array
    shape: Any = eqx.field(static=True)

    def increment(self, t, dt):
        return self.w

    def increment_and_area(self, t, dt):
        return self.w, self.area


def outcomes(m, h, signs):
    """Increments, areas and probabilities of all outcomes of a step."""
    values, chances = np.array([-1.7, 0.0, 1.7]) * np.sqrt(h), np.array([1 / 6, 2 / 3, 1 / 6])
    rows = []
    for places in itertools.product(range(3), repeat=m):
        for s in itertools.product((-1.0, 1.0), repeat=m if signs else 0):
            chance = np.prod(chances[list(places)]) / 2 ** len(s)
            rows.append((values[list(places)], np.array(s or (1.0,) * m), chance))
    return tuple(np.array(x) for x in zip(*rows, strict=True))


def matrices(h, noise, interpretation, kicks=KICKS):
    """The matrices of a step of the linear equation for all outcomes, and their probabilities."""
    if noise == "diagonal":
        g = lambda t, y, args: jnp.array([0.6, 0.9]) * y  # noqa: E731
    else:
        g = lambda t, y, args: jnp.stack([b @ y for b in kicks], axis=-1)  # noqa: E731
    ws, areas, chances = outcomes(2, h, noise == "general")
    kind = {"noise": noise, "interpretation": interpretation, "method": sj.DRI1(), "steps": 1}

    def run(w, area, y):
        return sj.solve_sde(
            lambda t, y, args: DRIFT @ y, g, (0.0, h), y, None, path=Chosen(shape=(2,), w=w, area=area), **kind
        ).y

    step = jax.jit(jax.vmap(jax.vmap(run, (None, None, 0), 1), (0, 0, None)))
    return np.asarray(step(ws, areas, np.eye(2))), chances


@pytest.mark.parametrize("noise", ["general", "diagonal"])
@pytest.mark.parametrize("interpretation", ["ito", "stratonovich"])
def test_second_moments_of_a_linear_equation_have_order_two(noise, interpretation):
    """E y and E y y^T at t = 1, from equations of their own."""
    kicks = KICKS if noise == "general" else np.array([[[0.6, 0], [0, 0]], [[0, 0], [0, 0.9]]])
    drift = DRIFT + 0.5 * (interpretation == "stratonovich") * sum(b @ b for b in kicks)
    one = np.eye(2)
    generator = np.kron(drift, one) + np.kron(one, drift) + sum(np.kron(b, b) for b in kicks)
    exact = scipy.linalg.expm(drift), scipy.linalg.expm(generator)
    errors, counts = [], (4, 8, 16, 32)
    for n in counts:
        steps, chances = matrices(1 / n, noise, interpretation)
        mean = np.einsum("k,kij->ij", chances, steps)
        square = np.einsum("k,kij,klm->iljm", chances, steps, steps).reshape(4, 4)
        found = np.linalg.matrix_power(mean, n), np.linalg.matrix_power(square, n)
        errors.append([np.abs(a - b).max() for a, b in zip(found, exact, strict=True)])
    slopes = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    # the mean is that of the method without noise, of order 3
    assert abs(slopes[1] - 2) < 0.2
    assert slopes[0] > 1.9


def test_a_step_of_a_nonlinear_equation_has_order_three():
    """y = sinh(t + W): E p(asinh y) = t^3 - 3 t^2 + 2 t for p(z) = z^3 - 6 z^2 + 8 z; Debrabant & Rößler 2009, 6.1."""
    fields = (lambda t, y, args: 0.5 * y + jnp.sqrt(y**2 + 1), lambda t, y, args: jnp.sqrt(y**2 + 1))

    @jax.jit
    @jax.vmap
    def run(w, h):
        return sj.solve_sde(
            *fields, (0.0, h), 0.0, None, method=sj.DRI1(), path=Chosen(shape=(), w=w, area=w), steps=1
        ).y

    sizes, errors = np.array([0.02, 0.01, 0.005, 0.0025]), []
    for h in sizes:
        ws, _, chances = outcomes(1, h, False)
        z = np.arcsinh(run(ws[:, 0], np.full(3, h)))
        errors.append(abs(chances @ (z**3 - 6 * z**2 + 8 * z) - (h**3 - 3 * h**2 + 2 * h)))
    assert abs(np.polyfit(np.log(sizes), np.log(errors), 1)[0] - 3) < 0.2, errors


def test_noise_of_three_values_has_its_moments():
    """The paths' own increments: frequencies of zero and of both signs, with the errors of 20,000 draws."""
    n = 20_000
    run = lambda key: (
        sj.solve_sde(  # noqa: E731
            lambda t, y, args: 0 * y,
            lambda t, y, args: 1 + 0 * y,
            (0.0, 2.0),
            0.0,
            key,
            noise="additive",
            method=sj.DRI1(),
            steps=1,
        ).y
    )
    w = np.asarray(jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), n)))
    for value, chance in ((0.0, 2 / 3), (np.sqrt(6.0), 1 / 6), (-np.sqrt(6.0), 1 / 6)):
        share = np.mean(np.abs(w - value) < 1e-12)
        assert abs(share - chance) < 4.5 * np.sqrt(chance * (1 - chance) / n)


def test_kinds_of_noise_agree():
    """Diagonal noise as a matrix, scalar noise as a column, additive noise as either: the same steps."""
    key, y0 = jax.random.key(1), np.array([1.0, 2.0])
    g = {
        "diagonal": (lambda y: 0.5 * jnp.sin(y), lambda y: jnp.diag(0.5 * jnp.sin(y))),
        "additive": (lambda y: jnp.array([0.5, 0.2]), lambda y: jnp.diag(jnp.array([0.5, 0.2]))),
    }
    for kind, forms in g.items():
        ends = [
            sj.solve_sde(
                *(lambda t, y, args: -y * y[::-1], lambda t, y, args, f=f: (1 + t) * f(y), (0.0, 1.0), y0, key),
                noise=noise, method=sj.DRI1(), steps=5,
            ).y
            for noise, f in zip((kind, "general"), forms, strict=True)
        ]  # fmt: skip
        np.testing.assert_allclose(ends[0], ends[1], rtol=1e-12)
    w = jnp.asarray(0.6)
    ends = [
        sj.solve_sde(
            *(lambda t, y, args: -y, lambda t, y, args, f=f: f(0.5 * jnp.sin(y[::-1])), (0.0, 1.0), y0, None),
            noise=noise, path=Chosen(shape=shape, w=w.reshape(shape), area=w.reshape(shape)), method=sj.DRI1(), steps=5,
        ).y
        for noise, shape, f in (("scalar", (), lambda g: g), ("general", (1,), lambda g: g[:, None]))
    ]  # fmt: skip
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-12)
