"""`solve_cde` and `log_ode`: exact solutions, invariance, orders, gradients, batches, and what is refused."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import sciml_jax as sj

RANDOM = np.random.default_rng(3)
TS = 0.25 * np.arange(9) + RANDOM.uniform(0.0, 0.15, 9)
XS = 0.4 * RANDOM.normal(size=(9, 2))
Y0 = np.array([0.3, -0.5])
TIGHT = {"rtol": 1e-10, "atol": 1e-12}
KINDS = {
    "LinearPath": sj.LinearPath,
    "CubicPath": sj.CubicPath,
    "HermitePath": sj.HermitePath,
    "RectilinearPath": sj.RectilinearPath,
}


def field(t, y, args):
    """Two columns that do not commute."""
    return jnp.stack([jnp.sin(args[0] * y[::-1]), jnp.cos(y) + args[1]], axis=1)


ARGS = (1.3, 0.2)


def three(t, y, args):
    """The same for paths with time in front."""
    return jnp.concatenate([0.1 * y[:, None], field(t, y, args)], axis=1)


@cache
def control(name: str) -> sj.Control:
    return KINDS[name](TS, XS)


def fitting(name: str):
    return three if name == "RectilinearPath" else field


@pytest.mark.parametrize("name", ["LinearPath", "CubicPath", "HermitePath"])
def test_the_exponential_of_a_path(name):
    """dy = y dX: y = exp(X(t) - X(0)), at times between knots too. Tolerance: a hundred steps of 1e-10 each."""
    path = sj.LinearPath(TS, XS[:, :1]) if name == "LinearPath" else KINDS[name](TS, XS[:, :1])
    times = np.linspace(TS[0], TS[-1], 7)
    stops = {} if name != "HermitePath" else {"step_to": TS}  # its second derivative jumps, and Tsit5 would see that
    sol = sj.solve_cde(lambda t, y, args: y[:, None], path, (TS[0], TS[-1]), np.ones(1), save=times, **stops, **TIGHT)
    np.testing.assert_allclose(sol.y, np.exp(path(times) - path(TS[0])), rtol=1e-8)


MATRIX = np.array([[0.1, 0.4, 0.0], [-0.3, 0.2, 0.1], [0.0, 0.5, -0.2]])
POWERS = np.stack([MATRIX, MATRIX @ MATRIX, 0.5 * MATRIX - MATRIX @ MATRIX])


def commuting(t, y, args):
    return jnp.einsum("kij,j->ik", POWERS, y)


@pytest.mark.parametrize("options", [TIGHT, {"knot_steps": 20}], ids=["adaptive", "knots"])
def test_commuting_matrices(options):
    """dy = sum_i A_i y dX^i with A_i of one matrix: the exponential of the increments, along any path."""
    xs = np.c_[TS, XS]
    for path in (sj.LinearPath(TS, xs), sj.HermitePath(TS, xs), sj.RectilinearPath(TS, XS)):
        y = sj.solve_cde(commuting, path, None, np.ones(3), **options).y
        rise = xs[-1] - xs[0]
        np.testing.assert_allclose(y, expm(np.einsum("kij,k->ij", POWERS, rise)) @ np.ones(3), rtol=1e-7)


def warped(t):
    return 0.3 + t**2 + 0.2 * np.sin(3 * t)


def test_the_speed_along_a_path_does_not_matter():
    slow = sj.LinearPath(warped(TS), XS)
    one = sj.solve_cde(field, control("LinearPath"), None, Y0, ARGS, **TIGHT)
    two = sj.solve_cde(field, slow, None, Y0, ARGS, **TIGHT)
    np.testing.assert_allclose(one.y, two.y, rtol=0, atol=1e-9)
    ends = [sj.solve_cde(field, p, None, Y0, ARGS, knot_steps=3).y for p in (control("LinearPath"), slow)]
    np.testing.assert_array_equal(*ends)  # steps do not see times at all


class Loop(sj.Control):
    """A path of one's own, in public names: a circle, gone through at any speed."""

    ts: jax.Array
    power: float = eqx.field(static=True)
    regular = False
    causal = causal_at_knots = smooth = True
    channels = 2

    def piece(self, k, share):
        t = self.time(k, share)
        angle = 2 * t**self.power
        return jnp.stack([jnp.cos(angle), jnp.sin(angle)])

    def piece_slope(self, k, share):
        return jax.jacfwd(lambda s: self.piece(k, s))(share)


def test_a_path_of_ones_own_at_several_speeds():
    ends = []
    for power in (1.0, 3.0):
        loop = Loop(jnp.linspace(0.0, 1.5 ** (1 / power), 5), power)
        adaptive = sj.solve_cde(field, loop, None, Y0, ARGS, **TIGHT).y
        np.testing.assert_allclose(sj.solve_cde(field, loop, None, Y0, ARGS, knot_steps=50).y, adaptive, atol=1e-7)
        ends.append(adaptive)
    np.testing.assert_allclose(*ends, rtol=0, atol=1e-8)


@cache
def tight(name: str) -> np.ndarray:
    path = control(name)
    return np.asarray(sj.solve_cde(fitting(name), path, None, Y0, ARGS, rtol=1e-12, atol=1e-13, step_to=path.ts).y)


ORDERS = [*((name, sj.RK4(), 8, 4) for name in KINDS), ("CubicPath", sj.Heun(), 32, 2)]


@pytest.mark.parametrize("name, method, n, order", ORDERS)
def test_steps_from_knot_to_knot_have_the_order_of_their_method(name, method, n, order):
    run = lambda n: sj.solve_cde(fitting(name), control(name), None, Y0, ARGS, knot_steps=n, method=method).y
    errors = [float(np.abs(run(n) - tight(name)).max()) for n in (n, 2 * n)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)


def test_implicit_steps_from_knot_to_knot():
    stiff = lambda t, y, args: jnp.stack([-200.0 * (y - 1), jnp.cos(y)], axis=1)
    path = sj.LinearPath(TS, np.c_[TS, XS[:, 0]])
    y = sj.solve_cde(stiff, path, None, Y0, knot_steps=20, method=sj.Rodas5P()).y
    want = sj.solve_cde(stiff, path, None, Y0, method=sj.Rodas5P(), rtol=1e-9, atol=1e-11).y
    np.testing.assert_allclose(y, want, rtol=1e-5)


def test_adaptive_steps_stop_at_knots_where_the_derivative_jumps():
    """The same tolerance: with the knots hardly any step is rejected, and the error is that of a smooth problem."""
    path = control("LinearPath")
    seen = sj.solve_cde(field, path, None, Y0, ARGS, rtol=1e-8, atol=1e-8, save=sj.Steps(512))
    blind = sj.solve_cde(field, path, None, Y0, ARGS, rtol=1e-8, atol=1e-8, step_to=[])
    assert set(np.asarray(path.ts).tolist()) <= set(np.asarray(seen.t).tolist())
    assert np.abs(seen.y[-1] - tight("LinearPath")).max() < 1e-6
    assert int(seen.stats["rejected"]) < 9 < int(blind.stats["rejected"])


def test_states_that_are_pytrees_and_saved_steps():
    both = lambda t, y, args: {"a": field(t, y["a"], args), "b": jnp.ones((1, 1, 2)) * y["a"][0]}
    y0 = {"a": Y0, "b": np.zeros((1, 1))}
    path = control("CubicPath")
    adaptive = sj.solve_cde(both, path, None, y0, ARGS, save=path.ts, **TIGHT)
    assert adaptive.y["b"].shape == (9, 1, 1)
    steps = sj.solve_cde(both, path, None, y0, ARGS, save=sj.Steps(), knot_steps=16)
    np.testing.assert_allclose(steps.t[::16][:9], TS, rtol=1e-14)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[::16][:9], b, atol=2e-5), steps.y, adaptive.y)
    end = sj.solve_cde(both, path, None, y0, ARGS, knot_steps=16)
    assert float(end.t) == TS[-1] and int(end.stats["field_evaluations"]) == 128 * 5
    back = sj.solve_cde(field, path, (TS[-1], TS[0]), adaptive.y["a"][-1], ARGS, **TIGHT)
    np.testing.assert_allclose(back.y, Y0, atol=1e-7)


KNOTS, STEPS = {"knot_steps": 2}, {"rtol": 1e-11, "atol": 1e-12, "max_steps": 2048}
GRADIENTS = [*((name, KNOTS) for name in KINDS), ("LinearPath", STEPS), ("RectilinearPath", STEPS)]


@pytest.mark.parametrize("name, options", GRADIENTS)
def test_gradients(name, options):
    """To times, observations, state and arguments, against central differences: h^2 f''' / 6 and rounding over h are
    about 1e-9 with equal steps (h = 1e-5). Adaptive steps of neighbours differ, and ends by 1e-9: 1e-5 over 1e-4."""

    def loss(ts, xs, y0, args):
        return jnp.sum(sj.solve_cde(fitting(name), KINDS[name](ts, xs), None, y0, args, **options).y ** 2)

    point = (TS, XS, Y0, np.array(ARGS))
    value, gradient = jax.jit(loss), jax.jit(jax.grad(loss, (0, 1, 2, 3)))
    found = gradient(*point)
    h, tolerance = (1e-5, 1e-7) if "knot_steps" in options else (1e-4, 5e-5)
    for i, place in [(0, 4), (0, 8), (1, (0, 1)), (1, (5, 0)), (2, 1), (3, 0)]:
        e = np.zeros_like(point[i])
        e[place] = h
        moved = [value(*(x + s * e if j == i else x for j, x in enumerate(point))) for s in (1, -1)]
        want = float(moved[0] - moved[1]) / (2 * h)
        assert float(found[i][place]) == pytest.approx(want, rel=tolerance, abs=tolerance), (i, place)


@pytest.mark.parametrize("options", [{"rtol": 1e-6, "max_steps": 512}, {"knot_steps": 1}], ids=["adaptive", "knots"])
def test_a_batch_is_a_loop(options):
    batch = np.stack([XS, 2 * XS, np.where(RANDOM.uniform(size=XS.shape) < 0.3, np.nan, XS)])
    times = np.stack([TS, 2 * TS, TS + 0.1])
    solve = lambda ts, xs: sj.solve_cde(field, sj.LinearPath(ts, xs), None, Y0, ARGS, **options).y
    many, one = jax.jit(jax.vmap(solve))(times, batch), jax.jit(solve)
    for i in range(3):
        np.testing.assert_allclose(many[i], one(times[i], batch[i]), rtol=1e-12)
    eager = sj.solve_cde(field, sj.LinearPath(times[1], batch[1]), None, Y0, ARGS, **options).y
    np.testing.assert_allclose(eager, many[1], rtol=1e-12)


def test_a_new_path_does_not_compile_again():
    traced = []

    def watched(t, y, args):
        traced.append(1)
        return field(t, y, args)

    counts = []
    for k in (1.0, 2.0, 3.0):
        sj.solve_cde(watched, sj.LinearPath(TS, k * XS), (TS[0], TS[-1]), Y0, ARGS)
        counts.append(len(traced))
    assert counts[0] == counts[1] == counts[2] > 0


def test_predictions_online_do_not_change():
    """On a rectilinear path the states up to now are the same when more observations come."""
    later = np.where(np.arange(9)[:, None] > 4, 9.0, XS)
    until = np.linspace(0.0, 9.0, 10)
    runs = [
        sj.solve_cde(three, sj.RectilinearPath(TS, xs), (0.0, 9.0), Y0, ARGS, save=until, **TIGHT) for xs in (XS, later)
    ]
    np.testing.assert_array_equal(runs[0].y, runs[1].y)


@pytest.mark.parametrize("name", ["LinearPath", "RectilinearPath"])
def test_constant_steps_between_two_knots_and_back(name):
    """Every stage is on the piece that its step is on, also where a solve begins and ends at knots: order 4."""
    path = control(name)
    t0, t1 = float(path.ts[1]), float(path.ts[5])

    def run(n, method=None, **options):
        there = sj.solve_cde(fitting(name), path, (t0, t1), Y0, ARGS, method=method, **options)
        return there.y, sj.solve_cde(fitting(name), path, (t1, t0), there.y, ARGS, method=method, **options).y

    want, start = run(0, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(start, Y0, rtol=1e-9)
    errors = []
    for n in (64, 128):
        there, back = run(n, sj.RK4(), dt=(t1 - t0) / n)
        errors.append([np.abs(there - want).max(), np.abs(back - Y0).max()])
    orders = np.log2(np.array(errors[0]) / errors[1])
    assert np.all(orders > 3.7), orders  # steps are cut at knots: an order may be found one too high


FINE = np.linspace(0.0, 1.0, 257)
CURVE = np.stack([np.cos(5 * FINE), np.sin(4 * FINE), FINE**2], axis=1)
LONG = sj.LinearPath(FINE, CURVE)
PITCH = np.array([[0.5, -1.0], [1.0, 0.7], [0.4, 0.3]])


def sheared(t, y, args):
    return jnp.stack([jnp.sin(y[::-1]), jnp.cos(2 * y), PITCH[2] * y[0]], axis=1)


@pytest.mark.parametrize("depth, order", [(1, 2), (2, 4), (3, 4)])
def test_orders_of_the_log_ode_method_in_the_length_of_a_window(depth, order):
    """Along a smooth curve, as of the Magnus expansion: terms of depth 2 are of order h^3 in a window, those of depth
    3 and 4 both of order h^5, so that depth 3 helps, but not the order."""
    want = sj.solve_cde(sheared, LONG, None, Y0, knot_steps=2).y
    run = lambda window: sj.log_ode(sheared, LONG, Y0, window=window, depth=depth, knot_steps=6).y
    errors = [float(np.abs(run(w) - want).max()) for w in (32, 16)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_order_of_the_log_ode_method_in_the_size_of_increments(depth):
    """One window of a rough path: what is left out are integrals of depth + 1 increments."""
    rough, ts = np.random.default_rng(8).normal(size=(12, 3)), np.arange(12.0)

    def error(size):
        path = sj.LinearPath(ts, size * rough)
        want = sj.solve_cde(sheared, path, None, Y0, knot_steps=2, method=sj.Tsit5()).y
        one = sj.log_ode(sheared, path, Y0, window=11, depth=depth, knot_steps=4, method=sj.Tsit5())
        return float(np.abs(one.y - want).max())

    assert np.log2(error(0.02) / error(0.01)) == pytest.approx(depth + 1, abs=0.2)


def test_the_log_ode_method_at_depth_one_knows_increments_alone():
    coarse = sj.LinearPath(FINE[::16], CURVE[::16])
    found = sj.log_ode(sheared, LONG, Y0, window=16, depth=1, knot_steps=3, save=sj.Steps())
    want = sj.solve_cde(sheared, coarse, None, Y0, knot_steps=3, save=sj.Steps())
    np.testing.assert_allclose(found.y, want.y, rtol=1e-11)
    np.testing.assert_allclose(found.t, want.t, rtol=1e-12)


def test_the_log_ode_method_is_exact_for_commuting_fields_and_last_windows_may_be_short():
    rise = CURVE[-1] - CURVE[0]
    want = expm(np.einsum("kij,k->ij", POWERS, rise)) @ np.ones(3)
    for options in ({"knot_steps": 8}, {"knot_steps": None, **TIGHT}):
        found = sj.log_ode(commuting, LONG, np.ones(3), window=100, depth=2, **options)
        np.testing.assert_allclose(found.y, want, rtol=1e-5 if "rtol" not in options else 1e-8)


def test_gradients_and_batches_of_the_log_ode_method():
    def loss(xs, y0):
        return jnp.sum(sj.log_ode(field, sj.LinearPath(TS, xs), y0, ARGS, window=3, depth=2).y ** 2)

    value, h = jax.jit(loss), 1e-5
    found = jax.jit(jax.grad(loss, (0, 1)))(XS, Y0)
    e, f = np.zeros_like(XS), np.array([0.0, h])
    e[4, 1] = h
    wanted = (
        float(value(XS + e, Y0) - value(XS - e, Y0)) / (2 * h),
        float(value(XS, Y0 + f) - value(XS, Y0 - f)) / (2 * h),
    )
    assert (float(found[0][4, 1]), float(found[1][1])) == pytest.approx(wanted, rel=1e-7, abs=1e-8)
    many = jax.jit(jax.vmap(loss, (0, None)))(np.stack([XS, 2 * XS]), Y0)
    np.testing.assert_allclose(many, [value(XS, Y0), value(2 * XS, Y0)], rtol=1e-12)


@pytest.mark.float32
def test_single_precision():
    ts, xs, y0 = (np.asarray(x, np.float32) for x in (TS, XS, Y0))
    for options in ({}, {"knot_steps": 2}):
        sol = sj.solve_cde(field, sj.LinearPath(ts, xs), None, y0, ARGS, **options)
        assert sol.y.dtype == sol.t.dtype == np.float32
        np.testing.assert_allclose(sol.y, tight("LinearPath") if jax.config.jax_enable_x64 else sol.y, atol=0.05)


LINE = sj.LinearPath(TS, XS)
BAD = {
    "steps": (lambda: sj.solve_cde(field, sj.StepPath(TS, XS), None, Y0, ARGS), TypeError, "jumps have no derivative"),
    "no path": (lambda: sj.solve_cde(field, XS, None, Y0, ARGS), TypeError, r"control must be a path such as sj.Cubic"),
    "no channels": (
        lambda: sj.solve_cde(field, sj.LinearPath(TS, XS[:, 0]), None, Y0, ARGS),
        ValueError,
        r"control must have the shape \(channels,\) at a time; it has \(\)",
    ),
    "a batch": (
        lambda: sj.solve_cde(field, jax.vmap(lambda x: sj.LinearPath(TS, x))(np.stack([XS, XS])), None, Y0, ARGS),
        ValueError,
        "this is a batch of paths",
    ),
    "a derivative": (
        lambda: sj.solve_cde(lambda t, y, args: y, LINE, None, Y0),
        ValueError,
        r"\(\*y.shape, channels\), \(2, 2\) for the 2 channels of control; it returned \(2,\): it is F alone",
    ),
    "channels": (lambda: sj.solve_cde(three, LINE, None, Y0, ARGS), ValueError, r"\(2, 2\) for .*returned \(2, 3\)"),
    "a list": (lambda: sj.solve_cde(lambda t, y, a: [y], LINE, None, Y0), TypeError, "field must return a pytree like"),
    "no function": (lambda: sj.solve_cde(1.0, LINE, None, Y0), TypeError, "field must be a function"),
    "aux": (lambda: sj.solve_cde(field, LINE, None, Y0, ARGS, has_aux=True), TypeError, "takes no has_aux"),
    "knots and dt": (
        lambda: sj.solve_cde(field, LINE, None, Y0, ARGS, knot_steps=1, dt=0.1),
        ValueError,
        "knot_steps= says what the steps are; give no dt=",
    ),
    "knots and times": (
        lambda: sj.solve_cde(field, LINE, None, Y0, ARGS, knot_steps=1, save=[0.5]),
        ValueError,
        "save is None or sj.Steps",
    ),
    "knots and a part": (
        lambda: sj.solve_cde(field, LINE, (0.5, 1.0), Y0, ARGS, knot_steps=1),
        ValueError,
        r"from the first knot to the last, .*; got t_span \(0.5, 1\): give None",
    ),
    "knots and events": (
        lambda: sj.solve_cde(field, LINE, None, Y0, ARGS, knot_steps=1, events=sj.Event(lambda t, y, a: y[0])),
        ValueError,
        "takes no events",
    ),
    "knots and a multistep method": (
        lambda: sj.solve_cde(field, LINE, None, Y0, ARGS, knot_steps=1, method=sj.BDF()),
        TypeError,
        "knot_steps= is for one-step methods",
    ),
    "no knots": (lambda: sj.solve_cde(field, LINE, None, Y0, ARGS, knot_steps=0), ValueError, "knot_steps must be a"),
    "log-ODE": (
        lambda: sj.log_ode(field, control("CubicPath"), Y0, ARGS, window=2),
        TypeError,
        "takes a sj.LinearPath",
    ),
    "window": (lambda: sj.log_ode(field, LINE, Y0, ARGS, window=0), ValueError, "window must be a positive int"),
    "depth": (lambda: sj.log_ode(field, LINE, Y0, ARGS, window=2, depth=0), ValueError, "depth must be a positive int"),
}


@pytest.mark.parametrize("case", BAD)
def test_messages(case):
    run, error, message = BAD[case]
    with pytest.raises(error, match=message):
        run()


def test_a_channel_without_observations_ends_a_traced_solve():
    sol = jax.jit(lambda xs: sj.solve_cde(field, sj.LinearPath(TS, xs), None, Y0, ARGS, throw=False))(XS * np.nan)
    assert sol.result == sj.RESULT.non_finite


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_a_span_that_ends_at_a_knot_at_time_zero(end):
    """dy = dX over the rising piece alone, of a path that falls steeply after it."""
    path = sj.LinearPath(jnp.array([-2.0, -1.0, 0.0, 1.0]) + end, jnp.array([[0.0], [1.0], [3.0], [-50.0]]))
    sol = sj.solve_cde(lambda t, y, args: jnp.ones((1, 1)), path, (end - 1.0, end), jnp.zeros(1))
    np.testing.assert_allclose(sol.y, 2.0, rtol=1e-12)
    assert int(sol.stats["rejected"]) == 0
