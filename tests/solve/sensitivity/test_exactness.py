"""Gradients are those of the computed solution: Recorded = Forward = central differences with the recorded steps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from ..problems import GivenSizes, differences, sizes_of

# a, b, c, d, two initial values, t0 and t1
POINT = np.array([1.1, 0.4, 0.1, 0.4, 10.0, 5.0, 0.0, 5.0])


def lotka_volterra(t, y, a):
    return jnp.stack([a[0] * y[0] - a[1] * y[0] * y[1] + 0.1 * jnp.sin(t), a[2] * y[0] * y[1] - a[3] * y[1]])


def squares(sol):
    return jnp.sum(sol.y**2)


HARVEST = sj.Event(lambda t, y, a: y[0] - 4.0, affect=lambda t, y, a: y + a[:2] * jnp.array([2.0, 1.0]), direction=-1)


@dataclass(frozen=True)
class Case:
    """A way to solve and what is read off the solution."""

    name: str
    save: Callable = lambda p: None
    read: Callable = squares
    options: dict[str, Any] = field(default_factory=dict)
    gradient: sj.Recorded = sj.Recorded()


CASES = [
    Case("final state and time", read=lambda s: squares(s) + s.t),
    Case("saved times that move", save=lambda p: jnp.linspace(0.3, 4.7, 5) * (1 + 0.01 * p[0])),
    Case(
        "functions of the state",
        save=lambda p: sj.Times(jnp.linspace(0.3, 4.7, 5), lambda t, y, a: a[0] * y[0] * t),
        read=lambda s: jnp.sum(s.y**2),
    ),
    Case(
        "every step",
        save=lambda p: sj.Steps(64),
        read=lambda s: jnp.sum(jnp.where(jnp.arange(65) < s.n, s.y[:, 0] * s.t, 0)),
    ),
    Case("dense values", save=lambda p: sj.Dense(64), read=lambda s: jnp.sum(s(jnp.linspace(0.1, 4.9, 6)) ** 2)),
    Case(
        "saved times and dense values with extra stages",
        save=lambda p: {"ts": jnp.linspace(0.3, 4.7, 5) * (1 + 0.01 * p[0]), "dense": sj.Dense(64)},
        read=lambda s: jnp.sum(s.y["ts"] ** 2) + jnp.sum(s(jnp.linspace(0.1, 4.9, 6)) ** 2),
        options={"method": sj.Vern7()},
    ),
    Case("replayed segments", save=lambda p: jnp.linspace(0.3, 4.7, 5), gradient=sj.Recorded(snapshots=4)),
    Case("times stepped to", options={"step_to": [1.7, 3.3]}),
    # with events the method of fewest stages that has an error estimate: programs are the largest here
    Case(
        "saved times, final states, event times and states at jumps",
        save=lambda p: {"ts": jnp.linspace(0.3, 4.7, 9), "end": None},
        read=lambda s: jnp.sum(s.y["ts"] ** 2) + jnp.sum(s.y["end"] ** 2) + s.event.t[0] + jnp.sum(s.event.y[0]),
        options={"events": HARVEST, "method": sj.Bosh3()},
    ),
    Case(
        "a terminating event",
        read=lambda s: squares(s) + s.t,
        options={"events": sj.Event(lambda t, y, a: y[0] - 4 * a[0]), "method": sj.Bosh3()},
    ),
    Case("a projection", options={"projection": lambda t, y, a: y * (1 + 0.001 * a[0])}),
    Case("complex states", read=lambda s: jnp.sum(jnp.abs(s.y) ** 2), options={"complex": True}),
]


def solve(case: Case, p, save, **options):
    more = {**case.options, "max_steps": 400, **options}
    twist = more.pop("complex", False)
    rhs = (lambda t, y, a: (1j * a[0] - a[3]) * y + 0.01 * y * y) if twist else lotka_volterra
    y0 = p[4:6] * (0.1 + 0.05j) if twist else p[4:6]
    return sj.solve_ode(rhs, (p[6], p[7]), y0, p[:4], rtol=1e-4, atol=1e-4, throw=False, save=save, **more)


def recorded_steps(case: Case):
    """The steps of the solve at POINT, to repeat it near by."""
    sol = solve(case, jnp.asarray(POINT), sj.Dense(400))
    n = int(sol.stats["accepted"])
    t_left, t_right, _ = sol.dense.steps.all()
    return GivenSizes(jnp.asarray(sizes_of(t_left[:n], t_right[:n], [POINT[7], *case.options.get("step_to", [])])))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_gradients_are_those_of_the_computed_solution(case):
    p = jnp.asarray(POINT)

    def value(p, **options):
        return case.read(solve(case, p, case.save(p), **options))

    at_p, recorded = jax.jit(jax.value_and_grad(lambda p: value(p, gradient=case.gradient)))(p)
    forward = jax.jit(jax.jacfwd(lambda p: value(p, gradient=sj.Forward())))(p)
    # both pull the same operations through in another order: rounding, grown by the cancellation at jumps
    size = np.max(np.abs(recorded))
    np.testing.assert_allclose(recorded, forward, rtol=0, atol=1e-11 * size)
    steps = recorded_steps(case)
    repeated = jax.jit(lambda p: value(p, controller=steps))
    np.testing.assert_allclose(repeated(p), at_p, rtol=1e-12)
    # central differences: h^2 f''' / 6 + eps |f| / h at h = 3e-7, with the curvature that a dozen jumps leave
    for i in range(p.size):
        h = 3e-7 * max(1.0, abs(POINT[i]))
        e = np.zeros(p.size)
        e[i] = h
        difference = (repeated(p + e) - repeated(p - e)) / (2 * h)
        assert abs(recorded[i] - difference) < 3e-6 * size, (case.name, i, recorded[i], difference)


@pytest.mark.parametrize("cut", [{"step_to": [0.41, 0.9]}, {"events": sj.Event(lambda t, y, a: y[0], terminate=False)}])
def test_equal_steps_that_are_cut(cut):
    """The grid moves with t0 and t1, whatever cuts its steps in two."""

    def end(p, gradient=None):
        field = lambda t, y, a: jnp.stack([y[1], -y[0] * jnp.sin(t + 1)])  # noqa: E731
        how = {"steps": 7, "gradient": gradient, "method": sj.Heun(), **cut}
        return jnp.sum(sj.solve_ode(field, (p[0], p[1]), jnp.array([1.0, -0.7]), **how).y)

    p = np.array([0.1, 2.7])
    recorded = jax.jit(jax.grad(end))(p)
    np.testing.assert_allclose(recorded, jax.jit(jax.jacfwd(lambda p: end(p, sj.Forward())))(p), rtol=1e-12)
    # of order 4: h^4 f^(5) / 30 and rounding over h
    np.testing.assert_allclose(recorded, differences(jax.jit(end), p, 1e-3), rtol=1e-9)


def test_second_derivatives_on_the_recorded_grid():
    case = CASES[1]
    steps = recorded_steps(case)
    p = jnp.asarray(POINT)

    def value(p):
        return case.read(solve(case, p, case.save(p), controller=steps))

    # both in one program: the Jacobian of the gradient, and the gradient
    derivatives = jax.jit(jax.jacfwd(lambda p: (jax.grad(value)(p),) * 2, has_aux=True))
    gradient = lambda p: derivatives(p)[1]  # noqa: E731
    hessian = derivatives(p)[0]
    size = np.max(np.abs(hessian))
    np.testing.assert_allclose(hessian, hessian.T, rtol=0, atol=1e-11 * size)
    for i in (0, 4, 7):
        e = np.zeros(p.size)
        e[i] = 1e-5
        difference = (gradient(p + e) - gradient(p - e)) / 2e-5
        np.testing.assert_allclose(hessian[i], difference, rtol=0, atol=1e-7 * size)


def test_second_derivative_of_an_event_time():
    # free fall from height q: t = sqrt(2 q / g), so d2t/dq2 = -1/4 sqrt(2 / g) q^(-3/2)
    def fall(t, y, g):
        return jnp.stack([y[1], -g])

    ground = sj.Event(lambda t, y, g: y[0], direction=-1)

    def landing(q):
        y0 = jnp.stack([q, 0.0 * q])
        return sj.solve_ode(fall, (0.0, 10.0), y0, 9.81, events=ground, method=sj.Heun()).t  # exact for parabolas

    q = 3.0
    # the tangents of the time and of its gradient: the first derivative forwards, and the second
    (time, reverse), (forward, second) = jax.jit(lambda q: jax.jvp(jax.value_and_grad(landing), (q,), (1.0,)))(q)
    np.testing.assert_allclose(time, np.sqrt(2 * q / 9.81), rtol=1e-12)
    np.testing.assert_allclose([reverse, forward], np.sqrt(0.5 / (9.81 * q)), rtol=1e-10)
    np.testing.assert_allclose(second, -0.25 * np.sqrt(2 / 9.81) * q**-1.5, rtol=1e-9)


@pytest.mark.parametrize(
    "method", [sj.RK4(), sj.Dopri5(), sj.Tsit5(), sj.Vern7(), sj.Dopri8()], ids=lambda m: type(m).__name__
)
def test_from_order_four_up_gradients_agree_with_a_tight_independent_solve(method):
    from scipy.integrate import solve_ivp

    def exact(p):
        rhs = lambda t, y: np.array(  # noqa: E731
            [p[0] * y[0] - p[1] * y[0] * y[1] + 0.1 * np.sin(t), p[2] * y[0] * y[1] - p[3] * y[1]]
        )
        y = solve_ivp(rhs, (p[6], p[7]), p[4:6], method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
        return np.sum(y**2)

    control = {"dt": 1e-3} if not method.adaptive else {"rtol": 1e-9, "atol": 1e-9}
    gradient = jax.grad(
        lambda p: squares(sj.solve_ode(lotka_volterra, (p[6], p[7]), p[4:6], p[:4], method=method, **control))
    )(jnp.asarray(POINT))
    size = np.max(np.abs(gradient))
    for i in range(POINT.size):
        e = np.zeros(POINT.size)
        e[i] = 1e-4
        # five-point differences: truncation h^4 f^(5) / 30, rounding of the reference 1e-12 / h
        f = [exact(POINT + k * e) for k in (-2, -1, 1, 2)]
        difference = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12e-4)
        assert abs(gradient[i] - difference) < 3e-6 * size, (i, gradient[i], difference)


def test_backsolve_agrees_to_its_tolerance():
    p = jnp.asarray(POINT)

    def value(p, gradient):
        save = {
            "moving": jnp.linspace(0.5, 5, 4) * p[0] / 1.1,
            "function": sj.Times(jnp.linspace(0.5, 5, 3), lambda t, y, a: y[0] * a[1] * t),
            "end": None,
        }
        sol = sj.solve_ode(
            lotka_volterra, (p[6], p[7]), p[4:6], p[:4], rtol=1e-9, atol=1e-9, gradient=gradient, save=save, throw=False
        )
        return jnp.sum(sol.y["moving"] ** 2) + jnp.sum(sol.y["function"]) + sol.y["end"][0]

    exact = jax.jit(jax.grad(lambda p: value(p, sj.Recorded())))(p)
    adjoint = jax.jit(jax.grad(lambda p: value(p, sj.Backsolve())))(p)
    # the tolerance of both solves, times the growth of perturbations over the span (about 100)
    np.testing.assert_allclose(adjoint, exact, rtol=0, atol=1e-7 * np.max(np.abs(exact)))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"save": sj.Dense()}, "sj.Dense"),
        ({"save": sj.Steps()}, "sj.Steps"),
        ({"events": HARVEST}, "events"),
        ({"projection": lambda t, y, a: y}, "projection"),
        ({"steps": 10}, "equal steps"),
    ],
)
def test_backsolve_refuses_what_the_adjoint_equation_does_not_see(options, word):
    with pytest.raises(ValueError, match=f"Backsolve.*{word}.*Recorded"):
        sj.solve_ode(
            lotka_volterra, (0.0, 1.0), jnp.ones(2), jnp.asarray(POINT[:4]), gradient=sj.Backsolve(), **options
        )


def exponential_end(k, method):
    field = lambda t, y, k: -k * y  # noqa: E731
    return sj.solve_ode(field, (0.0, 1.0), 1.0, k, method=method, gradient=sj.Backsolve(), rtol=1e-6).y


@pytest.mark.parametrize(
    "method",
    [sj.Rodas5P(), sj.BDF(), sj.Kvaerno3(), sj.Radau5(), sj.Auto(), sj.ROCK2()],
    ids=lambda m: type(m).__name__,
)
def test_backsolve_refuses_methods_for_fast_decay(method):
    """Their steps jump over what would grow backwards."""
    with pytest.raises(ValueError, match=f"Backsolve.*{type(method).__name__}.*use Recorded"):
        jax.grad(exponential_end)(1.0, method)


def test_backsolve_goes_through_symmetric_methods():
    # the tolerance of a hundred steps
    assert float(jax.grad(exponential_end)(1.0, sj.Trapezoid())) == pytest.approx(-np.exp(-1), rel=1e-4)


def test_an_unstable_backsolve_gives_nan():
    """Heat backwards in time: an explicit method solves it forwards."""
    heat = lambda t, u, k: k * 900 * (jnp.roll(u, 1) - 2 * u + jnp.roll(u, -1))  # noqa: E731
    u0 = np.sin(2 * np.pi * np.arange(30) / 30) + 0.1 * np.cos(np.arange(30.0) ** 2)

    def loss(k, gradient, save=None):
        return jnp.sum(sj.solve_ode(heat, (0.0, 1.0), u0, k, gradient=gradient, save=save).y ** 2)

    assert np.isfinite(jax.grad(loss)(0.05, sj.Recorded()))
    assert np.isnan(jax.grad(loss)(0.05, sj.Backsolve()))
    assert np.isnan(jax.grad(loss)(0.05, sj.Backsolve(), jnp.array([0.9, 1.0])))
