"""What every problem promises of its field and its data."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.data import problems
from sciml_jax.data.problems.pollu import SPECIES

from .every import EVERY

each = pytest.mark.parametrize("name", EVERY)


def state(p) -> np.ndarray:
    """A state off the initial one, where no product is zero by accident."""
    return p.y0 + 1e-3 * (1 + np.random.default_rng(0).random(p.y0.shape))


@each
def test_the_data_fit_together(name):
    p = EVERY[name]()
    (n,) = p.y0.shape
    assert p.y0.dtype == np.float64 and isinstance(p.y0, np.ndarray)
    assert p.t_span[0] < p.t_span[1]
    assert np.shape(p.atol) in ((), (n,)) and np.all(np.asarray(p.atol) > 0)
    assert p.name and p.source and isinstance(p.stiff, bool)
    assert (p.reference is None) == (p.reference_digits is None)
    if p.reference is not None:
        assert p.reference.shape == (n,) and p.reference.dtype == np.float64
    assert (p.mass is None) == (p.dy0 is None)
    # the same function in every call: a new problem compiles nothing
    assert EVERY[name]().field is p.field


@functools.cache
def measured(name) -> dict:
    """Everything that is to be known of a field in float64, compiled once."""
    p = EVERY[name]()
    rng, t0, y = np.random.default_rng(1), p.t_span[0], state(p)
    slopes = jax.tree.map(lambda x: np.asarray(x) * rng.random(np.shape(x)), p.args)
    v, w, batch = rng.random(y.shape), rng.random(y.shape), np.stack([y, 1.01 * y, p.y0])

    @jax.jit
    def run(y, args):
        _, forward = jax.jvp(lambda y, args: p.field(t0, y, args), (p.y0, args), (v, slopes))
        value, pull = jax.vjp(lambda y, args: p.field(t0, y, args), p.y0, args)
        jac = jax.jacfwd(p.field, argnums=1)(t0, y, args)
        many = jax.vmap(p.field, (None, 0, None))(t0, batch, args)
        return {"dy": p.field(t0, y, args), "dy0": value, "many": many, "jac": jac, "forward": forward, "back": pull(w)}

    out = jax.tree.map(np.asarray, run(y, jax.tree.map(jnp.asarray, p.args)))
    # what the terms that cancel in a field may amount to, with those of the constants
    size = float((np.abs(out["jac"]) @ np.abs(y)).max()) + np.abs(out["dy"]).max()
    return {**out, "v": (v, slopes), "w": w, "size": size}


@each
def test_shape_dtype_and_batches(name):
    m, y = measured(name), state(EVERY[name]())
    assert m["dy"].shape == y.shape and m["dy"].dtype == np.float64 and np.isfinite(m["dy"]).all()
    # rounding, beside the largest terms
    np.testing.assert_allclose(m["many"][0], m["dy"], rtol=1e-10, atol=1e-14 * m["size"])
    np.testing.assert_allclose(m["many"][2], m["dy0"], rtol=1e-10, atol=1e-14 * m["size"])


@each
def test_float32_states_stay_float32(name):
    p, m = EVERY[name](), measured(name)
    # a double as the time, and double constants, as they come
    time, y = np.float64(p.t_span[0]), state(p).astype(np.float32)
    low, residual = jax.jit(lambda t, y, args: (p.field(t, y, args), p.residual(t, y, y, args)))(time, y, p.args)
    assert low.dtype == residual.dtype == jnp.float32
    # single precision, in the largest of the terms
    np.testing.assert_allclose(low, m["dy"], rtol=1e-4, atol=1e-5 * m["size"])


@each
def test_derivatives(name):
    """Forward and reverse mode agree, for the state and for the constants, and are finite from the first moment on."""
    m = measured(name)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((m["forward"], m["back"])))
    total = sum(np.vdot(a, b) for a, b in zip(jax.tree.leaves(m["back"]), jax.tree.leaves(m["v"]), strict=True))
    expected = m["w"] @ m["forward"]
    np.testing.assert_allclose(total, expected, rtol=1e-9, atol=1e-13 * float(m["w"] @ np.abs(m["forward"])))


@pytest.mark.parametrize("name", ["rober", "orego", "van_der_pol", "van_der_pol_scaled"])
def test_jacobians_by_hand(name):
    p = EVERY[name]()
    y = state(p)
    by_hand = jax.jit(p.jacobian)(0.0, y, p.args)
    np.testing.assert_allclose(by_hand, jax.jacfwd(p.field, argnums=1)(0.0, y, p.args), rtol=1e-12)
    assert jax.jit(p.jacobian)(0.0, y.astype(np.float32), p.args).dtype == jnp.float32


def test_the_band_of_the_brusselator():
    p = problems.brusselator_1d(12)
    jac = np.asarray(jax.jacfwd(p.field, argnums=1)(0.0, state(p), p.args))
    i, j = np.nonzero(jac)
    assert np.abs(i - j).max() == 2


def test_stationary_states():
    """u = A, v = B/A rests in the Brusselators; in two dimensions A = 1, B = 3.4."""
    line, square = problems.brusselator_1d(5), problems.brusselator_2d(4)
    np.testing.assert_allclose(line.field(0.0, np.tile([1.0, 3.0], 5), line.args), 0, atol=1e-12)
    rest = np.repeat([1.0, 3.4], 16)
    np.testing.assert_allclose(square.field(0.0, rest, square.args), 0, atol=1e-12)
    # and the light, from 1.1 on, falls on the points within 0.1 of (0.3, 0.6)
    square = problems.brusselator_2d(20)
    lit = np.asarray(square.field(1.1, np.repeat([1.0, 3.4], 400), square.args)).reshape(2, 20, 20)[0] > 1
    # the distances of a grid of 1/20: a disk of radius 2
    assert lit.sum() == 13 and lit[6, 12] and lit[8, 12] and lit[6, 10] and not lit[8, 13]


def test_what_is_conserved():
    rng = np.random.default_rng(2)
    p, y = problems.pollu(), rng.random(20)
    dy = dict(zip(SPECIES, np.asarray(p.field(0.0, y, p.args)), strict=True))
    # nitrogen and sulphur, counted in each species
    nitrogen = {"NO2": 1, "NO": 1, "PAN": 1, "HNO3": 1, "NO3": 1, "N2O5": 2}
    assert abs(sum(k * dy[name] for name, k in nitrogen.items())) < 1e-14 * max(abs(value) for value in dy.values())
    assert dy["SO2"] + dy["SO4"] == 0
    p, y = problems.rober(), rng.random(3)
    dy = np.asarray(p.field(0.0, y, p.args))
    assert abs(dy.sum()) < 1e-14 * np.abs(dy).max()
    p, y = problems.e5(), rng.random(4)
    dy = np.asarray(p.field(0.0, y, p.args))
    assert abs(dy[1] - dy[2] - dy[3]) < 1e-15 * np.abs(dy).max()


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="name must be one of A1, ..., A5, B1, ..., E5 of DETEST; got 'F1'"):
        problems.detest("F1")
