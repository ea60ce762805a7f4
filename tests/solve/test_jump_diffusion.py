"""`solve_jump_diffusion`: distributions that are known, ways to run it that agree, gradients, and what is refused."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import sciml_jax as sj

from .jumps.exact import SIGNIFICANCE, chi_square

KEYS = jax.random.split(jax.random.key(0), 2000)


def decay(t, y, args):
    return -args[0] * y


def up(t, y, key, args):
    return y + 1.0


def rate(t, y, args):
    return args[1]


SHOTS = sj.Jump(rate, up)
shot = partial(sj.solve_jump_diffusion, decay, None, SHOTS, (0.0, 2.0), 0.5)


def test_shot_noise():
    """Jumps by one at rate r and decay at rate a: mean and variance r (1 - exp(-k a t)) / (k a), k = 1, 2; their number
    is a Poisson number."""
    a, r = 1.2, 3.0
    sol = jax.jit(jax.vmap(lambda key: shot(key, (a, r), rtol=1e-5, throw=False, max_events=40)))(KEYS)
    assert bool(jnp.all(sol.success))
    n, mean = len(KEYS), 0.5 * np.exp(-2 * a) + r * (1 - np.exp(-2 * a)) / a
    variance = r * (1 - np.exp(-4 * a)) / (2 * a)
    assert abs(float(sol.y.mean()) - mean) < 4 * np.sqrt(variance / n)  # standard errors
    # of a sample variance, with an excess kurtosis of at most 2
    assert abs(float(sol.y.var()) / variance - 1) < 4 * np.sqrt(4 / n)
    counts = np.asarray(sol.stats["jumps"])
    assert chi_square(counts, stats.poisson.pmf(np.arange(40), 2 * r)) > SIGNIFICANCE
    assert bool(jnp.all(sol.event.n == counts))


thinned = partial(pytest.param, id="thinned", marks=pytest.mark.slow)


@pytest.mark.parametrize("bound", [pytest.param(None, id="integrated"), thinned(lambda t, y, args: 1.3 * y + 0.2)])
def test_times_to_a_rising_hazard(bound):
    """y grows at rate one and is set to zero by jumps of intensity y: times between jumps have the density of
    Rayleigh's distribution, t exp(-t^2 / 2)."""
    ageing = sj.Jump(lambda t, y, args: y, lambda t, y, key, args: 0.0 * y, bound)
    run = lambda key: sj.solve_jump_diffusion(
        lambda t, y, args: jnp.ones_like(y), None, ageing, (0.0, 15.0), 0.0, key, throw=False, max_events=60
    )
    sol = jax.jit(jax.vmap(run))(KEYS[:300])
    assert bool(jnp.all(sol.success))
    waits = []
    for t, y, n in zip(*map(np.asarray, (sol.event.t, sol.event.y, sol.event.n)), strict=True):
        # of candidates that are no jumps, y goes on to the next; at jumps it is the time since the last one
        jumped = np.diff(y[:n]) < np.diff(t[:n]) - 1e-6
        waits.append(y[: n - 1][jumped][:6])  # twelve fit into a path: the end does not choose among the first six
    assert min(map(len, waits)) == 6
    assert stats.kstest(np.concatenate(waits), "rayleigh").pvalue > SIGNIFICANCE


@pytest.mark.parametrize("bound", [pytest.param(None, id="integrated"), thinned(6.0)])
def test_a_price_that_diffuses_and_jumps(bound):
    """Merton's model: the logarithm has the mean (mu + r m) t and the variance (sigma^2 + r (m^2 + s^2)) t."""
    mu, sigma, r, m, s = 0.3, 0.5, 4.0, -0.2, 0.3
    jump = sj.Jump(r, lambda t, y, key, args: y + m + s * jax.random.normal(key), bound)
    run = lambda key: sj.solve_jump_diffusion(
        lambda t, y, args: mu + 0 * y,
        lambda t, y, args: sigma + 0 * y,
        jump,
        (0.0, 1.0),
        0.0,
        key,
        noise="additive",
        dt=1 / 64,
        throw=False,
        max_events=40,
    )
    sol = jax.jit(jax.vmap(run))(KEYS)
    assert bool(jnp.all(sol.success))
    n, variance = len(KEYS), sigma**2 + r * (m**2 + s**2)
    assert abs(float(sol.y.mean()) - (mu + r * m)) < 4 * np.sqrt(variance / n)  # standard errors
    # a jump inside a step loses up to a sixth of the step's variance: r h sigma^2 / 6 of it
    assert abs(float(sol.y.var()) / variance - 1) < 4 * np.sqrt(3 / n) + r / 64 / 6
    assert chi_square(np.asarray(sol.stats["jumps"]), stats.poisson.pmf(np.arange(30), r)) > SIGNIFICANCE


@pytest.mark.slow
def test_an_intensity_that_follows_the_diffusion():
    """Jumps counted at the intensity of a martingale y that starts at two: two in the mean until t = 1."""
    count = sj.Jump(lambda t, y, args: y[0], lambda t, y, key, args: y.at[1].add(1.0))
    run = lambda key: sj.solve_jump_diffusion(
        lambda t, y, args: jnp.zeros_like(y),
        lambda t, y, args: 0.4 * jnp.stack([y[0], 0 * y[0]]),
        count,
        (0.0, 1.0),
        np.array([2.0, 0.0]),
        key,
        steps=32,
        throw=False,
        max_events=30,
    )
    sol = jax.jit(jax.vmap(run))(KEYS)
    np.testing.assert_array_equal(sol.y[:, 1], sol.stats["jumps"])
    # the variance is at least that of Poisson numbers, two, and at most that with y at its end, 2 + 4 (exp(0.16) - 1)
    assert abs(float(sol.y[:, 1].mean()) - 2) < 4 * np.sqrt(2.7 / len(KEYS))


CHEAP = {"method": sj.Midpoint(), "dt": 0.125}  # quick to compile, and as much a path


def test_ways_to_run_agree_and_saves_are_right_continuous():
    def run(key):
        save = {"ts": [0.0, 1.0, 2.0], "steps": sj.Steps(100)}
        sol = shot(key, (1.0, 4.0), save=save, throw=False, max_events=50, **CHEAP)
        return sol.t, sol.y, sol.n, sol.stats["jumps"], sol.event

    singles = [run(key) for key in KEYS[:3]]
    loop = jax.tree.map(lambda *xs: jnp.stack(xs), *singles)
    # event times are found to rounding
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12), jax.vmap(run)(KEYS[:3]), loop)
    t, y, n, jumps, log = singles[0]
    assert int(jumps) == int(log.n) > 0
    times, before = (np.asarray(x[: int(log.n)]) for x in (log.t, log.y))
    places = np.searchsorted(t["steps"][: int(n["steps"])], times)
    np.testing.assert_array_equal(t["steps"][places], times)
    np.testing.assert_allclose(y["steps"][places], before + 1, rtol=1e-12)
    # at saved times just before and after, in another program; dy/dt is below 10
    near = sj.Times(np.concatenate([times - 1e-8, times + 1e-8]), lambda t, y, args: 2 * y)
    found = shot(KEYS[0], (1.0, 4.0), save=near, **CHEAP).y / 2
    np.testing.assert_allclose(found, np.concatenate([before, before + 1]), atol=2e-7)


def test_gradients_are_those_of_the_path():
    """Against central differences with the same key, jump times that move included: h^2 is 1e-10, and the times are
    found to rounding, which over h is 1e-9 or so."""
    moving = sj.Jump(lambda t, y, args: args[1] * (1 + jnp.sin(y) ** 2), up)
    run = lambda p: sj.solve_jump_diffusion(decay, None, moving, (0.0, 1.5), 0.5, KEYS[0], p, max_steps=40, **CHEAP)
    p, h = np.array([0.8, 2.5]), 1e-5
    value = jax.jit(lambda p: (run(p).y, run(p).stats["jumps"]))
    assert int(value(p)[1]) > 1
    wanted = [(value(p + h * e)[0] - value(p - h * e)[0]) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(jax.grad(lambda p: run(p).y)(p), wanted, rtol=1e-6)


@pytest.mark.slow
def test_several_kinds_of_jumps():
    """Up and down at rates of their own: the state is a difference of Poisson numbers."""
    kinds = (sj.Jump(3.0, up), sj.Jump(1.0, lambda t, y, key, args: y - 1.0))
    # constant intensities: Euler's steps are exact
    options = {"method": sj.Euler(), "dt": 1.0, "throw": False, "max_events": 60}
    run = lambda key: sj.solve_jump_diffusion(still, None, kinds, (0.0, 3.0), 0.0, key, **options).y
    ends = np.asarray(jax.jit(jax.vmap(run))(KEYS[:1000]))
    assert np.array_equal(ends, np.round(ends))
    assert abs(ends.mean() - 6) < 4 * np.sqrt(12 / 1000) and abs(ends.var() / 12 - 1) < 4 * np.sqrt(2.2 / 1000)


def still(t, y, args):
    return jnp.zeros_like(y)


def test_other_events_see_the_jumps():
    """The end at a bound that a jump crosses: the second of the two, the given one, which comes first in the list."""
    stop = sj.Event(lambda t, y, args: y - 1.5, terminate=True)
    options = {"method": sj.Euler(), "dt": 1.0, "events": stop}
    sol = sj.solve_jump_diffusion(still, None, sj.Jump(3.0, up), (0.0, 9.0), 0.0, KEYS[0], **options)
    assert sol.result == sj.RESULT.event_occurred and float(sol.y) == 2.0
    assert sol.event.which[: int(sol.event.n)].tolist() == [1, 1, 0] and int(sol.stats["jumps"]) == 2


def test_new_values_do_not_recompile():
    traces = []

    def field(t, y, args):
        traces.append(1)
        return -args * y

    run = lambda *given: sj.solve_jump_diffusion(field, None, *given, method=sj.Euler(), dt=0.1)
    run(sj.Jump(2.0, up), (0.0, 1.0), 1.0, KEYS[0], 0.5)
    first = len(traces)
    run(sj.Jump(3.0, up), (0.0, 2.0), 2.0, KEYS[1], 0.7)
    assert len(traces) == first > 0


def test_noise_as_a_matrix_and_states_of_several_arrays():
    jump = sj.Jump(2.0, lambda t, y, key, args: {"a": y["a"] + 1, "b": y["b"]})
    sol = sj.solve_jump_diffusion(
        lambda t, y, args: jax.tree.map(jnp.zeros_like, y),
        lambda t, y, args: {"a": 0.1 * jnp.ones((2, 3)), "b": 0.2 * jnp.ones(3)},
        jump,
        (0.0, 1.0),
        {"a": np.zeros(2), "b": 1.0},
        KEYS[0],
        noise="general",
        steps=16,
        save=sj.Steps(),
    )
    assert bool(sol.success) and sol.y["a"].shape[1:] == (2,) and sol.y["b"].ndim == 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"jumps": 3.0}, TypeError, "jumps must be a sj.Jump"),
        ({"key": None}, ValueError, "needs a key"),
        ({"t_span": (1.0, 0.0)}, ValueError, "forwards in time"),
        ({"y0": 1j}, TypeError, "needs a real y0"),
        ({"save": sj.Dense()}, TypeError, "not for jump diffusions"),
        ({"mass": np.eye(1)}, TypeError, "takes no mass="),
        ({"jumps": sj.Jump(lambda t, y, args: jnp.ones(2), up)}, ValueError, "intensity of sj.Jump must be one number"),
        ({"drift": 1.0}, TypeError, "drift must be a function"),
        ({"jumps": sj.Jump(1.0, lambda t, y, key, args: (y, y))}, TypeError, "affect of sj.Jump must return a pytree"),
        (
            {"jumps": sj.Jump(1.0, lambda t, y, key, args: jnp.ones(3))},
            ValueError,
            r"affect of sj.Jump must return the shapes of y0: y is \(\), its state \(3,\)",
        ),
    ],
)
def test_what_is_refused(change, error, message):
    given = {"drift": decay, "diffusion": None, "jumps": SHOTS, "t_span": (0.0, 1.0), "y0": 1.0, "key": KEYS[0]}
    with pytest.raises(error, match=message):
        sj.solve_jump_diffusion(**(given | {"args": (1.0, 2.0)} | change))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((lambda y: y, up), "intensity of sj.Jump is called as"),
        ((1.0, lambda t, y: y), "affect of sj.Jump is called as"),
        ((1.0, up, lambda y: y), "bound of sj.Jump is called as"),
        (("often", up), "one real number"),
    ],
)
def test_jumps_that_are_refused(arguments, message):
    with pytest.raises(TypeError, match=message):
        sj.Jump(*arguments)


@pytest.mark.parametrize("t0", [0.0, 1000.0])
def test_fast_jumps_in_single_precision(t0):
    """Jumps that come within rounding of one another, and numbers that are nearly zero, neither end a solve nor stop a
    clock: so their number is a Poisson number."""
    rate, count = 100.0, 400
    given = (lambda t, y, args: 0 * y, None, sj.Jump(rate, up), (t0, t0 + 2), jnp.float32(0.0))
    sol = jax.jit(jax.vmap(lambda key: sj.solve_jump_diffusion(*given, key, throw=False)))(KEYS[:count])
    assert sol.y.dtype == jnp.float32 and bool(jnp.all(sol.success))
    assert abs(float(sol.y.mean()) - 2 * rate) < 4 * np.sqrt(2 * rate / count)  # standard errors
    assert abs(float(sol.y.var()) / (2 * rate) - 1) < 4 * np.sqrt(2 / count)


@pytest.mark.parametrize("diffusion", [None, lambda t, y, args: 0.1 * y], ids=["deterministic", "diffusion"])
def test_a_bound_that_is_too_low_fails(diffusion):
    wrong = sj.Jump(3.0, up, bound=2.0)
    options = {} if diffusion is None else {"dt": 0.25}
    sol = sj.solve_jump_diffusion(decay, diffusion, wrong, (0.0, 9.0), 0.5, KEYS[0], (1.0,), throw=False, **options)
    assert np.isnan(sol.y) and not bool(sol.success)
