"""A method of one's own, from public names only: variable-order Adams with its history in the carry, and a cache.

It proves that the contract of `sj.Method` is enough for a multistep method: a history that is snapshotted, replayed and
differentiated, an order that changes, a restart at order 1, and a cache that a rejected step keeps.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import GivenSizes, sizes_of

TOP = 3  # points of the longest predictor


def quadrature(nodes):
    """Weights that integrate polynomials through `nodes` from 0 to 1 exactly."""
    powers = jnp.stack([nodes**i for i in range(len(nodes))])
    return jnp.linalg.solve(powers, 1.0 / jnp.arange(1, len(nodes) + 1, dtype=nodes.dtype))


class Adams(sj.Method):
    """Adams-Bashforth predictors of order 1 to 3 and Adams-Moulton correctors of one order more, for array states.

    The carry is (times and derivatives of the last three steps, how many of them count); the cache counts attempts.
    """

    @property
    def order(self) -> int:
        return TOP + 1

    def _start(self, problem, t, y, cache):
        f = problem.evaluate(t, y)
        times = t - 0.1 * jnp.arange(TOP, dtype=t.dtype)  # all but the first only fill the places
        return sj.MethodState((times, jnp.stack([f] * TOP), jnp.int32(1)), cache)

    def init(self, problem, t, y, dt):
        return self._start(problem, t, y, jnp.int32(0))

    def restart(self, problem, t, y, state):
        return self._start(problem, t, y, state.cache)

    def step(self, problem, t, y, dt, state):
        times, fs, n = state.carry
        old = (times - t) / dt
        predicted = [y + dt * quadrature(old[:p]) @ fs[:p] for p in range(1, TOP + 1)]
        p = n - 1  # which predictor
        guess = jnp.stack(predicted)[p]
        f_guess = problem.evaluate(t + dt, guess)
        nodes, values = jnp.append(1.0, old), jnp.concatenate([f_guess[None], fs])
        corrected = [y + dt * quadrature(nodes[: p + 1]) @ values[: p + 1] for p in range(1, TOP + 1)]
        y1 = jnp.stack(corrected)[p]
        error = y1 - guess
        # one order more as soon as there are points for it, one less where that predicts better
        lower = jnp.stack(predicted)[jnp.maximum(p - 1, 0)]
        worse = problem.error_norm(error, y, y1) > problem.error_norm(y1 - lower, y, y1)
        points = jnp.where(worse & (p > 0), n - 1, jnp.minimum(n + 1, TOP))
        f1 = problem.evaluate(t + dt, y1)
        carry = jnp.append(t + dt, times[:-1]), jnp.concatenate([f1[None], fs[:-1]]), points
        tried = state.cache + 1
        accepted, rejected = sj.MethodState(carry, tried), sj.MethodState(state.carry, tried)
        return sj.Step(y1, error, accepted, rejected, (y, y1, fs[0], f1), True, {"field_evaluations": 2}, n + 1)

    def interpolate(self, dense, t_left, t_right, t):
        y0, y1, f0, f1 = dense
        h = t_right - t_left
        s = (t - t_left) / h
        left = (1 - s) ** 2 * ((1 + 2 * s) * y0 + s * h * f0)
        return left + s**2 * ((3 - 2 * s) * y1 - (1 - s) * h * f1)


def pendulum(t, y, args):
    """A driven oscillator; args = (frequency squared, force)."""
    return jnp.stack([y[1], -args[0] * y[0] + args[1] * jnp.cos(t)])


Y0, ARGS, END = np.array([1.0, 0.0]), np.array([4.0, 0.3]), 6.0


def exact(t, p=ARGS):
    """q = A cos(w t) + B cos(t), with B = force / (w^2 - 1) and q(0) = 1."""
    w, b = np.sqrt(p[0]), p[1] / (p[0] - 1)
    return (1 - b) * np.cos(w * t) + b * np.cos(t)


def solve(args=ARGS, span=(0.0, END), y0=Y0, **options):
    options = {"rtol": 1e-6, "atol": 1e-6, "method": Adams(), **options}
    return sj.solve_ode(pendulum, span, y0, args, **options)


def test_errors_follow_the_tolerance():
    ts = np.linspace(0, END, 13)
    errors, steps = [], []
    for tolerance in (1e-4, 1e-6, 1e-8):
        sol = solve(rtol=tolerance, atol=tolerance, save=ts)
        errors.append(np.abs(np.asarray(sol.y)[:, 0] - exact(ts)).max())
        steps.append(int(sol.stats["accepted"]))
        assert errors[-1] < 300 * tolerance
    # a hundredth of the tolerance costs 100^(1/4) = 3.2 times the steps at order 4, ten times at order 2
    assert steps[2] / steps[1] < 4.5
    times, fs, n = sol.state.method.carry
    assert int(n) == TOP
    # the history is the one of the last steps
    np.testing.assert_allclose(fs[0], pendulum(times[0], sol.state.y, ARGS), rtol=1e-12)
    assert times[0] == END and np.all(np.diff(np.asarray(times)) < 0)


def test_the_cache_sees_rejected_steps_too():
    sol = solve(dt0=2.0, rtol=1e-8)
    assert int(sol.stats["rejected"]) > 0
    assert int(sol.state.method.cache) == int(sol.stats["steps"])
    # evaluations: the start, and two an attempt
    assert int(sol.stats["field_evaluations"]) == 1 + 2 * int(sol.stats["steps"])


def test_a_jump_restarts_at_order_one():
    """A kick at t = 1 changes the speed: history from before it would spoil what follows."""
    kick = sj.Event(lambda t, y, args: t - 1.0, lambda t, y, args: y + jnp.array([0.0, 1.0]))
    short = solve(span=(0.0, 1.0), events=kick)
    assert int(short.state.method.carry[2]) == 1
    sol = solve(events=kick, rtol=1e-8, atol=1e-8)
    # the kick adds sin(w (t - 1)) / w
    assert float(sol.y[0]) == pytest.approx(exact(END) + np.sin(2 * (END - 1)) / 2, abs=1e-5)


def test_it_goes_on_from_a_solution():
    first = solve(span=(0.0, 3.0), rtol=1e-8, atol=1e-8)
    second = solve(span=(3.0, END), y0=first.y, state=first.state, rtol=1e-8, atol=1e-8)
    assert float(second.y[0]) == pytest.approx(exact(END), abs=1e-5)
    fresh = solve(span=(3.0, END), y0=first.y, rtol=1e-8, atol=1e-8)
    assert int(second.stats["steps"]) < int(fresh.stats["steps"])


def test_vmap_is_the_loop():
    args = ARGS * np.array([[1.0, 1.0], [2.0, 0.5], [0.5, 0.0]])
    ts = np.linspace(0, END, 5)
    lanes = jax.vmap(lambda a: solve(a, save=ts))(args)
    for i, a in enumerate(args):
        one = solve(a, save=ts)
        np.testing.assert_allclose(lanes.y[i], one.y, rtol=1e-9)
        assert int(lanes.stats["steps"][i]) == int(one.stats["steps"])


def test_gradients_go_through_the_history():
    """From snapshots of every step, from four that are replayed, and forwards; against differences on their steps."""
    wall = sj.Event(lambda t, y, args: y[0], lambda t, y, args: (args[1] - 1.2) * y, direction=-1)
    options = {"events": wall, "max_events": 16, "max_steps": 400, "rtol": 1e-4, "atol": 1e-4}
    ts = jnp.linspace(0.5, END, 4)

    def loss(p, **more):
        sol = solve(p[:2], y0=p[2:], save={"ts": ts, "steps": sj.Dense(400)}, **options, **more)
        return jnp.sum(sol.y["ts"] ** 2), sol

    p = jnp.append(ARGS, Y0)
    recorded, sol = jax.jit(jax.grad(lambda p: loss(p, gradient=sj.Recorded()), has_aux=True))(p)
    assert int(sol.event.n) > 0
    replayed = jax.jit(jax.grad(lambda p: loss(p, gradient=sj.Recorded(4))[0]))(p)
    forward = jax.jit(jax.jacfwd(lambda p: loss(p, gradient=sj.Forward())[0]))(p)
    np.testing.assert_allclose(recorded, forward, rtol=1e-9)
    np.testing.assert_allclose(replayed, forward, rtol=1e-9)
    t_left, t_right = (x[: int(sol.stats["accepted"])] for x in sol.dense.steps.all()[:2])
    steps = GivenSizes(jnp.asarray(sizes_of(t_left, t_right, [END])))
    again = jax.jit(lambda p: loss(p, controller=steps)[0])
    for i in range(4):
        e = np.zeros(4)
        e[i] = 1e-6
        difference = float((again(p + e) - again(p - e)) / 2e-6)
        # h^2 f''' and eps / h, with the curvature of a few jumps
        assert float(recorded[i]) == pytest.approx(difference, rel=1e-5)
        assert float(replayed[i]) == pytest.approx(difference, rel=1e-5)
