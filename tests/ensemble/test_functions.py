"""Elementary functions of the lanes against extended precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.core import close
from sciml_jax.ensemble import run_lanes
from sciml_jax.ensemble.rules.logarithm import log1p_in_vectors, log_in_vectors
from sciml_jax.ensemble.rules.power import power_in_vectors
from sciml_jax.ensemble.rules.sine import SINES, cos_in_vectors, sin_in_vectors

RANDOM = np.random.default_rng(1)
EPS, TINY, LARGEST = np.finfo(float).eps, np.finfo(float).tiny, np.finfo(float).max
# units in the last place by which the reference itself may be off: none where NumPy has wider numbers
OFF = 0 if np.finfo(np.longdouble).nmant >= 60 else 1

WIDE = np.exp(RANDOM.uniform(-708, 709, 20_000))
NEAR_ONE = 1 + RANDOM.uniform(-1e-6, 1e-6, 5_000)
ROOTS = np.round(RANDOM.uniform(-1e5, 1e5, 5_000)) * np.pi / 2  # of sine and cosine
ANGLES = np.concatenate([RANDOM.uniform(-s, s, 20_000) for s in (1e-6, 4.0, 1e3, 1e6, 1e15)])

POSITIVE = np.concatenate(
    [
        WIDE,
        NEAR_ONE,
        RANDOM.uniform(0.5, 2.0, 20_000),
        1 + np.arange(-60, 60) * EPS,
        np.sqrt(0.5) + np.arange(-9, 9) * 1e-16,
        [TINY, LARGEST],
    ]
)
ABOVE_MINUS_ONE = np.concatenate(
    [
        WIDE,
        -np.exp(-RANDOM.uniform(0, 708, 20_000)),
        NEAR_ONE - 1,
        np.arange(-60, 60) * EPS / 2,
        RANDOM.uniform(-1, 3, 20_000),
    ]
)


def units(got, exact, dtype=np.float64):
    """Errors in units in the last place; none where both are zero or infinite."""
    error = np.abs(np.where(got == exact, 0, got - exact))
    return error / np.spacing(np.maximum(np.abs(exact).astype(dtype), np.finfo(dtype).tiny))


@pytest.mark.parametrize(
    ("function", "exact", "numbers", "bound"),
    [
        (log_in_vectors, np.log, POSITIVE, 1),
        (log1p_in_vectors, np.log1p, ABOVE_MINUS_ONE, 3),
        (sin_in_vectors, np.sin, ANGLES, 3),
        (cos_in_vectors, np.cos, ANGLES, 3),
    ],
)
def test_errors_are_a_few_units_in_the_last_place(function, exact, numbers, bound):
    got, want = np.asarray(jax.jit(function)(numbers)), exact(numbers.astype(np.longdouble))
    # near its zeros a large angle keeps an absolute error of (2^-53)^2 |x| / 3
    rooted = 0.0 if exact in (np.log, np.log1p) else 4.1e-33 * np.abs(numbers)
    assert np.max(units(got, want) - rooted / np.spacing(np.abs(got) + TINY)) < bound + OFF


@pytest.mark.parametrize(("function", "exact"), [(sin_in_vectors, np.sin), (cos_in_vectors, np.cos)])
def test_near_the_zeros_of_sine_and_cosine(function, exact):
    error = np.abs(np.asarray(jax.jit(function)(ROOTS)) - exact(ROOTS.astype(np.longdouble)))
    # relative errors, but for values below 1e-9
    assert np.max(error / np.maximum(np.abs(exact(ROOTS)), 1e-9)) < (3 + OFF) * EPS


@pytest.mark.parametrize(("function", "exact"), [(sin_in_vectors, np.sin), (cos_in_vectors, np.cos)])
def test_sine_and_cosine_in_single_precision(function, exact):
    x = ANGLES[np.abs(ANGLES) < 8e6].astype(np.float32)
    got = jax.jit(function)(x)
    assert got.dtype == np.float32
    want = exact(x.astype(float))
    # two numbers hold pi/2 within 2^-49, of which there are 2 |x| / pi
    assert np.max(np.abs(got - want) - 6e-15 * np.abs(x) - 3 * np.spacing(np.abs(want).astype(np.float32))) <= 0


@pytest.mark.parametrize("function", [sin_in_vectors, cos_in_vectors])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sine_and_cosine_of_what_is_no_angle(function, dtype):
    above = SINES[np.dtype(dtype)].largest * 8
    got = jax.jit(function)(np.array([np.inf, -np.inf, np.nan, above, -above], dtype))
    np.testing.assert_array_equal(got, [np.nan, np.nan, np.nan, 0, 0])


@pytest.mark.parametrize("function", [sin_in_vectors, cos_in_vectors])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sine_and_cosine_stay_bounded_up_to_the_largest_angle(function, dtype):
    """Whole numbers of half turns are off by a quarter there; the polynomial holds so far."""
    largest = SINES[np.dtype(dtype)].largest
    x = (largest * RANDOM.uniform(0.25, 1.0, 50_000)).astype(dtype)
    assert np.max(np.abs(jax.jit(function)(x))) < 1 + 4 * np.finfo(dtype).eps


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (RANDOM.uniform(0, 5, 20_000), RANDOM.uniform(-8, 8, 20_000)),
        (RANDOM.uniform(0, 5, 20_000), RANDOM.integers(-20, 20, 20_000).astype(float)),
        (WIDE, RANDOM.uniform(-0.99, 0.99, 20_000)),
        (NEAR_ONE, RANDOM.uniform(-128, 128, 5_000)),
        (np.exp(RANDOM.uniform(-5.5, 5.5, 20_000)), RANDOM.uniform(-128, 128, 20_000)),
        (-RANDOM.uniform(0, 5, 20_000), RANDOM.integers(-9, 9, 20_000).astype(float)),
    ],
    ids=["exponents", "whole exponents", "wide", "near one", "large exponents", "negative"],
)
def test_powers_within_three_units_in_the_last_place(x, y):
    want = np.power(x.astype(np.longdouble), y.astype(np.longdouble))
    ordinary = (np.abs(want) > 4 * TINY) & (np.abs(want) < LARGEST / 4)
    assert np.mean(ordinary) > 0.9
    got = np.asarray(jax.jit(power_in_vectors)(x, y))
    assert np.max(units(got, want)[ordinary]) < 3 + OFF


def test_powers_of_zero_infinity_negative_and_missing_numbers():
    """As C's `pow` has them, but that zero has no sign, and that -1 has no power of infinity."""
    x, y = np.meshgrid(
        [0.0, 0.5, 1.0, 2.0, -0.5, -2.0, np.inf, -np.inf, np.nan, 1e300],
        [0.0, 1.0, -1.0, 2.0, 3.0, -3.0, 0.5, -0.5, np.inf, -np.inf, np.nan, 1e5, -1e5],
    )
    with np.errstate(all="ignore"):
        want = np.power(x, y)
    np.testing.assert_allclose(jax.jit(power_in_vectors)(x, y), want, rtol=1e-15)


def test_logarithms_of_what_is_no_positive_number():
    got = jax.jit(log_in_vectors)(np.array([0.0, -0.0, -1.0, np.inf, -np.inf, np.nan]))
    np.testing.assert_array_equal(got, [-np.inf, -np.inf, np.nan, np.inf, np.nan, np.nan])
    got = jax.jit(log1p_in_vectors)(np.array([-1.0, -2.0, np.inf, -np.inf, np.nan, 0.0]))
    np.testing.assert_array_equal(got, [-np.inf, np.nan, np.inf, np.nan, np.nan, 0.0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("many", [2, 20], ids=["apart", "in one"])
def test_rules_take_entries_of_lanes_and_of_all(many, dtype):
    """Arrays some of whose entries all lanes share, few or so many that they are evaluated in one vector."""
    x = jnp.asarray(RANDOM.uniform(0.1, 9.0, (7, many)), dtype)
    shared = jnp.asarray(RANDOM.uniform(0.1, 3.0, 3), dtype)

    def every(shared, x):
        whole = jnp.concatenate([x, shared])
        return jnp.sin(whole), jnp.cos(whole), jnp.log(whole), jnp.log1p(whole), whole ** whole[::-1], whole**2.5

    want = jax.vmap(every, (None, 0))(shared, x)
    for got, exact in zip(run_lanes(close(every, shared, x[0]), shared, x), want, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, exact, rtol=8 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)


def solution(field, y0, exponents, **options):
    options = {"in_axes": (None, 0), "rtol": 1e-9, "atol": 1e-12, "backend": "lanes", "chunk": 4} | options
    return sj.solve_ensemble(field, (0.0, 1.0), y0, exponents, **options).y


def gompertz(t, y, a):
    """y = exp(log(y0) exp(-a t))."""
    return -a * y * jnp.log(y)


def turning(t, y, a):
    """y = y0 + sin(a t) / a + (1 - cos(2 t)) / 2, whose angles are those of the time."""
    return jnp.cos(a * t) + jnp.sin(2 * t)


def decaying(t, y, a):
    """1/y^a = 1/y0^a + a t."""
    return -(y ** (1 + a))


@pytest.mark.parametrize(
    ("field", "exact"),
    [
        (gompertz, lambda y0, a: jnp.exp(jnp.log(y0) * jnp.exp(-a))),
        (turning, lambda y0, a: y0 + jnp.sin(a) / a + (1 - jnp.cos(2.0)) / 2),
        (decaying, lambda y0, a: (y0**-a + a) ** (-1 / a)),
    ],
)
def test_fields_with_elementary_functions_and_their_derivatives(field, exact):
    rates, y0 = jnp.linspace(0.5, 2.0, 9), 0.1
    slope = jax.vmap(jax.grad(exact, 1), (None, 0))(y0, rates)
    # some 40 steps of a relative error of 1e-9; derivatives with respect to the rate are as large as the values
    np.testing.assert_allclose(solution(field, y0, rates), exact(y0, rates), rtol=5e-8)
    np.testing.assert_allclose(jax.grad(lambda r: solution(field, y0, r).sum())(rates), slope, rtol=1e-7)
    forward = jax.jvp(lambda r: solution(field, y0, r, gradient=sj.Forward()), (rates,), (jnp.ones(9),))[1]
    np.testing.assert_allclose(forward, slope, rtol=1e-7)
