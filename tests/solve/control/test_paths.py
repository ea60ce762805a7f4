"""Paths through observations: against SciPy's interpolants, missing values, causality, batches, gradients, messages."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline, CubicSpline

import sciml_jax as sj

RANDOM = np.random.default_rng(0)
TS = 0.45 * np.arange(12) + RANDOM.uniform(0.0, 0.25, 12)
XS = RANDOM.normal(size=(12, 3))
GAPS = XS.copy()
GAPS[3:5, 1] = GAPS[0, 2] = GAPS[-2:, 2] = GAPS[1::2, 0] = np.nan
INSIDE = np.linspace(TS[0], TS[-1], 101)
PATHS = {
    "LinearPath": sj.LinearPath,
    "linear, forward": lambda ts, xs: sj.LinearPath(ts, xs, fill="forward"),
    "CubicPath": sj.CubicPath,
    "HermitePath": sj.HermitePath,
    "hermite, forward": lambda ts, xs: sj.HermitePath(ts, xs, fill="forward"),
    "StepPath": sj.StepPath,
    "RectilinearPath": sj.RectilinearPath,
}


@cache
def path(name: str, gaps: bool = False) -> sj.Control:
    return PATHS[name](TS, GAPS if gaps else XS)


def seen(channel: int) -> tuple[np.ndarray, np.ndarray]:
    """The observations of one channel of GAPS, its ends filled with the nearest one."""
    x = GAPS[:, channel].copy()
    there = np.flatnonzero(~np.isnan(x))
    x[0], x[-1] = x[there[0]], x[there[-1]]
    keep = ~np.isnan(x)
    return TS[keep], x[keep]


def backward(ts, x):
    slopes = np.diff(x) / np.diff(ts)
    return np.concatenate([slopes[:1], slopes])


SCIPY = {
    "CubicPath": lambda ts, x: CubicSpline(ts, x, bc_type="natural"),
    "HermitePath": lambda ts, x: CubicHermiteSpline(ts, x, backward(ts, x)),
}


@pytest.mark.parametrize("name", SCIPY)
@pytest.mark.parametrize("gaps", [False, True])
def test_cubic_pieces_are_those_of_scipy(name, gaps):
    """Rounding alone, of values of order 1 with gaps of 0.2 and more between times."""
    p = path(name, gaps)
    for c in range(3):
        other = SCIPY[name](*(seen(c) if gaps else (TS, XS[:, c])))
        np.testing.assert_allclose(p(INSIDE)[:, c], other(INSIDE), rtol=0, atol=1e-13)
        np.testing.assert_allclose(p.derivative(INSIDE)[:, c], other(INSIDE, 1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("gaps", [False, True])
def test_lines_are_those_of_numpy(gaps):
    p = path("LinearPath", gaps)
    for c in range(3):
        want = np.interp(INSIDE, *(seen(c) if gaps else (TS, XS[:, c])))
        np.testing.assert_allclose(p(INSIDE)[:, c], want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["CubicPath", "HermitePath", "LinearPath"])
def test_observations_are_met_and_derivatives_are_those_of_values(name):
    p = path(name, True)
    there = ~np.isnan(GAPS)
    np.testing.assert_allclose(p(TS)[there], GAPS[there], rtol=0, atol=1e-13)
    middle = 0.5 * (TS[1:] + TS[:-1])
    slope = jax.jit(jax.vmap(jax.jacfwd(lambda t: p(t))))(jnp.asarray(middle))
    np.testing.assert_allclose(p.derivative(middle), slope, rtol=1e-11, atol=1e-11)


def test_a_natural_spline_is_twice_differentiable_and_ends_without_curvature():
    p = path("CubicPath")
    second = jax.jit(jax.vmap(jax.jacfwd(p.derivative)))
    h = 1e-9  # in which the second derivative moves by h times the third, and the first by h times the second
    left, right = second(jnp.asarray(TS[1:-1] - h)), second(jnp.asarray(TS[1:-1] + h))
    scale = np.abs(left).max()
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-6 * scale)
    ends = second(jnp.asarray([TS[0], TS[-1]]))
    np.testing.assert_allclose(ends, 0.0, atol=1e-11 * scale)
    for q in (p, path("HermitePath")):
        np.testing.assert_allclose(q.derivative(TS[1:-1] - h), q.derivative(TS[1:-1]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["LinearPath", "StepPath"])
def test_knots_belong_to_the_piece_on_their_right(name):
    p = path(name)
    before = np.nextafter(TS[1:-1], -np.inf)
    if name == "LinearPath":
        slopes = np.diff(XS, axis=0) / np.diff(TS)[:, None]
        np.testing.assert_allclose(p.derivative(TS[1:-1]), slopes[1:], rtol=1e-12)
        np.testing.assert_allclose(p.derivative(before), slopes[:-1], rtol=1e-12)
    else:
        np.testing.assert_array_equal(p(TS), XS)
        np.testing.assert_array_equal(p(before), XS[:-2])
        np.testing.assert_array_equal(p.derivative(TS), 0.0)


def test_end_pieces_go_on():
    p = path("LinearPath")
    slope = (XS[1] - XS[0]) / (TS[1] - TS[0])
    np.testing.assert_allclose(p(TS[0] - 1.0), XS[0] - slope, rtol=1e-12)
    cubic, other = path("CubicPath"), CubicSpline(TS, XS, bc_type="natural")
    np.testing.assert_allclose(cubic(TS[-1] + 0.1), other(TS[-1] + 0.1), rtol=1e-9)
    np.testing.assert_array_equal(path("StepPath")(np.array([-9.0, 99.0])), XS[[0, -1]])


def test_missing_values_of_steps_are_the_last_ones():
    held = GAPS.copy()
    for c in range(3):
        for k in range(1, 12):
            held[k, c] = held[k - 1, c] if np.isnan(held[k, c]) else held[k, c]
    held[0, 2] = GAPS[1, 2]
    np.testing.assert_array_equal(path("StepPath", True)(TS), held)
    np.testing.assert_array_equal(path("linear, forward", True)(TS), held)


def test_a_rectilinear_path_goes_along_time_first():
    p = path("RectilinearPath")
    assert p.channels == 4 and p.pieces == 22 and p.ts.tolist() == list(range(23))
    np.testing.assert_allclose(p(2 * np.arange(12)), np.c_[TS, XS], rtol=1e-14)
    np.testing.assert_allclose(p(2 * np.arange(11) + 1), np.c_[TS[1:], XS[:-1]], rtol=1e-14)
    np.testing.assert_allclose(p.parameter(TS), 2 * np.arange(12))
    middle = 0.5 * (TS[3] + TS[4])
    assert float(p.parameter(middle)) == pytest.approx(6.5)
    assert float(p(p.parameter(middle))[0]) == pytest.approx(middle, rel=1e-14)
    assert p.parameter(np.array([-1.0, 99.0])).tolist() == [0.0, 22.0]


def test_causal_paths_do_not_know_what_comes():
    """Other observations after the sixth time leave a path as it was up to it, if it says so."""
    other = np.where(np.arange(12)[:, None] > 5, -GAPS, GAPS)
    other[6:, 1] = 7.0
    for name, make in PATHS.items():
        p, q = make(TS, GAPS), make(TS, other)
        if name == "RectilinearPath":
            until = between = np.linspace(0.0, 11.0, 50)  # at 11 the time of the seventh is reached, not its value
        else:
            until, between = np.linspace(TS[0], TS[5], 50), np.linspace(TS[0], TS[6] - 1e-9, 50)
        at_knots = bool(np.allclose(p(until), q(until), rtol=0, atol=1e-12))
        always = bool(np.allclose(p(between), q(between), rtol=0, atol=1e-12))
        assert (always, at_knots) == (p.causal, p.causal_at_knots), name


@jax.jit
def located(p, many):
    return jax.vmap(p.locate)(many)


@pytest.mark.parametrize("name, n", [("LinearPath", 2), ("StepPath", 50), ("LinearPath", 400), ("StepPath", 400)])
def test_pieces_are_found_by_comparing_by_search_and_by_arithmetic(name, n):
    ts = np.linspace(0.3, 1.7, n)
    xs = np.random.default_rng(n).normal(size=(n, 1))
    many = np.concatenate([ts, np.nextafter(ts, -9.0), np.nextafter(ts, 9.0), [-1.0, 5.0]])
    make = getattr(sj, name)
    p, q = make(ts, xs), make(ts, xs, regular=True)
    want = np.clip(np.searchsorted(ts, many, side="right") - 1, 0, n - 2)
    np.testing.assert_array_equal(located(p, many), want)
    np.testing.assert_array_equal(located(q, many), want)
    np.testing.assert_array_equal(p(many), q(many))


@pytest.mark.parametrize("name", PATHS)
def test_a_batch_of_paths_is_a_loop(name):
    batch = np.stack([GAPS, XS, 2 * GAPS])
    times = np.stack([TS, TS + 0.1, 2 * TS])
    make = PATHS[name]
    t = jnp.asarray(1.3)
    for paths, at in (
        (jax.vmap(lambda xs: make(TS, xs))(batch), lambda i: make(TS, batch[i])),
        (jax.jit(jax.vmap(make))(times, batch), lambda i: make(times[i], batch[i])),
    ):
        values, slopes = jax.vmap(lambda p: (p(t), p.derivative(t)))(paths)
        rises = jax.vmap(lambda p: p.increment(t, 2 * t))(paths)
        for i in range(3):
            np.testing.assert_allclose(values[i], at(i)(t), rtol=1e-10, atol=1e-12)
            np.testing.assert_allclose(slopes[i], at(i).derivative(t), rtol=1e-9, atol=1e-10)
            np.testing.assert_allclose(rises[i], at(i)(2 * t) - at(i)(t), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", PATHS)
def test_gradients_reach_times_and_observations(name):
    """Against central differences: h^2 f''' / 6 of close times (h = 1e-6) and rounding over h are below 1e-6 of it."""
    span = np.linspace(0.7, 3.3, 9)
    there = ~np.isnan(GAPS)

    @jax.jit
    def loss(ts, values):
        p = PATHS[name](ts, jnp.full(GAPS.shape, jnp.nan).at[there].set(values))
        return jnp.sum(jnp.sin(p(span)) + 0.1 * jnp.sin(p.derivative(span)))

    by_times, by_values = jax.jit(jax.grad(loss, (0, 1)))(TS, GAPS[there])
    h = 1e-6
    for found, point, other in (
        (by_times, TS, lambda x: (x, GAPS[there])),
        (by_values, GAPS[there], lambda x: (TS, x)),
    ):
        rows = np.eye(len(point)) * h
        wanted = [float(loss(*other(point + r)) - loss(*other(point - r))) / (2 * h) for r in rows]
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6 * max(1.0, np.abs(wanted).max()))


def test_inputs_of_other_shapes():
    scalar = sj.LinearPath([0.0, 1.0, 2.0], [1.0, np.nan, 3.0])
    assert float(scalar(0.5)) == 1.5 and scalar(np.zeros((2, 3))).shape == (2, 3)
    field = sj.CubicPath([0, 1, 2], np.arange(12.0).reshape(3, 2, 2))
    np.testing.assert_allclose(field(0.5), 2.0 + np.arange(4.0).reshape(2, 2), rtol=1e-14)
    one = sj.CubicPath([0.0, 1.0, 2.0], [[np.nan], [4.0], [np.nan]])
    np.testing.assert_allclose(one(np.array([0.0, 0.7, 2.0])), 4.0)


@pytest.mark.float32
def test_single_precision():
    ts, xs = TS.astype(np.float32), GAPS.astype(np.float32)
    for make in PATHS.values():
        p = make(ts, xs)
        t = jnp.asarray(1.3, jnp.float32)
        assert p(t).dtype == p.derivative(t).dtype == np.float32
        assert bool(jnp.all(jnp.isfinite(p(t))))


BAD = {
    "falling": (sj.LinearPath, ([0.0, 2.0, 1.0], XS[:3]), ValueError, r"ts of sj.LinearPath must increase, .*ts\[1\]"),
    "twice": (
        sj.CubicPath,
        ([0.0, 1.0, 1.0], XS[:3]),
        ValueError,
        r"time once; got ts\[1\] = 1.0, ts\[2\] = 1.0",
    ),
    "NaN time": (sj.StepPath, ([0.0, np.nan, 1.0], XS[:3]), ValueError, "ts of sj.StepPath must be finite; got nan"),
    "one time": (sj.HermitePath, ([0.0], XS[:1]), ValueError, r"must have shape \(n,\), two observations or more; got"),
    "a batch of times": (sj.LinearPath, (np.ones((2, 3)), XS), ValueError, r"one path: use jax.vmap for a batch; got"),
    "a batch": (sj.LinearPath, (TS, XS[None]), ValueError, r"n = 12; got \(1, 12, 3\): one path; use jax.vmap"),
    "lengths": (sj.CubicPath, (TS, XS[:5]), ValueError, r"must have shape \(n, ...\) with n = 12; got \(5, 3\)"),
    "no axis": (sj.RectilinearPath, (TS, XS[:, 0]), ValueError, r"give one channel an axis, xs\[:, None\]"),
    "empty": (
        sj.CubicPath,
        (TS, np.c_[XS, np.full(12, np.nan)]),
        ValueError,
        "no observation in channel 3: all are",
    ),
    "complex": (sj.CubicPath, (TS, XS + 1j), TypeError, "xs must be real numbers; got complex128: give real and"),
}


@pytest.mark.parametrize("case", BAD)
def test_messages(case):
    make, arguments, error, message = BAD[case]
    with pytest.raises(error, match=message):
        make(*arguments)


def test_messages_of_options():
    with pytest.raises(ValueError, match="fill is .linear. or .forward.; got 'back'"):
        sj.LinearPath(TS, XS, fill="back")
    with pytest.raises(ValueError, match='fill is None or "forward"'):
        sj.HermitePath(TS, XS, fill="linear")
    with pytest.raises(ValueError, match="regular=True says that ts of sj.CubicPath are equally spaced, but one is"):
        sj.CubicPath(TS, XS, regular=True)
    batch = jax.vmap(lambda xs: sj.LinearPath(TS, xs))(np.stack([XS, XS]))
    with pytest.raises(ValueError, match=r"this is a batch of paths, ts of shape \(2, 12\): map over it"):
        batch(1.0)
