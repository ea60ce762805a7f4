"""`solve_jump`: ways to run it that agree, saving, dtypes, failures and messages."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

KEYS = jax.random.split(jax.random.key(0), 5)
SPAN = (0.0, 30.0)
SIR = ((-1, 1, 0), (0, -1, 1))
START, ARGS = (37, 3, 0), (0.015, 0.3)
METHODS = {"SSA": sj.SSA(), "NextReaction": sj.NextReaction(), "TauLeaping": sj.TauLeaping()}


def sir(t, x, args):
    infection, recovery = args
    return jnp.stack([infection * x[0] * x[1], recovery * x[1]])


def solve(key, x0=START, args=ARGS, span=SPAN, **options):
    return sj.solve_jump(sir, SIR, span, x0, key, args, **options)


def same(found, want):
    """Counts to the last bit; times and counts as floats to rounding, as vector instructions round a logarithm."""
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(want), strict=True):
        exact = jnp.issubdtype(a.dtype, jnp.integer)
        (np.testing.assert_array_equal if exact else lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12))(a, b)


def parts(key, method, throw=True):
    sol = solve(key, method=method, throw=throw, save={"ts": [0.0, 2.0, 30.0], "steps": sj.Steps(100)})
    return sol.t, sol.y, sol.n, sol.stats


@pytest.mark.parametrize("name", METHODS)
def test_eager_and_batched_solves_agree(name):
    method = METHODS[name]
    loop = [parts(key, method) for key in KEYS[:3]]
    same(jax.vmap(lambda key: parts(key, method))(KEYS[:3]), jax.tree.map(lambda *xs: jnp.stack(xs), *loop))


def test_other_ways_to_run_agree():
    method = sj.SSA()
    loop = [parts(key, method) for key in KEYS[:4]]
    stacked = jax.tree.map(lambda *xs: jnp.stack(xs), *loop)
    same(jax.jit(parts, static_argnums=1)(KEYS[1], method), loop[1])
    same(jax.lax.map(lambda key: parts(key, method, False), KEYS[:4], batch_size=2), stacked)
    nested = jax.vmap(jax.vmap(lambda key: parts(key, method, False)))(KEYS[:4].reshape(2, 2))
    same(nested, jax.tree.map(lambda x: x.reshape(2, 2, *x.shape[1:]), stacked))


def test_keys_decide_paths():
    ends = [np.asarray(solve(key, save=sj.Steps(100)).t) for key in (*KEYS[:3], KEYS[0], jax.random.PRNGKey(0))]
    assert np.array_equal(ends[0], ends[3])
    assert not np.array_equal(ends[0], ends[1]) and not np.array_equal(ends[1], ends[2])
    assert np.array_equal(ends[4], np.asarray(solve(jax.random.key(0), save=sj.Steps(100)).t))  # both styles of keys


@pytest.mark.parametrize("name", ["SSA", "TauLeaping"])
def test_saved_times_are_right_continuous_and_constant_between_jumps(name):
    method = METHODS[name]
    both = solve(KEYS[0], method=method, save={"steps": sj.Steps(100), "path": sj.Dense(200)})
    n = int(both.n["steps"])
    jumps, states = np.asarray(both.t["steps"][:n]), np.asarray(both.y["steps"][:n])
    assert jumps[0] == 0.0 and np.array_equal(states[0], START)
    np.testing.assert_array_equal(both(jumps), states)
    np.testing.assert_array_equal(both(np.nextafter(jumps[1:], -np.inf)), states[:-1])
    # in another program jumps may come one rounding error earlier or later
    ends = np.append(jumps[1:], 30.0)
    ts = np.stack([jumps + 1e-9, 0.5 * (jumps + ends), ends - 1e-9])
    order = np.random.default_rng(0).permutation(ts.size)
    found = solve(KEYS[0], method=method, save=ts.ravel()[order]).y
    np.testing.assert_array_equal(found, np.tile(states, (3, 1))[order])
    rest = np.asarray(both.y["steps"][n:])
    np.testing.assert_array_equal(rest, np.broadcast_to(states[-1], rest.shape))
    assert np.all(np.asarray(both.t["steps"][n:]) == 30.0)


def test_functions_of_the_state_are_saved():
    sol = solve(KEYS[0], save=sj.Times([1.0, 5.0], lambda t, x, args: {"infected": x[1], "rate": args[0] * t}))
    np.testing.assert_array_equal(sol.y["infected"], solve(KEYS[0], save=[1.0, 5.0]).y[:, 1])
    np.testing.assert_allclose(sol.y["rate"], [0.015, 0.075], rtol=1e-14)
    assert solve(KEYS[0], save=sj.Final(lambda t, x, args: jnp.sum(x))).y == 40


@pytest.mark.parametrize(
    ("x0", "dtype", "times"),
    [
        ([37, 3, 0], jnp.int64, jnp.float64),
        (np.array(START, np.int32), jnp.int32, jnp.float64),
        (np.array(START, np.float32), jnp.float32, jnp.float32),
        (jnp.array(START, jnp.float64), jnp.float64, jnp.float64),
    ],
)
def test_dtypes_follow_the_start(x0, dtype, times):
    sol = solve(KEYS[0], x0, save=[1.0, 30.0])
    assert sol.y.dtype == dtype and sol.t.dtype == times and bool(jnp.all(sol.y.sum(1) == 40))


def test_rates_see_real_numbers_whose_products_do_not_overflow():
    square = lambda t, x, args: (1e-12 * x[0] * x[0])[None]  # noqa: E731
    sol = sj.solve_jump(square, [[-1]], (0.0, 3.0), np.array([1_000_000], np.int32), KEYS[0])
    assert 0 <= 1_000_000 - int(sol.y[0]) < 20


@pytest.mark.parametrize("name", METHODS)
def test_states_without_rates_stay_until_t1(name):
    sol = solve(KEYS[0], (40, 0, 0), method=METHODS[name], save=sj.Steps(4))
    assert bool(sol.success) and float(sol.t[-1]) == 30.0 and int(sol.n) == 1 and int(sol.stats["accepted"]) == 0


def test_new_values_do_not_recompile():
    traces = []

    def rates(t, x, args):
        traces.append(1)
        return sir(t, x, args)

    run = lambda x0, args, span, key: sj.solve_jump(rates, SIR, span, np.array(x0), key, args)  # noqa: E731
    run(START, ARGS, SPAN, KEYS[0])
    first = len(traces)
    run((20, 5, 1), (0.1, 0.2), (1.0, 3), KEYS[1])
    assert len(traces) == first > 0


def test_args_and_keys_of_every_kind():
    rates = lambda t, x, args: args["k"] * (args["net"](x[0])[None] if args["on"] else 0 * x)  # noqa: E731
    sol = sj.solve_jump(rates, [[-1]], (0.0, 1.0), [5], KEYS[0], {"k": 2.0, "net": jnp.sqrt, "on": True})
    assert bool(sol.success)
    many = jax.vmap(lambda k, x0: solve(KEYS[0], x0, (k, 0.3)).y)(jnp.array([0.0, 1.0]), jnp.array([START, START]))
    assert int(many[0, 0]) == 37 and int(many[1, 0]) == 0


def test_zero_spans_and_no_times():
    sol = solve(KEYS[0], span=(1.0, 1.0), save=sj.Steps(3))
    assert bool(sol.success) and int(sol.n) == 1 and float(sol.t[0]) == 1.0
    assert solve(KEYS[0], save=np.zeros(0)).y.shape == (0, 3)


# failures


def test_bad_rates_name_the_channel():
    method = sj.NextReaction()
    for bad in (-0.25, np.nan, np.inf):
        with pytest.raises(sj.SolveError, match="Rates must be finite and not negative: channel 1 has") as raised:
            solve(KEYS[0], args=(0.015, bad), method=method)
        assert raised.value.solution.y.tolist() == list(START)
        assert solve(KEYS[0], args=(0.015, bad), method=method, throw=False).result == sj.RESULT.bad_rates
    late = lambda t, x, args: jnp.where(x < 3, -1.0, x)  # noqa: E731
    with pytest.raises(sj.SolveError, match=r"(?s)channel 0 has -1.*x = \[2\], after 8 jumps") as raised:
        sj.solve_jump(late, [[-1]], (0.0, 50.0), [10], KEYS[0], method=method, save=sj.Steps(20))
    assert raised.value.solution.y[:9, 0].tolist() == list(range(10, 1, -1))


def test_a_bound_that_is_too_low_fails():
    method = sj.SSA(bound=lambda t, x, args: 1.0)
    with pytest.raises(sj.SolveError, match="above the bound="):
        sj.solve_jump(lambda t, x, args: t * jnp.ones(1), [[1]], (0.0, 50.0), [0], KEYS[0], method=method)


def test_limits_stop_before_the_jump_that_exceeds_them():
    full = int(solve(KEYS[0]).stats["accepted"])
    for options, result in (
        ({"max_steps": full - 1}, sj.RESULT.max_steps_reached),
        ({"save": sj.Steps(full - 1)}, sj.RESULT.save_capacity_reached),
    ):
        sol = solve(KEYS[0], throw=False, **options)
        assert sol.result == result and int(sol.stats["accepted"]) == full - 1 and not bool(sol.success)
        last = solve(KEYS[0], save=sj.Steps(full)).y[full - 1]
        np.testing.assert_array_equal(sol.state.y, last)
        with pytest.raises(sj.SolveError, match="max_steps=|Raise the capacity"):
            solve(KEYS[0], **options)
    assert bool(solve(KEYS[0], max_steps=full, save=sj.Steps(full)).success)
    kept = solve(KEYS[0], save=sj.Dense(3), throw=False)
    assert kept.result == sj.RESULT.save_capacity_reached and int(kept.n) == 3


def test_failures_under_jit_raise_and_batches_keep_their_own_results():
    with pytest.raises(Exception, match="max_steps steps"):
        jax.block_until_ready(jax.jit(lambda key: solve(key, max_steps=3).t)(KEYS[0]))
    # counts are whole numbers, and all that many calls use
    for part in (lambda sol: sol.y, lambda sol: sol.stats["accepted"], lambda sol: sol.success):
        with pytest.raises(Exception, match="max_steps steps"):
            jax.block_until_ready(jax.jit(lambda key, part=part: part(solve(key, max_steps=3)))(KEYS[0]))
    result = jax.vmap(lambda g: solve(KEYS[0], args=(0.015, g), throw=False).result)(jnp.array([0.3, -0.3]))
    assert (result == sj.RESULT.successful).tolist() == [True, False]


def test_traced_spans_that_are_wrong_fail():
    wrong = jax.jit(lambda t1: solve(KEYS[0], span=(0.0, t1), throw=False).result)
    assert wrong(-1.0) == sj.RESULT.non_finite and wrong(jnp.nan) == sj.RESULT.non_finite
    outside = jax.jit(lambda t: solve(KEYS[0], save=t[None], throw=False).result)
    assert outside(31.0) == sj.RESULT.save_outside_span


def test_derivatives_are_refused():
    loss = lambda k: solve(KEYS[0], args=(k, 0.3)).t  # noqa: E731
    with pytest.raises(TypeError, match="paths of jump processes have no derivatives"):
        jax.grad(loss)(0.015)
    with pytest.raises(TypeError, match="stop_gradient"):
        jax.jvp(loss, (0.015,), (1.0,))
    # beside a path there may be some, of scores say
    assert float(jax.grad(lambda k: k * jnp.sum(solve(KEYS[0], args=(jax.lax.stop_gradient(k), 0.3)).y))(0.015)) == 40.0


# what is refused before solving

BY_MASS = sj.MassAction(np.maximum(-np.array(SIR), 0), np.maximum(SIR, 0))


@cache
def _rates(n):
    return lambda t, x, args: jnp.ones(n)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rates": 3.0}, TypeError, "rates must be a function"),
        ({"rates": lambda x: x}, TypeError, "rates is called as rates"),
        ({"rates": _rates(3)}, ValueError, r"shape \(2,\), one for each row of stoichiometry; it returned \(3,\)"),
        ({"rates": lambda t, x, args: [x[0], x[1]]}, ValueError, "stack them"),
        ({"rates": lambda t, x, args: 1j * x[:2]}, TypeError, "complex"),
        ({"rates": lambda t, x, args: t * x[:2]}, ValueError, r"depend on t, but sj.SSA .*bound=\.\.\."),
        ({"stoichiometry": [1, 2]}, ValueError, r"shape \(channels, species\)"),
        ({"stoichiometry": [[np.nan] * 3] * 2}, ValueError, "must be finite"),
        ({"stoichiometry": [[0.5, 0, 0]] * 2}, ValueError, "give x0 as floats"),
        ({"x0": [1, 2]}, ValueError, r"x0 must have shape \(3,\)"),
        ({"x0": np.ones(3, np.uint32)}, TypeError, "signed integers"),
        ({"x0": np.ones(3, bool)}, TypeError, "signed integers"),
        ({"x0": np.ones(3, np.int8)}, TypeError, "of 32 or 64 bits"),
        ({"stoichiometry": [[2**31, 0, 0]] * 2, "x0": np.ones(3, np.int32)}, ValueError, "above 2147483647"),
        (
            {"rates": sj.MassAction([[1, 0]] * 2, [[0, 1]] * 2)},
            ValueError,
            r"have shape \(2, 2\), but stoichiometry \(2, 3",
        ),
        ({"x0": np.array([1.0, np.nan, 0.0])}, ValueError, "x0 must be finite"),
        ({"rates": BY_MASS, "x0": np.array([1.0, 0.5, 0.0])}, ValueError, "whole numbers, none negative"),
        ({"rates": BY_MASS, "x0": [1, -1, 0]}, ValueError, "whole numbers, none negative"),
        ({"t_span": (1.0, 0.0)}, ValueError, "forwards in time"),
        ({"t_span": (0.0, np.inf)}, ValueError, "finite"),
        ({"key": None}, ValueError, "needs a key"),
        ({"key": 3}, TypeError, "key of jax.random"),
        ({"key": KEYS[:5]}, ValueError, r"one key; got \(5,\) of them: call under jax.vmap"),
        ({"method": sj.SSA}, TypeError, r"write SSA\(\)"),
        ({"method": sj.Tsit5()}, TypeError, "must be a sj.JumpMethod"),
        ({"method": sj.SSA(bound=lambda x: x)}, TypeError, "bound of sj.SSA is called as"),
        ({"method": sj.SSA(bound=lambda t, x, args: x)}, ValueError, "must return one number"),
        ({"max_steps": 0}, ValueError, "max_steps must be a positive int"),
        ({"save": [40.0]}, ValueError, "times in save="),
        ({"save": "all"}, TypeError, "save must be"),
    ],
)
def test_what_is_refused(change, error, message):
    given = {"rates": sir, "stoichiometry": SIR, "t_span": SPAN, "x0": START, "key": KEYS[0], "args": ARGS} | change
    with pytest.raises(error, match=message):
        sj.solve_jump(**given)


def test_traced_stoichiometry_is_refused():
    with pytest.raises(TypeError, match="known while tracing"):
        jax.jit(lambda nu: sj.solve_jump(sir, nu, SPAN, START, KEYS[0], ARGS).y)(jnp.array(SIR))
