"""ETDRK2 and ETDRK4: orders, exactness, estimates, kept functions, gradients, messages."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import sciml_jax as sj
from sciml_jax.solve.exponential.propagators import nothing_kept, propagators, refreshed

from ..problems import differences, tight

ORDERS = {"ETDRK2": (sj.ETDRK2(), 2), "ETDRK4": (sj.ETDRK4(), 4)}
METHODS = pytest.mark.parametrize(("method", "order"), ORDERS.values(), ids=ORDERS)
# an oscillation and two decays, coupled
MATRIX = np.array([[-1.0, 2.0, 0.0], [-2.0, -1.0, 0.5], [0.1, 0.0, -3.0]])
Y0 = np.array([0.5, 0.3, 0.8])


def coupled(t, y, args):
    """A nonlinear part with explicit time; NumPy or JAX."""
    np_or_jnp = np if isinstance(y, np.ndarray) else jnp
    s, c = np_or_jnp.sin(y[1]) * y[0] + np.cos(1.0), np_or_jnp.cos(2 * t)
    return np_or_jnp.stack([s, y[0] * y[2] - args * y[1] ** 2, c * y[1]])


def slope(sizes, errors) -> float:
    """The exponent p of errors ~ h^p, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


# Orders


COUPLED = sj.SemiLinear(jnp.asarray(MATRIX), coupled)


@cache
def exact(*ts):
    """Its solution from t = 0."""
    return tight(lambda t, y, a: MATRIX @ y + coupled(t, y, a), (0.0, 2.0), Y0, 0.7, ts=ts)


def march(method, dt, t_span=(0.0, 2.0), y0=Y0, ts=np.zeros(8)):
    """Constant steps; one compilation a method."""
    sol = sj.solve_ode(COUPLED, t_span, y0, 0.7, method=method, dt=dt, save={"end": None, "ts": ts})
    return sol.y


@METHODS
@pytest.mark.parametrize("kind", ["matrix", "function of args"])
def test_the_order_of_convergence(method, order, kind):
    counts = (24, 34, 48)
    if kind == "matrix":
        ends = [march(method, 2 / n)["end"] for n in counts]
    else:
        field = sj.SemiLinear(lambda args: MATRIX * args / 0.7, coupled)
        ends = [sj.solve_ode(field, (0.0, 2.0), Y0, 0.7, method=method, dt=2 / n).y for n in counts]
    errors = [np.abs(y - exact(2.0)[0]).max() for y in ends]
    assert slope(2 / np.array(counts), errors) == pytest.approx(order, abs=0.2)


def kuramoto_sivashinsky(n: int, length: float):
    """u_t = -u u_x - u_xx - u_xxxx, periodic, for the coefficients of a real Fourier transform."""
    k = 2 * np.pi / length * np.arange(n // 2 + 1)
    keep = np.arange(n // 2 + 1) <= n // 3

    def nonlinear(t, v, args):
        lib = np if isinstance(v, np.ndarray) else jnp
        return -0.5j * k * keep * lib.fft.rfft(lib.fft.irfft(v, n) ** 2)

    x = length * np.arange(n) / n
    u0 = np.cos(2 * np.pi * x / length) * (1 + np.sin(2 * np.pi * x / length))
    return k**2 - k**4, nonlinear, np.fft.rfft(u0)


@METHODS
def test_the_order_on_a_stiff_equation(method, order):
    """Kuramoto-Sivashinsky with h |L| up to 200: complex states, and no limit from stability."""
    symbol, nonlinear, v0 = kuramoto_sivashinsky(64, 22.0)

    def right(t, y, args):
        v = y[:33] + 1j * y[33:]
        dv = symbol * v + nonlinear(t, v, None)
        return np.concatenate([dv.real, dv.imag])

    exact = tight(right, (0.0, 1.0), np.concatenate([v0.real, v0.imag]))[0]
    exact = exact[:33] + 1j * exact[33:]
    field = sj.SemiLinear(symbol, nonlinear)
    counts = (32, 45, 64)
    assert np.abs(symbol).max() / counts[0] > 200
    errors = []
    for n in counts:
        y = sj.solve_ode(field, (0.0, 1.0), v0, method=method, dt=1 / n).y
        assert y.dtype == np.complex128
        errors.append(np.abs(y - exact).max())
    assert slope(1 / np.array(counts), errors) == pytest.approx(order, abs=0.2)


@METHODS
def test_the_order_between_steps(method, order):
    """Cubic Hermite: saved times are as accurate as the steps, up to order 4 of the local error."""
    errors, sizes = [], (0.1, 0.05, 0.025)
    for h in sizes:
        ts = 0.2 * np.arange(1, 9) + 0.4 * h  # the same place in every step
        errors.append(np.abs(march(method, h, ts=ts)["ts"] - exact(*ts)).max())
    assert slope(sizes, errors) == pytest.approx(min(order, 4), abs=0.25)


# The error estimate


def estimates(method, field, y0, sizes):
    """The error estimates of single steps."""
    problem = sj.Problem(field, 0.7, 1e-6, 1e-6)

    @jax.jit
    def one(dt):
        t = jnp.asarray(0.1)
        return jnp.abs(method.step(problem, t, y0, dt, method.init(problem, t, y0, dt)).error).max()

    return [float(one(jnp.asarray(h))) for h in sizes]


@METHODS
@pytest.mark.parametrize("kind", ["coupled", "forcing"])
def test_the_order_of_the_error_estimate(method, order, kind):
    """The embedded methods have orders 1 and 3; a nonlinear part of time alone is seen as well."""
    forcing = lambda t, y, args: jnp.exp(jnp.sin(3 * t) + jnp.arange(3.0))  # noqa: E731
    field = sj.SemiLinear(jnp.asarray(MATRIX), coupled if kind == "coupled" else forcing)
    sizes = (0.02, 0.01, 0.005)
    errors = estimates(method, field, jnp.asarray(Y0), sizes)
    assert slope(sizes, errors) == pytest.approx(order, abs=0.2)
    y = tight(lambda t, y, a: np.asarray(field(t, y, a)), (0.1, 0.12), Y0, 0.7)[0]
    true = np.abs(sj.solve_ode(field, (0.1, 0.12), Y0, 0.7, method=method, steps=1).y - y).max()
    assert true < errors[0]


@METHODS
def test_tolerances_are_kept(method, order):
    """A factor of a hundred in the tolerance is one in the error; steps follow the root of the estimate's order."""
    tolerances = (1e-3, 1e-5) if order == 2 else (1e-5, 1e-8)
    sols = [sj.solve_ode(COUPLED, (0.0, 2.0), Y0, 0.7, method=method, rtol=r, atol=r) for r in tolerances]
    for sol, tolerance in zip(sols, tolerances, strict=True):
        assert np.abs(sol.y - exact(2.0)[0]).max() < 10 * tolerance
    growth = float(sols[1].stats["steps"]) / float(sols[0].stats["steps"])
    assert growth == pytest.approx((tolerances[0] / tolerances[1]) ** (1 / order), rel=0.35)


# Exactness


def none(t, y, args):
    return jnp.zeros_like(y)


CONSTANT = sj.SemiLinear(MATRIX, lambda t, y, args: jnp.ones_like(y))


@METHODS
@pytest.mark.parametrize("h", [1e-3, 1.0, 100.0])
def test_linear_equations_are_solved_exactly(method, order, h):
    """With N = 0, or constant, any step is exact."""
    symbol = np.array([-1e4, -0.3, 0.0, 2e-3 + 5j, -0.1 - 40j])
    z0 = np.array([1.0, 1j, 2.0, 1 - 1j, 0.5])
    sol = sj.solve_ode(sj.SemiLinear(symbol, none), (0.0, 2 * h), z0, method=method, steps=2)
    # the rounding error of an angle of 8,000
    np.testing.assert_allclose(sol.y, np.exp(2 * h * symbol) * z0, rtol=0, atol=1e-15 * (10 + 100 * h))
    sol = sj.solve_ode(sj.SemiLinear(MATRIX, none), (0.0, 2 * h), Y0, method=method, steps=2)
    np.testing.assert_allclose(sol.y, expm(2 * h * MATRIX) @ Y0, rtol=0, atol=1e-14)
    sol = sj.solve_ode(CONSTANT, (0.0, 2 * h), Y0, method=method, steps=2)
    rest = -np.linalg.solve(MATRIX, np.ones(3))
    np.testing.assert_allclose(sol.y, rest + expm(2 * h * MATRIX) @ (Y0 - rest), rtol=0, atol=1e-14)


@METHODS
def test_a_matrix_does_what_its_eigenvalues_do(method, order):
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    values = -np.logspace(-1, 3, 6)
    sin = sj.SemiLinear(values, lambda t, y, args: q.T @ jnp.sin(q @ y + t))
    full = sj.SemiLinear(q @ np.diag(values) @ q.T, lambda t, y, args: jnp.sin(y + t))
    y0 = rng.normal(size=6)
    one = sj.solve_ode(sin, (0.0, 1.0), q.T @ y0, method=method, dt=0.11)
    two = sj.solve_ode(full, (0.0, 1.0), y0, method=method, dt=0.11)
    # rounding of functions of a matrix of norm 100 by squaring
    np.testing.assert_allclose(q @ np.asarray(one.y), two.y, rtol=0, atol=1e-12)


@METHODS
def test_backwards_in_time(method, order):
    there = march(method, 0.005, (0.0, 1.0))["end"]
    here = march(method, 0.005, (1.0, 0.0), there, np.ones(8))["end"]
    # C h^order, the decay of e^-3 undone
    np.testing.assert_allclose(here, Y0, rtol=0, atol=100 * 0.005**order)


@METHODS
def test_shapes_and_scalars(method, order):
    """A state of two axes has a diagonal of its shape; a number has a number."""
    symbol = -np.arange(6.0).reshape(2, 3)
    grid = sj.solve_ode(sj.SemiLinear(symbol, lambda t, y, a: 0.1 * y**2), (0.0, 1.0), np.ones((2, 3)), method=method)
    field = sj.SemiLinear(lambda a: a, lambda t, y, a: 0.1 * y**2)
    for index in ((0, 0), (1, 2)):
        one = sj.solve_ode(field, (0.0, 1.0), 1.0, float(symbol[index]), method=method, rtol=1e-8, atol=1e-8)
        assert float(grid.y[index]) == pytest.approx(float(one.y), abs=1e-5)


@pytest.mark.float32
@METHODS
def test_single_precision(method, order):
    field = sj.SemiLinear(-np.arange(3.0), lambda t, y, args: np.float64(0.5) * jnp.sin(y))
    sol = sj.solve_ode(field, (0.0, 1.0), jnp.ones(3, jnp.float32), method=method, dt=0.01)
    assert (sol.y.dtype, sol.t.dtype) == (np.float32, np.float32)
    exact = tight(lambda t, y, a: -np.arange(3.0) * y + 0.5 * np.sin(y), (0.0, 1.0), np.ones(3))[0]
    # h^2, or the rounding of a hundred steps
    np.testing.assert_allclose(sol.y, exact, rtol=1e-4 if order == 2 else 1e-5)


# What is kept


@pytest.mark.parametrize("kind", ["diagonal", "matrix"])
def test_functions_are_kept_through_rounding_and_exact_after_it(kind):
    """Steps that differ by rounding of t share their functions, to first order; others and other operators do not."""
    linear = jnp.asarray(np.array([-1e5, -1.0, -3.0, 0.0]) if kind == "diagonal" else MATRIX * 30)
    parts = ((1.0, 3), (0.5, 1))

    again = jax.jit(lambda kept, linear, h: refreshed(parts, kept, linear, h, 1))
    functions = jax.jit(lambda kept, linear, h: propagators(parts, kept, linear, h, 1))
    first, second = jnp.asarray(0.01), jnp.asarray((1000.0 + 0.01) - 1000.0)
    nothing = nothing_kept(parts, linear, first, 1)
    kept = again(nothing, linear, first)
    assert first != second
    shared, fresh = again(kept, linear, second), again(nothing, linear, second)
    assert float(shared.dt) == 0.01
    moved, wanted = functions(shared, linear, second), functions(fresh, linear, second)
    for a, b in zip(jax.tree.leaves(moved), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)
    assert float(again(kept, linear, first * 1.001).dt) == 0.01 * 1.001
    other, anew = again(kept, linear * 2, first), again(nothing, linear * 2, first)
    np.testing.assert_array_equal(other.values[0][0], anew.values[0][0])


def test_a_solve_continued_with_another_operator():
    """The state that is handed on carries functions of the old one."""
    field = sj.SemiLinear(lambda args: -args * jnp.ones(2), lambda t, y, args: jnp.zeros(2))
    first = sj.solve_ode(field, (0.0, 1.0), jnp.ones(2), 1.0, method=sj.ETDRK4(), steps=2)
    second = sj.solve_ode(field, (1.0, 2.0), first.y, 3.0, method=sj.ETDRK4(), steps=2, state=first.state)
    np.testing.assert_allclose(second.y, np.exp(-4.0), rtol=1e-14)


# Gradients: p = (factor of L, factor in N, y0 (3), t1)

P = np.array([1.1, 0.7, 0.5, 0.3, 0.8, 1.3])
WEIGHTS = np.array([0.7, -0.4, 0.6])
RATES = np.array([-1.0, -30.0, 0.2])


def loss(method, kind, gradient, how):
    """A function of p; L depends on it through args, or is an array in the field."""

    def of(p):
        base = RATES if kind == "diagonal" else MATRIX
        if kind == "captured":
            field = sj.SemiLinear(p[0] * MATRIX, lambda t, y, a: coupled(t, y, p[1]))
        else:
            field = sj.SemiLinear(lambda a: a[0] * base, lambda t, y, a: coupled(t, y, a[1]))
        sol = sj.solve_ode(
            field, (0.1, p[5]), p[2:5], (p[0], p[1]), method=method, gradient=gradient, max_steps=1024, **how
        )
        rows = sol.y if sol.y.ndim == 2 else sol.y[None]
        return jnp.sum(WEIGHTS * rows) + jnp.sum(rows**2)

    return of


def tangents(of):
    """In the directions of all entries of P, one at a time."""
    derive = jax.jit(lambda d: jax.jvp(of, (P,), (d,))[1])
    return [derive(d) for d in np.eye(6)]


@pytest.mark.parametrize(
    ("method", "kind"),
    [(sj.ETDRK2(), "diagonal"), pytest.param(sj.ETDRK4(), "matrix", marks=pytest.mark.slow)],
    ids=["diagonal", "matrix"],
)
def test_gradients_of_equal_steps(method, kind):
    """Both modes through a scan, against central differences."""
    derive = jax.jit(jax.value_and_grad(loss(method, kind, sj.Recorded(), {"steps": 5})))
    wanted = differences(lambda p: derive(p)[0], P, 1e-3)
    # h^4 f^(5) / 30 with a rate of 30, and rounding over h
    np.testing.assert_allclose(derive(P)[1], wanted, rtol=3e-9, atol=1e-10)
    np.testing.assert_allclose(tangents(loss(method, kind, sj.Forward(), {"steps": 5})), wanted, rtol=3e-9, atol=1e-10)


@pytest.mark.parametrize("kind", ["diagonal", "matrix"])
def test_gradients_of_recorded_steps(kind):
    """A constant step whose last one is cut: the functions kept at the end fit no other step."""
    of = loss(sj.ETDRK4(), kind, sj.Recorded(), {"dt": 0.253, "save": np.array([0.3, 0.8])})
    derive = jax.jit(jax.value_and_grad(of))
    np.testing.assert_allclose(derive(P)[1], differences(lambda p: derive(p)[0], P, 1e-3), rtol=3e-9, atol=1e-10)


def test_gradients_of_adaptive_steps():
    how = {"rtol": 1e-6, "atol": 1e-6}
    gradient = jax.jit(jax.grad(loss(sj.ETDRK4(), "diagonal", sj.Recorded(), how)))(P)
    # the same derivative, summed in another order
    forward = tangents(loss(sj.ETDRK4(), "diagonal", sj.Forward(), how))
    np.testing.assert_allclose(forward, gradient, rtol=1e-11, atol=1e-12)


def gradient_and_product(of):
    """The gradient, and the product of the Hessian with a direction."""
    return jax.jit(lambda p, d: jax.jvp(jax.grad(of), (p,), (d,)))


@pytest.mark.parametrize(
    ("kind", "how"),
    [("diagonal", {"steps": 3}), pytest.param("captured", {"dt": 0.41}, marks=pytest.mark.slow)],
    ids=["diagonal", "captured"],
)
def test_second_derivatives(kind, how):
    """Forward over reverse is symmetric, and what differences of the gradient say."""
    of = loss(sj.ETDRK2(), kind, sj.Recorded(), how)
    both = gradient_and_product(of)
    hessian = np.array([both(P, d)[1] for d in np.eye(6)])
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(hessian, differences(lambda p: both(p, P)[0], P, 1e-3), rtol=1e-7, atol=1e-8)


@pytest.mark.slow
def test_second_derivatives_that_are_lost_are_nan():
    """JAX's scan forgets the derivative rule of a matrix; nobody is to take what is left for a derivative."""
    of = loss(sj.ETDRK2(), "captured", sj.Recorded(), {"steps": 3})
    product = gradient_and_product(of)
    assert all(np.all(np.isnan(product(P, d)[1])) for d in np.eye(6))


# One solve, many ways


@pytest.mark.parametrize(
    ("kind", "how"), [("matrix", {"dt": 0.07}), ("diagonal", {"rtol": 1e-6, "atol": 1e-6})], ids=["matrix", "diagonal"]
)
def test_vmap_agrees_with_a_loop(kind, how):
    base = RATES if kind == "diagonal" else MATRIX
    field = sj.SemiLinear(lambda a: a * base, coupled)

    def run(a, t1):
        return sj.solve_ode(field, (0.0, t1), Y0, a, method=sj.ETDRK4(), **how)

    rates, ends = np.array([0.5, 1.0, 2.0]), np.array([1.0, 0.5, 1.5])
    many = jax.jit(jax.vmap(run))(rates, ends)
    for i in range(3):
        one = run(float(rates[i]), float(ends[i]))
        assert int(one.stats["steps"]) == int(many.stats["steps"][i])
        np.testing.assert_allclose(many.y[i], one.y, rtol=1e-10, atol=1e-12)


def test_what_a_semilinear_field_is_for_other_methods():
    field = sj.SemiLinear(lambda a: a * MATRIX / 0.7, coupled)
    np.testing.assert_allclose(field(0.3, Y0, 0.7), MATRIX @ Y0 + coupled(0.3, Y0, 0.7))
    for method in (sj.Tsit5(), sj.Exprb43()):
        sol = sj.solve_ode(field, (0.0, 2.0), Y0, 0.7, method=method, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(sol.y, exact(2.0)[0], rtol=0, atol=1e-7)


def test_static_arguments_reach_a_function_of_args():
    field = sj.SemiLinear(lambda a: -a["rate"] * jnp.ones(a["n"]), lambda t, y, a: jnp.zeros(a["n"]))
    sol = sj.solve_ode(field, (0.0, 1.0), jnp.ones(2), {"rate": 2.0, "n": 2}, method=sj.ETDRK2(), dt=0.5)
    np.testing.assert_allclose(sol.y, np.exp(-2.0), rtol=1e-14)


# Messages


def zero(t, y, args):
    return 0 * y


@pytest.mark.parametrize(
    ("field", "y0", "error", "words"),
    [
        (lambda t, y, args: -y, np.ones(2), TypeError, "ETDRK4 needs a field with a linear part: give sj.SemiLinear"),
        (sj.SemiLinear(np.ones(3), zero), np.ones(2), ValueError, r"shape of y0, \(2,\) .*or of shape \(2, 2\)"),
        (sj.SemiLinear(lambda a: np.ones(3), zero), np.ones(2), ValueError, r"it has shape \(3,\)"),
        (sj.SemiLinear(np.ones((4, 4)), zero), np.ones((2, 2)), ValueError, r"shape of y0, \(2, 2\) \(a diagonal\); "),
        (sj.SemiLinear(1j * np.ones(2), zero), np.ones(2), TypeError, "is complex where y0 is real"),
        (sj.SemiLinear([1.0, 2.0], zero), np.ones(2), TypeError, "must be one array, or a function of args; got list"),
        (sj.SemiLinear(np.ones(2), zero), (np.ones(2),), TypeError, "needs y0 to be one array, .* got tuple"),
        (sj.SemiLinear(np.ones(2), lambda t, y, a: np.ones(3)), np.ones(2), (TypeError, ValueError), "shape"),
        (sj.SemiLinear(np.ones(2), lambda t, y, a: 1j * y), np.ones(2), TypeError, "complex"),
    ],
)
def test_messages(field, y0, error, words):
    with pytest.raises(error, match=words):
        sj.solve_ode(field, (0.0, 1.0), y0, method=sj.ETDRK4(), dt=0.1)


def test_what_blows_up_says_so():
    field = sj.SemiLinear(np.array([1.0]), lambda t, y, args: y**2)
    sol = sj.solve_ode(field, (0.0, 10.0), np.ones(1), method=sj.ETDRK4(), throw=False)
    assert sol.result != sj.RESULT.successful
    # 1 / y = (1 + 1 / y0) e^-t - 1 vanishes at ln 2
    assert float(sol.t) == pytest.approx(np.log(2), abs=1e-3)
