"""The front function: what recompiles, tolerances and norms, spans of any kind, and how a solve goes on."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import decay, spiral, spiral_exact

SPAN, Y0 = (0.5, 1.6), np.array([1.3, 2.0])


class Counted:
    """A field that counts how often it is traced."""

    def __init__(self):
        self.traces = 0

    def __call__(self, t, y, args):
        self.traces += 1
        k = 1.0 if args is None else args
        return jax.tree.map(lambda y: -k * y, y)


BASE = {
    "t_span": (0.0, 1.0), "y0": 1.0, "args": 2.0, "rtol": 1e-4, "atol": 1e-6, "dt0": 0.1, "dt_min": 1e-9, "dt_max": 0.5,
    "step_to": [0.5], "save": [0.2, 0.4],
}  # fmt: skip
CHANGES = {
    "the end": {"t_span": (0.0, 2.0)},
    "both ends, as ints": {"t_span": (-1, 3)},
    "direction": {"t_span": (1.0, 0.0), "save": [0.4, 0.2]},
    "tolerances": {"rtol": 1e-7, "atol": 1e-9},
    "a zero tolerance": {"atol": 0},
    "the state": {"y0": 3.0},
    "the state, an int": {"y0": 3},
    "a parameter": {"args": -0.5},
    "steps": {"dt0": 0.3, "dt_min": 1e-7, "dt_max": 0.2},
    "stops": {"step_to": [0.7]},
    "saved times": {"save": [0.1, 0.9]},
}


def test_new_numbers_do_not_recompile():
    """Tolerances, spans, states, parameters, steps, stops and times are traced."""
    field = Counted()

    def run(**changes):
        options = BASE | changes
        return sj.solve_ode(field, options.pop("t_span"), options.pop("y0"), options.pop("args"), **options)

    run()
    few = field.traces
    for name, changes in CHANGES.items():
        sol = run(**changes)
        assert field.traces == few, f"{name} recompiled"
        k, span, y0 = (changes.get(n, BASE[n]) for n in ("args", "t_span", "y0"))
        # a hundred times the loosest tolerance
        assert float(sol.state.y) == pytest.approx(y0 * np.exp(-k * (span[1] - span[0])), rel=1e-2)


def test_a_new_function_or_shape_does():
    field = Counted()
    for y0 in (1.0, np.ones(2), {"a": 1.0}):
        before = field.traces
        sj.solve_ode(field, (0.0, 1.0), y0)
        assert field.traces > before


def test_under_jit_the_body_is_inlined():
    """No second compilation, and the same numbers."""
    run = lambda y0: sj.solve_ode(spiral, SPAN, y0, (1.0,), rtol=1e-8).y  # noqa: E731
    np.testing.assert_allclose(jax.jit(run)(Y0), run(Y0), rtol=1e-12)


@pytest.mark.float32
@pytest.mark.parametrize(
    "y0",
    [
        1.0,
        2,
        np.float32(1),
        np.ones((2, 3), np.float32),
        jnp.zeros((0,)),
        [1.0, (jnp.ones(2), {"a": 3.0})],
        1j,
        np.ones(1),
    ],
    ids=str,
)
def test_states_of_any_kind(y0):
    sol = sj.solve_ode(lambda t, y, args: jax.tree.map(jnp.negative, y), (0.0, 1.0), y0, rtol=1e-5)
    assert jax.tree.structure(sol.y) == jax.tree.structure(y0)
    for start, end in zip(jax.tree.leaves(y0), jax.tree.leaves(sol.y), strict=True):
        assert end.shape == np.shape(start)
        assert jnp.issubdtype(end.dtype, jnp.inexact)
        np.testing.assert_allclose(end, np.asarray(start) * np.exp(-1), rtol=1e-4)


@pytest.mark.parametrize("save", [None, [1.0, 1.0], sj.Steps(3), sj.Dense(3), sj.Times([], decay)])
def test_a_span_of_no_length(save):
    """t0 = t1 returns y0, with success, in every shape of saving."""
    sol = sj.solve_ode(decay, (1.0, 1.0), 2.0, save=save)
    assert sol.result == sj.RESULT.successful
    assert int(sol.stats["accepted"]) == 0
    assert np.all(np.asarray(sol.y) == 2.0)
    assert float(sol.state.y) == 2.0 and float(sol.state.t) == 1.0
    if isinstance(save, sj.Dense):
        assert float(sol(1.0)) == 2.0
    gradient = jax.grad(lambda y: jnp.sum(jnp.asarray(sj.solve_ode(decay, (1.0, 1.0), y, save=save).y)))(2.0)
    assert float(gradient) == np.size(sol.y[:1] if isinstance(save, sj.Steps) else sol.y) or isinstance(save, sj.Steps)


def test_a_span_that_is_batched():
    """Some lanes have nothing to do."""
    t1 = jnp.array([0.0, 1.0, -1.0])
    sol = jax.vmap(lambda t1: sj.solve_ode(decay, (0.0, t1), 1.0, rtol=1e-9))(t1)
    np.testing.assert_allclose(sol.y, np.exp(-t1), rtol=1e-7)
    assert sol.stats["accepted"].tolist()[0] == 0


def scaled(t, y, args):
    """Two decays of very different size."""
    return -jnp.array([1.0, 3.0]) * y


@pytest.mark.parametrize(
    "options",
    [
        {"rtol": np.array([1e-8, 1e-2]), "atol": np.array([1e-10, 1e-3])},
        {"rtol": 0.0, "atol": np.array([1e-9, 1e-3])},
        {"rtol": np.array([1e-8, 1e-2]), "atol": 0.0},
    ],
    ids=["both", "atol", "rtol"],
)
def test_tolerances_as_arrays(options):
    """Every component has its own; together they ask for what the tightest one needs."""
    sol = sj.solve_ode(scaled, (0.0, 1.0), np.ones(2), **options)
    loose = sj.solve_ode(scaled, (0.0, 1.0), np.ones(2), rtol=1e-2, atol=1e-3)
    assert int(sol.stats["accepted"]) > int(loose.stats["accepted"])
    np.testing.assert_allclose(sol.y[0], np.exp(-1), rtol=1e-6)


def test_tolerances_as_pytrees():
    """A tree like y0, and a prefix of it, give the steps of the array of the same numbers."""

    def field(t, y, args):
        return {"a": -y["a"], "b": {"c": -3 * y["b"]["c"]}}

    y0 = {"a": 1.0, "b": {"c": 1.0}}
    array = sj.solve_ode(scaled, (0.0, 1.0), np.ones(2), rtol=np.array([1e-7, 1e-4]), atol=1e-9, save=sj.Steps(64))
    for rtol in ({"a": 1e-7, "b": {"c": 1e-4}}, {"a": 1e-7, "b": 1e-4}):
        tree = sj.solve_ode(field, (0.0, 1.0), y0, rtol=rtol, atol={"a": 1e-9, "b": 1e-9}, save=sj.Steps(64))
        # rounding, seen through error estimates of 1e-7
        np.testing.assert_allclose(tree.t, array.t, rtol=1e-8)


def test_a_users_norm():
    """The error is judged by it: the largest entry asks for at least the steps that the mean does."""
    options = {"rtol": 1e-7, "atol": 1e-9, "save": sj.Steps(200)}
    y0 = np.array([1.0] + [0.0] * 15)

    def rotate(t, y, args):
        return jnp.zeros(16).at[0].set(-y[0] * jnp.cos(5 * t))

    rms = sj.solve_ode(rotate, (0.0, 2.0), y0, **options)
    top = sj.solve_ode(rotate, (0.0, 2.0), y0, norm=sj.max_norm, **options)
    own = sj.solve_ode(rotate, (0.0, 2.0), y0, norm=lambda e: jnp.max(jnp.abs(e)), **options)
    four = sj.solve_ode(rotate, (0.0, 2.0), y0, norm=lambda e: 4 * sj.rms_norm(e), **options)
    assert int(rms.n) < int(top.n)
    np.testing.assert_allclose(own.t, top.t, rtol=1e-10)
    # one component in sixteen: its root mean square is a quarter of it
    np.testing.assert_allclose(four.t, top.t, rtol=1e-10)


def test_a_seminorm_ignores_what_it_leaves_out():
    """Steps are those of the first half alone."""

    def field(t, y, args):
        return {"main": -y["main"], "rest": 50 * jnp.cos(50 * t) + 0 * y["rest"]}

    sol = sj.solve_ode(field, (0.0, 1.0), {"main": 1.0, "rest": 0.0}, norm=lambda e: sj.rms_norm(e["main"]))
    alone = sj.solve_ode(decay, (0.0, 1.0), 1.0)
    assert int(sol.stats["accepted"]) == int(alone.stats["accepted"])


def test_a_projection_keeps_a_constraint():
    """On the circle after every accepted step; saved rows are the projected ones."""

    def turn(t, y, args):
        return jnp.stack([-y[1], y[0]])

    def circle(t, y, args):
        return y / jnp.sqrt(jnp.sum(y**2))

    options = {"rtol": 1e-4, "atol": 1e-4, "save": sj.Steps(64)}
    free = sj.solve_ode(turn, (0.0, 6.0), np.array([1.0, 0.0]), **options)
    kept = sj.solve_ode(turn, (0.0, 6.0), np.array([1.0, 0.0]), projection=circle, **options)
    radius = lambda sol: np.sqrt(np.sum(np.asarray(sol.y) ** 2, -1))  # noqa: E731
    assert np.abs(radius(free) - 1).max() > 1e-6
    np.testing.assert_allclose(radius(kept), 1.0, rtol=1e-15)
    np.testing.assert_allclose(kept.y[-1], [np.cos(6), np.sin(6)], atol=1e-3)


# An input that jumps, and times to step to


def charge(t, y, args):
    """A switch closes at 0.4 and opens at 0.7."""
    return jnp.where((t >= 0.4) & (t < 0.7), 1.0, 0.0) - y


def charged(t):
    up = 1 - np.exp(-(np.minimum(t, 0.7) - 0.4))
    return 0.5 * np.exp(-t) + np.where(t < 0.4, 0.0, up * np.exp(-np.maximum(t - 0.7, 0)))


def test_an_input_is_seen_from_its_left_and_then_from_its_right():
    """With the jumps named, no step straddles one: nothing is rejected and the order holds."""
    options = {"rtol": 1e-8, "atol": 1e-8, "save": {"steps": sj.Steps(500), "end": None}}
    blind = sj.solve_ode(charge, (0.0, 1.0), 0.5, **options)
    named = sj.solve_ode(charge, (0.0, 1.0), 0.5, step_to=[0.7, 0.4], **options)
    assert int(named.stats["steps"]) < int(blind.stats["steps"]) / 2
    assert {0.4, 0.7} <= set(np.asarray(named.t["steps"]).tolist())
    np.testing.assert_allclose(named.y["steps"], charged(np.asarray(named.t["steps"])), atol=1e-7)


@pytest.mark.parametrize(("method", "order"), [(sj.RK4(), 4), (sj.Vern7(), 7), (sj.Heun(), 2), (sj.ALF(), 2)])
def test_the_order_is_kept_across_a_jump(method, order):
    """Constant steps that do not meet the jump: the step before it is cut, the next starts on its right."""

    def field(t, y, args):
        return jnp.where(t < 1 / 3, 1.0, -2.0) * y * jnp.cos(t)

    def end(dt):
        return sj.solve_ode(field, (0.0, 1.0), 1.0, method=method, dt=dt, step_to=[1 / 3]).y

    exact = np.exp(np.sin(1 / 3) - 2 * (np.sin(1.0) - np.sin(1 / 3)))
    dts = np.array([0.2, 0.1, 0.05] if order > 4 else [0.05, 0.025, 0.0125])
    errors = [abs(float(end(dt)) - exact) for dt in dts]
    assert np.polyfit(np.log(dts), np.log(errors), 1)[0] > order - 0.5


def test_stops_backwards_and_outside():
    sol = sj.solve_ode(
        charge, (1.0, 0.0), charged(1.0), step_to=[0.4, 5.0, 0.7, -3.0], save=sj.Steps(64), rtol=1e-9, atol=1e-9
    )
    ts = np.asarray(sol.t[: int(sol.n)])
    assert {0.4, 0.7} <= set(ts.tolist())
    np.testing.assert_allclose(sol.y[: int(sol.n)], charged(ts), atol=1e-7)


def test_a_short_step_to_a_stop_does_not_make_the_next_one_short():
    stops = np.linspace(0, 10, 7)[1:-1] + 1e-6
    free = sj.solve_ode(decay, (0.0, 10.0), 1.0, rtol=1e-4)
    named = sj.solve_ode(decay, (0.0, 10.0), 1.0, rtol=1e-4, step_to=np.concatenate([stops, stops - 1e-7]))
    # each pair of stops costs two steps, and no recovery
    assert int(named.stats["accepted"]) <= int(free.stats["accepted"]) + 2 * len(stops) + 2


# Going on


@pytest.mark.parametrize(
    "method", [sj.Tsit5(), sj.Vern7(), sj.ALF(), sj.ReversibleHeun()], ids=lambda m: type(m).__name__
)
def test_a_solve_goes_on_from_its_state(method):
    """Two halves take the steps of the whole, without a new start."""
    options = {"method": method, "rtol": 1e-5, "atol": 1e-5, "save": sj.Steps(2000)}
    whole = sj.solve_ode(spiral, SPAN, Y0, (1.0,), step_to=[1.1], **options)
    first = sj.solve_ode(spiral, (0.5, 1.1), Y0, (1.0,), **options)
    second = sj.solve_ode(spiral, (1.1, 1.6), first.state.y, (1.0,), state=first.state, **options)
    n, m = int(first.n), int(second.n)
    assert n + m - 1 == pytest.approx(int(whole.n), abs=2)
    start = int(sj.solve_ode(spiral, (1.1, 1.6), first.state.y, (1.0,), **options).stats["field_evaluations"])
    assert int(second.stats["field_evaluations"]) < start
    np.testing.assert_allclose(second.state.y, spiral_exact(1.6, 0.5, jnp.asarray(Y0), 1.0), rtol=2e-3)


def test_a_solve_turns_round():
    there = sj.solve_ode(spiral, SPAN, Y0, (1.0,), rtol=1e-9, atol=1e-9)
    back = sj.solve_ode(spiral, SPAN[::-1], there.y, (1.0,), state=there.state, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(back.y, Y0, rtol=1e-6)


def test_going_on_after_an_event_under_jit_and_grad():
    """Gradients go through the state that is handed on."""

    def chained(y0, k):
        field = lambda t, y, k: -k * y  # noqa: E731
        first = sj.solve_ode(field, (0.0, 0.5), y0, k, rtol=1e-10, atol=1e-10)
        return sj.solve_ode(field, (0.5, 1.0), first.y, k, state=first.state, rtol=1e-10, atol=1e-10).y

    value, (dy, dk) = jax.jit(jax.value_and_grad(chained, (0, 1)))(1.5, 0.8)
    np.testing.assert_allclose([value, dy, dk], np.exp(-0.8) * np.array([1.5, 1.0, -1.5]), rtol=1e-8)


def test_another_controller_may_go_on():
    first = sj.solve_ode(decay, (0.0, 1.0), 1.0, rtol=1e-8)
    for controller in (sj.IController(), sj.PIDController(1 / 18, 1 / 9, 1 / 18)):
        second = sj.solve_ode(decay, (1.0, 2.0), first.y, state=first.state, rtol=1e-8, controller=controller)
        np.testing.assert_allclose(second.y, np.exp(-2), rtol=1e-6)
    steps = sj.solve_ode(decay, (1.0, 2.0), first.y, state=first.state, steps=20)
    np.testing.assert_allclose(steps.y, np.exp(-2), rtol=1e-6)


# What a field may be


class Network(eqx.Module):
    """A module as a field: its arrays are leaves, its activation is not."""

    weight: jax.Array
    activation: object = eqx.field(static=True, default=jnp.tanh)

    def __call__(self, t, y, args):
        return self.activation(self.weight @ y) * args


def test_a_module_is_a_field():
    network = Network(jnp.array([[0.1, -1.0], [0.7, 0.2]]))
    plain = sj.solve_ode(lambda t, y, args: jnp.tanh(network.weight @ y) * args, (0.0, 1.0), Y0, 1.5)
    np.testing.assert_allclose(sj.solve_ode(network, (0.0, 1.0), Y0, 1.5).y, plain.y, rtol=1e-13)
    bound = sj.solve_ode(network.__call__, (0.0, 1.0), Y0, 1.5)
    np.testing.assert_allclose(bound.y, plain.y, rtol=1e-13)


def test_keys_and_integers_in_args():
    def field(t, y, args):
        return -y * args["n"] * jax.random.uniform(args["key"], minval=1.0, maxval=1.0 + 1e-12) + 0 * args["i"].sum()

    args = {"n": 2, "key": jax.random.key(3), "i": jnp.arange(3)}
    sol = sj.solve_ode(field, (0.0, 1.0), 1.0, args, rtol=1e-9)
    assert float(sol.y) == pytest.approx(np.exp(-2), rel=1e-7)
    raw = sj.solve_ode(field, (0.0, 1.0), 1.0, args | {"key": jax.random.PRNGKey(3)}, rtol=1e-9)
    assert float(raw.y) == pytest.approx(np.exp(-2), rel=1e-7)


def test_a_field_of_many_operations_is_scanned_and_gives_the_same():
    """Beyond a few hundred operations the stages are a loop: values and gradients do not change."""

    def long(t, y, k):
        return sum(-jnp.sin(i + k * y) * t / 80 for i in range(80))

    def short(t, y, k):
        return jnp.sum(-jnp.sin(jnp.arange(80) + k * y) * t / 80)

    for method in (sj.Tsit5(), sj.Bosh3()):
        run = lambda y, f, method=method: sj.solve_ode(f, (0.0, 1.0), y, 1.3, method=method).y  # noqa: E731
        unrolled, scanned = (jax.value_and_grad(run)(0.7, f) for f in (short, long))
        np.testing.assert_allclose(scanned, unrolled, rtol=1e-11)
