"""What a solve keeps, against exact solutions and against the solve's own steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import decay, spiral, spiral_exact

SPAN, Y0 = (0.5, 1.6), np.array([1.3, 2.0])
TS = np.array([0.5, 0.61, 0.9, 0.9001, 1.3, 1.6])


def solve(save, span=SPAN, **options):
    options = {"rtol": 1e-9, "atol": 1e-9} | options
    return sj.solve_ode(spiral, span, Y0, (1.0,), save=save, **options)


def exact(ts):
    return np.asarray(spiral_exact(ts, 0.5, jnp.asarray(Y0), 1.0))


def doubled(t, y, args):
    return {"sum": 2 * y[0] + y[1] * args[0], "t": t}


def test_nothing_but_the_end():
    sol = solve(None)
    assert sol.y.shape == (2,) and float(sol.t) == 1.6 and int(sol.n) == 1
    # a few hundred times the tolerance of a step
    np.testing.assert_allclose(sol.y, exact(1.6), rtol=3e-7)


def test_times_of_any_number():
    sol = solve(TS)
    assert int(sol.n) == len(TS)
    np.testing.assert_array_equal(sol.t, TS)
    np.testing.assert_allclose(sol.y, exact(TS), rtol=3e-7)
    # the ends are the states themselves, to the bit
    assert sol.y[0].tolist() == Y0.tolist()
    assert sol.y[-1].tolist() == sol.state.y.tolist()


@pytest.mark.parametrize("ts", [TS[::-1], TS[[3, 0, 5, 1, 1, 4, 2]], TS[[2, 2, 2]], np.full(3, 0.5), np.full(3, 1.6)])
def test_times_in_any_order_and_repeated(ts):
    sol = solve(ts)
    np.testing.assert_array_equal(sol.t, ts)
    np.testing.assert_allclose(sol.y, exact(ts), rtol=3e-7)


def test_times_are_traced():
    """Under a transformation their order is not known; they are sorted there."""
    run = jax.jit(lambda ts: solve(ts).y)
    for ts in (TS, TS[::-1], np.roll(TS, 2)):
        np.testing.assert_allclose(run(ts), exact(ts), rtol=3e-7)


def test_times_and_span_that_are_arrays_inside_jit():
    """Arrays of JAX that are known although the solve around them is being traced."""
    ts, t0, t1 = np.array([0.8, 0.2]), jnp.asarray(0.0), jnp.asarray(1.0)
    inside = jax.jit(lambda y0: sj.solve_ode(lambda t, y, args: -y, (t0, t1), y0, save=ts, rtol=1e-8).y)
    np.testing.assert_allclose(inside(1.0), np.exp(-ts), rtol=1e-6)


def test_no_times_at_all():
    sol = solve([])
    assert sol.y.shape == (0, 2) and sol.t.shape == (0,) and int(sol.n) == 0


def test_many_times_in_one_step():
    ts = np.linspace(0.5, 1.6, 1000)
    sol = solve(ts, method=sj.Vern9(), rtol=1e-6)
    assert int(sol.stats["accepted"]) < 20
    np.testing.assert_allclose(sol.y, exact(ts), rtol=1e-4)


def test_backwards():
    y1 = exact(1.6)
    back = sj.solve_ode(spiral, (1.6, 0.5), y1, (1.0,), save=TS, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(back.t, TS)
    np.testing.assert_allclose(back.y, exact(TS), rtol=3e-7)


@pytest.mark.parametrize("ulps", [1, 4])
def test_times_within_four_units_of_the_span_are_inside(ulps):
    slack = ulps * np.finfo(float).eps * 1.6
    sol = solve([0.5 - 0.25 * slack, 1.6 + slack])
    assert sol.t.tolist() == [0.5, 1.6]
    assert sol.y[0].tolist() == Y0.tolist()


def test_times_outside_are_refused_on_the_host_and_while_tracing():
    with pytest.raises(ValueError, match="clip them to the span, or widen it"):
        solve([0.5, 1.6 + 1e-12])
    sol = jax.jit(lambda ts: solve(ts, throw=False))(np.array([0.4, 0.6]))
    assert sol.result == sj.RESULT.save_outside_span
    assert int(sol.stats["steps"]) == 0


def test_functions_of_the_state():
    ts = TS[1:]
    sol = solve(
        {"a": sj.Times(ts, doubled), "b": sj.Steps(64, doubled), "c": sj.Final(doubled), "d": ts, "e": sj.Steps(64)}
    )
    want = jax.vmap(doubled, (0, 0, None))(ts, sol.y["d"], (1.0,))
    for key in ("sum", "t"):
        np.testing.assert_allclose(sol.y["a"][key], want[key], rtol=1e-15)
        np.testing.assert_allclose(sol.y["c"][key], want[key][-1], rtol=1e-15)
    np.testing.assert_allclose(sol.y["b"]["sum"], 2 * sol.y["e"][:, 0] + sol.y["e"][:, 1], rtol=1e-15)
    np.testing.assert_array_equal(sol.y["b"]["t"], sol.t["b"])


def test_every_step():
    sol = solve(sj.Steps(100))
    n = int(sol.n)
    assert n == int(sol.stats["accepted"]) + 1
    assert float(sol.t[0]) == 0.5 and float(sol.t[n - 1]) == 1.6
    assert np.all(np.diff(sol.t[:n]) > 0)
    np.testing.assert_allclose(sol.y[:n], exact(np.asarray(sol.t[:n])), rtol=3e-7)
    # padding repeats the last entry
    assert np.all(sol.t[n:] == 1.6) and np.all(sol.y[n:] == sol.y[n - 1])


@pytest.mark.parametrize("save", [sj.Steps(5), sj.Dense(5)])
def test_overflow_keeps_what_fits(save):
    full = solve(sj.Steps(100))
    sol = solve(save, throw=False)
    assert sol.result == sj.RESULT.save_capacity_reached
    assert int(sol.stats["accepted"]) == 5
    assert float(sol.state.t) == float(full.t[5])
    if isinstance(save, sj.Steps):
        np.testing.assert_allclose(sol.t, full.t[:6], rtol=1e-14)
        np.testing.assert_allclose(sol.y, full.y[:6], rtol=1e-13)
        assert int(sol.n) == 6
    else:
        # known to where it got, NaN beyond
        middle = 0.5 * (full.t[2] + full.t[3])
        np.testing.assert_allclose(sol(middle), exact(float(middle)), rtol=3e-7)
        assert np.all(np.isnan(jax.jit(lambda s: s(1.5))(sol)))
        with pytest.raises(ValueError, match="but the solve covers"):
            sol(1.5)
    with pytest.raises(sj.SolveError, match="Raise the capacity"):
        solve(save)


@pytest.mark.parametrize("save", [sj.Steps, sj.Dense])
def test_a_capacity_that_just_fits_is_no_failure(save):
    n = int(solve(None).stats["accepted"])
    assert int(solve(save(n)).stats["accepted"]) == n


def test_several_requests_at_once():
    late, early = TS[3:], TS[:3]
    sol = solve({"early": early, "late": late[::-1], "end": None, "steps": sj.Steps(64), "all": sj.Dense(64)})
    assert set(sol.t) == set(sol.y) == set(sol.n) == {"early", "late", "end", "steps", "all"}
    np.testing.assert_allclose(sol.y["early"], solve(early).y, rtol=1e-12)
    np.testing.assert_allclose(sol.y["late"], solve(late).y[::-1], rtol=1e-12)
    np.testing.assert_array_equal(sol.y["end"], sol.state.y)
    np.testing.assert_allclose(sol(early), sol.y["early"], rtol=1e-13)
    assert int(sol.n["all"]) == int(sol.stats["accepted"])


def test_times_after_an_early_end_repeat_the_last_state():
    stop = sj.Event(lambda t, y, args: t - 1.0)
    ts = np.array([1.3, 0.61, 1.0, 0.9, 1.6])
    sol = solve(ts, events=stop)
    assert sol.result == sj.RESULT.event_occurred
    assert int(sol.n) == 3
    t = np.minimum(ts, 1.0)
    np.testing.assert_allclose(sol.t, t, rtol=1e-15)
    np.testing.assert_allclose(sol.y, exact(t), rtol=3e-7)


def test_auxiliary_outputs():
    """They are those of the field at the place that is saved."""

    def field(t, y, args):
        dy = spiral(t, y, args)
        return dy, {"speed": jnp.sum(dy**2), "twice": 2 * t}

    def run(save):
        return sj.solve_ode(field, SPAN, Y0, (1.0,), save=save, has_aux=True, rtol=1e-9, atol=1e-9)

    def speed(ts):
        return np.sum(np.asarray(jax.vmap(spiral, (0, 0, None))(jnp.asarray(ts), exact(ts), (1.0,))) ** 2, -1)

    sol = run({"ts": TS, "end": None, "steps": sj.Steps(64), "f": sj.Times(TS, doubled)})
    for key, ts in (("ts", TS), ("f", TS), ("steps", np.asarray(sol.t["steps"]))):
        np.testing.assert_allclose(sol.aux[key]["speed"], speed(ts), rtol=1e-5)
        np.testing.assert_allclose(sol.aux[key]["twice"], 2 * ts, rtol=1e-15)
    assert float(sol.aux["end"]["twice"]) == 3.2
    assert solve(TS).aux is None


def test_saving_does_not_change_the_steps():
    plain = solve(None)
    for save in (TS, sj.Steps(64), sj.Dense(64), {"a": TS, "b": sj.Steps(64)}):
        sol = solve(save)
        assert int(sol.stats["accepted"]) == int(plain.stats["accepted"])
        np.testing.assert_allclose(sol.state.y, plain.y, rtol=1e-12)


def test_vmapped_saves_are_each_lanes_own():
    """Lanes of different lengths, steps and times."""
    t1 = np.array([0.7, 1.6, 1.2])

    def run(t1):
        save = {"ts": jnp.linspace(0.5, t1, 9), "steps": sj.Steps(64), "dense": sj.Dense(64)}
        sol = solve(save, (0.5, t1))
        return sol, sol(0.5 + 0.3 * (t1 - 0.5))

    sol, inside = jax.vmap(run)(t1)
    for i, t in enumerate(t1):
        ts = np.linspace(0.5, t, 9)
        one = solve({"ts": ts, "steps": sj.Steps(64), "dense": sj.Dense(64)}, (0.5, t))
        np.testing.assert_allclose(sol.y["ts"][i], one.y["ts"], rtol=1e-12)
        # estimates of 1e-9 know their rounding, 1e-16, to seven digits, and steps go with their fifth root
        np.testing.assert_allclose(sol.t["steps"][i], one.t["steps"], rtol=1e-7 / 5)
        np.testing.assert_allclose(sol.y["steps"][i], one.y["steps"], rtol=1e-7 / 5)
        assert int(sol.n["dense"][i]) == int(one.n["dense"])
        np.testing.assert_allclose(inside[i], exact(0.5 + 0.3 * (t - 0.5)), rtol=3e-7)


@pytest.mark.float32
def test_float32_times():
    ts = jnp.linspace(0, 1, 11, dtype=jnp.float32)
    sol = sj.solve_ode(decay, (0.0, 1.0), jnp.float32(1), save=ts, rtol=1e-5)
    assert sol.t.dtype == sol.y.dtype == jnp.float32
    np.testing.assert_allclose(sol.y, np.exp(-np.asarray(ts)), rtol=1e-4)
