"""Ensembles: every backend gives what a loop of `solve_ode` gives, whatever is saved and however it is mapped."""

import warnings
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.core.closure import equations
from sciml_jax.ensemble.work import by_work

BACKENDS = pytest.mark.parametrize("backend", ["vmap", "lanes"])
RATES = np.array([0.4, 1.0, 1.7, 2.3, 0.9, 3.0, 1.2])
START = np.array([1.0, 0.5])


def oscillator(t, y, rate):
    """A damped oscillator with a push."""
    return jnp.stack([y[1], -rate * y[0] - 0.3 * y[1] * y[0] ** 2 + jnp.sin(t)])


def stiff(t, y, rate):
    return jnp.stack([-1e3 * rate * (y[0] - jnp.cos(y[1])), 1.0 - 0.1 * y[0]])


FALL = sj.Event(lambda t, y, args: y[0], lambda t, y, args: y * jnp.array([1.0, -0.5]), direction=-1)
# explicit methods of the same kind have the same program but for numbers, and Rosenbrock methods too
CASES = {
    "final state": {},
    "saved times and stops": {"save": np.linspace(0, 3, 9), "step_to": [1.0, 2.0]},
    "several requests": {
        "save": {
            "few": [2.0, 0.5],
            "all": sj.Steps(24),
            "function": sj.Times([0.5, 2.5], lambda t, y, rate: rate * y[0] + t),
        },
        "rtol": 1e-3,
    },
    "a terminating event": {"events": sj.Event(lambda t, y, rate: y[0] - 0.2)},
    "jumps": {"events": FALL},
    "constant steps": {"dt": 0.05, "method": sj.RK4()},
    "equal steps": {"steps": 40, "method": sj.Bosh3()},
    "extra stages": {"method": sj.Vern7(), "save": np.linspace(0, 3, 4)},
    "Rodas5P": {"method": sj.Rodas5P(), "field": stiff, "rtol": 1e-4, "save": np.linspace(0, 3, 4)},
    "Auto": {"method": sj.Auto(), "field": stiff},
    "BDF": {"method": sj.BDF(), "field": stiff},
    "Kvaerno3": {"method": sj.Kvaerno3(), "field": stiff},
}


# why these do not become kernels, and which ones XLA takes long to interpret
NO_KERNEL = {"jumps": "an array of 3003 entries does not fit"}
LONG = ("several requests",)
EVERYWHERE = [
    pytest.param(name, backend, marks=[pytest.mark.slow] if name in LONG and backend == "kernel" else [])
    for name in CASES
    for backend in ("vmap", "lanes", "kernel")
]


def solve(name, backend, **more):
    chunk = 16 if backend == "kernel" else 4
    options = {"rtol": 1e-6, "atol": 1e-8, "field": oscillator, "chunk": chunk} | CASES[name] | more
    field = options.pop("field")
    reason = NO_KERNEL.get(name) if backend == "kernel" else None
    with pytest.warns(UserWarning, match=reason) if reason else warnings.catch_warnings():
        if not reason:
            warnings.simplefilter("error")
        return sj.solve_ensemble(field, (0.0, 3.0), START, RATES, in_axes=(None, 0), backend=backend, **options)


@cache
def loop(name):
    options = {"rtol": 1e-6, "atol": 1e-8, "field": oscillator} | CASES[name]
    field = options.pop("field")
    return [sj.solve_ode(field, (0.0, 3.0), START, rate, throw=False, **options) for rate in RATES]


@pytest.mark.parametrize("name, backend", EVERYWHERE)
def test_it_is_a_loop_of_solves(name, backend):
    many = solve(name, backend)
    assert many.state is None
    for i, one in enumerate(loop(name)):
        mine = jax.tree.map(lambda x, i=i: x[i], many)
        assert mine.result == one.result
        assert {n: int(v) for n, v in mine.stats.items()} == {n: int(v) for n, v in one.stats.items()}
        for got, want in zip(jax.tree.leaves((mine.t, mine.y)), jax.tree.leaves((one.t, one.y)), strict=True):
            assert (got.shape, got.dtype) == (want.shape, want.dtype)
            # rounding, seen through the choice of steps: estimates of 1e-6 know theirs, 1e-16, to ten digits
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)
        if one.event is not None:
            np.testing.assert_allclose(mine.event.t, one.event.t, rtol=1e-9)
            assert mine.event.n == one.event.n


@BACKENDS
def test_dense_solutions(backend):
    many = solve("final state", backend, save=sj.Dense(64))
    at = jax.vmap(lambda sol: sol(1.3))(many)
    saved = solve("final state", backend, save=[1.3])
    np.testing.assert_allclose(at, saved.y[:, 0], rtol=1e-9)


@BACKENDS
@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_chunks_change_nothing(backend, chunk):
    many = sj.solve_ensemble(oscillator, (0.0, 1.0), START, RATES, in_axes=(None, 0), backend=backend, chunk=chunk)
    whole = sj.solve_ensemble(oscillator, (0.0, 1.0), START, RATES, in_axes=(None, 0), backend="vmap")
    np.testing.assert_allclose(many.y, whole.y, rtol=1e-12)
    assert many.stats["steps"].tolist() == whole.stats["steps"].tolist()


@BACKENDS
def test_streams_change_nothing(backend):
    """Pieces of equal size in threads, the last one filled up; a second call runs all of them at once."""
    rates = np.linspace(0.5, 2.0, 5000)
    options = {"in_axes": (None, 0), "rtol": 1e-3, "atol": 1e-3, "backend": backend, "chunk": 50, "save": [0.5, 1.0]}
    one = sj.solve_ensemble(oscillator, (0.0, 1.0), START, rates, streams=1, **options)
    for _ in range(2):
        many = sj.solve_ensemble(oscillator, (0.0, 1.0), START, rates, streams=3, **options)
        assert jax.tree.structure(many) == jax.tree.structure(one)
        for a, b in zip(jax.tree.leaves(many), jax.tree.leaves(one), strict=True):
            np.testing.assert_array_equal(a, b)


def test_results_of_streams_are_nobody_elses():
    """They lie in memory that is shared with NumPy: neither another solve nor its input may write there."""
    rates = np.linspace(0.1, 2.0, 4096)
    solve = lambda rates: sj.solve_ensemble(  # noqa: E731
        oscillator, (0.0, 1.0), START, rates, in_axes=(None, 0), streams=2, chunk=64, rtol=1e-5
    )
    first = solve(rates)
    kept = jax.tree.map(np.array, (first.y, first.stats))
    rates[:] = 0.5
    second = solve(rates)
    assert not np.array_equal(second.y, kept[0])
    jax.tree.map(np.testing.assert_array_equal, (first.y, first.stats), kept)


@BACKENDS
@pytest.mark.parametrize("options", [{}, {"streams": 2}, {"throw": True}], ids=["plain", "streams", "throw"])
def test_the_order_of_work_changes_nothing(backend, options):
    options |= {"in_axes": (None, 0), "backend": backend, "chunk": 2, "save": [0.5, 1.0]}
    as_given = sj.solve_ensemble(oscillator, (0.0, 1.0), START, RATES, **options)
    by_work = sj.solve_ensemble(oscillator, (0.0, 1.0), START, RATES, work=RATES, **options)
    assert jax.tree.structure(by_work) == jax.tree.structure(as_given)
    for a, b in zip(jax.tree.leaves(by_work), jax.tree.leaves(as_given), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_derivatives_by_work():
    def total(rates, work):
        weights = jnp.arange(1.0, 8.0)
        options = {"in_axes": (None, 0), "method": sj.Bosh3(), "rtol": 1e-3}
        sol = sj.solve_ensemble(oscillator, (0.0, 1.0), START, rates, work=work, **options)
        return weights @ sol.y[:, 0]

    got, want = (jax.jit(jax.grad(total))(RATES, work) for work in (RATES, None))
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_work_is_dealt_out_in_order():
    """Every device of three has hard and easy ones, the easy ones first."""
    work = np.array([5.0, 1.0, 4.0, 2.0, 7.0, 3.0, 6.0])
    assert work[by_work(work, 7)].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert work[by_work(work, 7, shares=3)].tolist() == [1, 4, 7, 2, 5, 3, 6]


@pytest.mark.parametrize(
    ("derive", "options"),
    [
        (jax.jacfwd, {"gradient": sj.Forward(), "method": sj.Bosh3(), "events": FALL, "max_events": 4}),
        (jax.grad, {"gradient": sj.Recorded(), "method": sj.GaussLegendre4(), "dt": 0.25}),
    ],
    ids=["integers forwards", "constants backwards"],
)
def test_derivatives_of_lanes_with_constants_and_integers(derive, options):
    """Tables of coefficients and counters are among what a trace has captured; outside `jit` it is another trace's."""
    rates, h = RATES[:2], 1e-6

    def total(rates, backend="lanes"):
        sol = sj.solve_ensemble(oscillator, (0.0, 1.0), START, rates, in_axes=(None, 0), backend=backend, **options)
        return jnp.sum(sol.y)

    slope = (total(rates + h, "vmap") - total(rates - h, "vmap")) / (2 * h)
    # differences of numbers of size 1, whose steps may change with the rates to their tolerance of 1e-6 a unit
    np.testing.assert_allclose(np.sum(derive(total)(rates)), slope, rtol=1e-4)


def test_streams_with_other_shapes_and_types():
    """The same field, method and options with other rows: nothing of the first call is left in the second."""

    def decay(t, y, rate):
        return -rate * y

    rates = np.linspace(0.1, 2.0, 4096)
    options = {"rtol": 1e-5, "streams": 2}
    for width in (3, 1):
        y = sj.solve_ensemble(decay, (0.0, 1.0), np.ones((4096, width)), rates[:, None] * np.ones(width), **options).y
        np.testing.assert_allclose(y, np.exp(-rates)[:, None] * np.ones(width), rtol=1e-4)
    for save in ([0.2, 0.5, 1.0], [0.5], [0.1, 0.3, 0.4]):
        y = sj.solve_ensemble(decay, (0.0, 1.0), 1.0, rates, in_axes=(None, 0), save=save, **options).y
        np.testing.assert_allclose(y, np.exp(-rates[:, None] * np.array(save)), rtol=1e-4)
    for dtype in (np.float32, np.float64):
        y = sj.solve_ensemble(
            decay, (0.0, 1.0), np.ones((), dtype), rates.astype(dtype), in_axes=(None, 0), **options
        ).y
        assert y.dtype == dtype


@pytest.mark.parametrize("inside", [True, False])
def test_streams_have_the_precision_of_their_caller(inside):
    """JAX keeps such settings for each thread."""
    rates = np.linspace(0.1, 2.0, 4096)
    options = {"in_axes": (None, 0), "rtol": 1e-4, "atol": 1e-6}
    with jax.enable_x64(inside):
        many = sj.solve_ensemble(lambda t, y, rate: -rate * y, (0.0, 1.0), 1.0, rates, streams=2, **options)
        one = sj.solve_ensemble(lambda t, y, rate: -rate * y, (0.0, 1.0), 1.0, rates, streams=1, **options)
        assert many.y.dtype == (np.float64 if inside else np.float32)
        np.testing.assert_array_equal(many.y, one.y)
        run = lambda r: sj.solve_ensemble(lambda t, y, rate: -rate * y, (0.0, 1.0), 1.0, r, streams=1, **options).y  # noqa: E731
        swept = sj.sweep(run, rates, chunk=512, streams=2, progress=False).results
        np.testing.assert_allclose(swept, one.y, rtol=1e-12 if inside else 1e-5)


def test_keys_of_random_numbers_in_rows():
    keys = jax.random.split(jax.random.key(0), 2500)
    push = lambda t, y, key: jax.random.normal(key)  # noqa: E731
    many = sj.solve_ensemble(push, (0.0, 1.0), 0.0, keys, in_axes=(None, 0), streams=2, dt=0.5)
    np.testing.assert_allclose(many.y, jax.vmap(jax.random.normal)(keys), rtol=1e-12)


@pytest.mark.parametrize("backend", ["vmap", "lanes", "kernel"])
def test_arrays_without_entries(backend):
    field = lambda t, y, args: -args["rate"] * y + args["nothing"].sum()  # noqa: E731
    args, axes = {"rate": RATES, "nothing": np.zeros((7, 0))}, (None, 0)
    many = sj.solve_ensemble(field, (0.0, 1.0), 1.0, args, in_axes=axes, backend=backend, rtol=1e-6, save=[])
    assert many.y.shape == (7, 0) and bool(many.success.all())


def test_streams_leave_derivatives_alone():
    """A field that has closed over what is being differentiated."""
    rates = np.linspace(0.5, 2.0, 2500)

    def mean(push, streams):
        field = lambda t, y, rate: -rate * y + push  # noqa: E731
        options = {"in_axes": (None, 0), "rtol": 1e-4, "max_steps": 30, "streams": streams}
        return jnp.mean(sj.solve_ensemble(field, (0.0, 1.0), 1.0, rates, **options).y)

    # dy/dpush = (1 - exp(-rate)) / rate; the tolerance
    want = np.mean((1 - np.exp(-rates)) / rates)
    assert float(jax.grad(mean)(0.3, 2)) == pytest.approx(want, rel=1e-3)


def spring(t, y, args):
    return {"q": y["p"], "p": -args["k"] * y["q"] - args["c"][0] * y["p"]}


@BACKENDS
def test_any_layout(backend):
    """Pytrees of states and arguments, axes of their own, spans of their own, integers."""
    q, p = np.linspace(0, 1, 3), np.ones((2, 3))
    k, c = np.array([1.0, 2.0, 3.0]), np.array([[0.1, 0.0], [0.2, 0.0], [0.3, 0.0]])
    t1 = np.array([1.0, 2.0, 0.5])
    many = sj.solve_ensemble(
        spring,
        (0.0, t1),
        {"q": jnp.stack([q, q]), "p": p},
        {"k": k, "c": c, "unused": 3},
        in_axes=((None, 0), 1, {"k": 0, "c": 0, "unused": None}),
        backend=backend,
    )
    for i in range(3):
        y0 = {"q": np.array([q[i]] * 2), "p": p[:, i]}
        one = sj.solve_ode(spring, (0.0, t1[i]), y0, {"k": k[i], "c": c[i], "unused": 3})
        np.testing.assert_allclose(many.y["q"][i], one.y["q"], rtol=1e-12)
        assert float(many.t[i]) == t1[i]


@BACKENDS
def test_one_that_fails_changes_no_other(backend):
    """y' = y^2 blows up at 1 / y0; NaN in the input; too many steps."""
    y0 = np.array([0.1, 2.0, np.nan, 0.3])
    many = sj.solve_ensemble(lambda t, y, args: y * y, (0.0, 1.0), y0, backend=backend, max_steps=50)
    assert many.success.tolist() == [True, False, False, True]
    assert jax.tree.map(lambda x: x[2], many.result) == sj.RESULT.non_finite
    np.testing.assert_allclose(many.y[np.array([0, 3])], [0.1 / 0.9, 0.3 / 0.7], rtol=1e-6)
    with pytest.raises(
        sj.SolveError, match=r"2 of 4 solves failed, the first of them number 1.*\n.*throw=False"
    ) as error:
        sj.solve_ensemble(lambda t, y, args: y * y, (0.0, 1.0), y0, backend=backend, max_steps=50, throw=True)
    assert error.value.solution.y.shape == (4,)


def test_many_results_are_printed_as_counts():
    """A text for each would fill the screen."""
    solve = lambda y0: sj.solve_ensemble(lambda t, y, args: y * y, (0.0, 1.0), y0, max_steps=50)  # noqa: E731
    many = solve(np.array([0.1, 2.0, np.nan, 0.3]))
    assert sj.tally(many.result) == {"successful": 2, "max_steps_reached": 1, "non_finite": 1}
    for solution in (many, jax.device_get(many)):
        assert "result={'successful': 2, 'max_steps_reached': 1, 'non_finite': 1}" in repr(solution)
    one = jax.tree.map(lambda x: x[1], many)
    assert "Raise max_steps" in repr(one)
    for abstract in (jax.eval_shape(solve, np.ones(4)), jax.tree.map(lambda x: None, many)):
        assert "Solution(" in repr(abstract)


def test_failing_under_jit():
    """A compiled call cannot count, but it says why, and a gradient of it does not go through unnoticed."""

    def ends(y0):
        return sj.solve_ensemble(lambda t, y, args: y * y, (0.0, 1.0), y0, max_steps=50, throw=True).y.sum()

    good = np.array([0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(jax.jit(ends)(good), (good / (1 - good)).sum(), rtol=1e-6)
    for compiled in (jax.jit(ends), jax.jit(jax.grad(ends))):
        with pytest.raises(Exception, match="max_steps"):
            jax.block_until_ready(compiled(np.array([0.1, 0.2, 2.0, 0.4])))


@BACKENDS
def test_complex_states_and_backwards(backend):
    many = sj.solve_ensemble(
        lambda t, y, w: 1j * w * y, (1.0, 0.0), 1.0 + 0j, RATES, in_axes=(None, 0), backend=backend
    )
    np.testing.assert_allclose(many.y, np.exp(-1j * RATES), rtol=1e-5)


@pytest.mark.float32
@BACKENDS
def test_float32(backend):
    start, rates = START.astype(np.float32), RATES.astype(np.float32)
    options = {"in_axes": (None, 0), "rtol": 1e-4, "atol": 1e-4}
    many = sj.solve_ensemble(oscillator, (0.0, 3.0), start, rates, backend=backend, **options)
    assert many.y.dtype == many.t.dtype == jnp.float32
    for i, rate in enumerate(rates):
        one = sj.solve_ode(oscillator, (0.0, 3.0), start, rate, rtol=1e-4, atol=1e-4)
        # a few tolerances
        np.testing.assert_allclose(many.y[i], one.y, atol=1e-3)


@pytest.mark.parametrize("gradient", [sj.Recorded(), sj.Forward()], ids=["recorded", "forward"])
@pytest.mark.parametrize("method", [sj.Bosh3(), sj.Rosenbrock23()], ids=lambda m: type(m).__name__)
def test_gradients(method, gradient):
    """In what all share, in what each has of its own, and in what the field has closed over, against a batch."""

    def loss(p, backend):
        shared, rates, captured = p

        def field(t, y, args):
            rate, (push,) = args
            return oscillator(t, y, rate) + push * captured * jnp.array([0.0, 1.0])

        many = sj.solve_ensemble(
            field,
            (0.0, 2.0),
            START,
            (rates, (shared,)),
            in_axes=(None, (0, None)),
            backend=backend,
            chunk=4,
            method=method,
            gradient=gradient,
            rtol=1e-3,
            max_steps=100,
            save=[1.0, 2.0],
        )
        return jnp.sum(many.y[..., 0] ** 2)

    derive = jax.jacfwd if gradient.forward_mode else jax.grad
    p = (jnp.asarray(0.3), jnp.asarray(RATES), jnp.asarray(1.5))
    lanes, batch = (jax.jit(derive(loss), static_argnums=1)(p, b) for b in ("lanes", "vmap"))
    for got, want in zip(jax.tree.leaves(lanes), jax.tree.leaves(batch), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-10)


def test_second_derivatives():
    """Forwards over backwards in lanes, in chunks, against a batch; the roots of implicit steps take part."""

    def loss(p, **how):
        field = lambda t, y, args: -args[0] * y**2 - args[1] * y
        options = {"in_axes": (None, (0, None)), "method": sj.ImplicitEuler(), "max_steps": 50, "rtol": 1e-2, **how}
        return jnp.sum(sj.solve_ensemble(field, (0.0, 1.0), 1.0, p, **options).y ** 2)

    def along(how):
        return jax.jit(lambda p, d: jax.jvp(jax.grad(lambda p: loss(p, **how)), (p,), (d,))[1])

    p, d = (jnp.asarray(RATES), jnp.asarray(0.3)), (jnp.cos(RATES), jnp.asarray(0.7))
    lanes, batch = along({"backend": "lanes", "chunk": 4})(p, d), along({"backend": "vmap"})(p, d)
    for got, want in zip(lanes, batch, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-9)
    assert np.abs(lanes[0]).min() > 1e-3


def test_second_derivatives_in_a_loop_are_refused():
    """JAX drops the derivative of the loop inside, without a word."""
    loss = lambda rates: jnp.sum(jax.lax.map(lambda r: sj.solve_ode(oscillator, (0.0, 1.0), START, r).y, rates))
    with pytest.raises(TypeError, match=r"do not go through jax\.lax\.map or scan: write jax\.vmap"):
        jax.hessian(loss)(RATES)


@pytest.mark.parametrize(
    ("derive", "gradient", "message"),
    [
        (jax.grad, sj.Forward(), r"gradient=Forward\(\) .* give gradient=sj\.Recorded\(\)"),
        (jax.jacfwd, sj.Recorded(), r"gradient=Recorded\(\) .* give gradient=sj\.Forward\(\)"),
        (
            lambda f: jax.grad(lambda r: jax.grad(f)(r)[0]),
            sj.Recorded(),
            "forwards over backwards, not backwards twice",
        ),
    ],
    ids=["backwards", "forwards", "twice"],
)
def test_derivatives_of_the_other_mode_are_refused(derive, gradient, message):
    options = {"in_axes": (None, 0), "backend": "lanes", "gradient": gradient}
    with pytest.raises(TypeError, match=message):
        derive(lambda rates: jnp.sum(sj.solve_ensemble(oscillator, (0.0, 1.0), START, rates, **options).y))(RATES)


def test_it_goes_through_jit_and_vmap():
    def run(start, backend):
        return sj.solve_ensemble(oscillator, (0.0, 1.0), start, RATES, in_axes=(None, 0), backend=backend).y

    starts = jnp.stack([START, 2 * START])
    lanes, batch = (jax.jit(jax.vmap(run, (0, None)), static_argnums=1)(starts, b) for b in ("lanes", "vmap"))
    np.testing.assert_allclose(lanes, batch, rtol=1e-12)


MIXED = np.random.default_rng(0).normal(size=(20, 20)) / 20


def forced(t, y, rate):
    """With an input that all share, looked up in a table."""
    return oscillator(t, y, rate) + jnp.interp(t, np.linspace(0.0, 1.0, 5), np.ones(5))


@pytest.mark.parametrize(
    ("field", "start", "options", "suited"),
    [
        (oscillator, START, {}, True),
        (oscillator, START, {"save": np.linspace(0.0, 1.0, 5)}, True),  # sorted once, for all
        (oscillator, START, {"save": [1.0, 0.5]}, True),
        (forced, START, {}, True),
        (lambda t, y, rate: rate * (MIXED @ (MIXED @ y)), np.ones(20), {}, False),  # 10,000 operations a step
        (lambda t, y, rate: -rate * jnp.sort(y), START, {}, False),
        (lambda t, y, rate: -rate * jnp.fft.fft(y).real, np.ones(64), {}, False),
    ],
    ids=["plain", "times", "list of times", "forced", "long", "sorted", "transformed"],
)
def test_auto_takes_lanes_where_they_suit(field, start, options, suited):
    def text(backend):
        many = lambda r: sj.solve_ensemble(field, (0.0, 1.0), start, r, in_axes=(None, 0), backend=backend, **options)
        return jax.jit(many).lower(RATES).as_text()

    auto, lanes, vmap = map(text, ("auto", "lanes", "vmap"))
    assert lanes != vmap
    assert auto == (lanes if suited else vmap)


@pytest.mark.parametrize("part", ["recorded", "saved"])
def test_lanes_write_into_buffers_and_never_choose_or_rebuild_them(part):
    """A row a step: whatever makes an array of a buffer's size anew in a loop costs a hundred times the step."""
    rows, chunk = 999, 4

    def end(rates):
        save = np.linspace(0.0, 1.0, rows) if part == "saved" else None
        options = {"backend": "lanes", "chunk": chunk, "max_steps": rows, "save": save}
        return jnp.sum(sj.solve_ensemble(oscillator, (0.0, 1.0), START, rates, in_axes=(None, 0), **options).y)

    jaxpr = jax.make_jaxpr(jax.grad(end) if part == "recorded" else end)(RATES).jaxpr
    bodies = [e.params["body_jaxpr"].jaxpr for e in equations(jaxpr) if e.primitive.name == "while"]
    wide = [e for body in bodies for e in equations(body) if any(v.aval.size >= rows * chunk for v in e.outvars)]
    wrapped = {"jit", "custom_vmap_call", "custom_jvp_call"}
    in_place = {"while", "cond", "dynamic_update_slice", "scatter", "loop_mark"} | wrapped
    assert any(e.primitive.name == "dynamic_update_slice" for e in wide)
    assert {e.primitive.name for e in wide} <= in_place


MISTAKES = {
    "no rows": ({"args": np.ones(0)}, ValueError, "the mapped axes have length 0"),
    "backend": ({"backend": "gpu"}, ValueError, 'backend is "auto", "vmap", "lanes" or "kernel"; got'),
    "chunk": ({"chunk": 0}, ValueError, "chunk must be a positive int"),
    "streams": ({"streams": 0}, ValueError, "streams must be a positive int"),
    "work": ({"work": np.ones(3)}, ValueError, r"work must have the shape \(7,\), a number for each trajectory; got"),
    "kind of work": ({"work": 1.0}, TypeError, "work must be an array, a number for each of the 7 trajectories"),
    "in_axes": ({"in_axes": 0}, ValueError, r"in_axes must be \(axes of y0, axes of args\)"),
    "nothing mapped": ({"in_axes": (None, None)}, ValueError, "in_axes maps nothing"),
    "lengths": ({"y0": np.ones((3, 2)), "in_axes": (0, 0)}, ValueError, r"different lengths \(y0: 3, args: 7\)"),
    "no axis": ({"in_axes": (None, 1)}, ValueError, r"args is of shape \(7,\) and has no axis 1"),
    "no array": ({"args": "fast"}, ValueError, "args is no array and has no axis 0"),
    "kind of axis": ({"in_axes": (None, "x")}, TypeError, "in_axes of args must be an int or None"),
    "structure": ({"in_axes": (None, (0, 0))}, ValueError, "in_axes of args must be an int, None, or a pytree"),
    "state": ({"state": 1}, ValueError, "an ensemble starts anew"),
    "gradient": ({"gradient": "adjoint"}, TypeError, "gradient"),
    "options": ({"step": 0.1}, TypeError, "step"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    given, kind, words = MISTAKES[name]
    options = {"y0": START, "args": RATES, "in_axes": (None, 0)} | given
    with pytest.raises(kind, match=words):
        sj.solve_ensemble(oscillator, (0.0, 1.0), options.pop("y0"), options.pop("args"), **options)


@pytest.mark.parametrize("n", [40, 5000])
def test_progress(n, capsys):
    """A bar over the trajectories, whose results are those without it; none under jit."""
    rates = np.linspace(0.5, 2.0, n)
    options = {"in_axes": (None, 0), "rtol": 1e-3}
    shown = sj.solve_ensemble(oscillator, (0.0, 1.0), START, rates, progress=True, **options)
    assert "ensemble: 100%" in capsys.readouterr().err
    np.testing.assert_array_equal(shown.y, sj.solve_ensemble(oscillator, (0.0, 1.0), START, rates, **options).y)
    jax.jit(lambda r: sj.solve_ensemble(oscillator, (0.0, 1.0), START, r, progress=True, **options).y)(rates[:40])
    assert not capsys.readouterr().err
