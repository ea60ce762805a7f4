"""What every method promises, measured: one row of the registry a method."""

import inspect
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import (
    PENDULUM,
    GivenSizes,
    differences,
    graded,
    pendulum_exact,
    pendulum_force,
    pendulum_velocity,
    spiral,
    spiral_exact,
    tight,
)
from .registry import BY_NAME

# every method is asked for saved times, those with a coarse interpolant too
pytestmark = pytest.mark.filterwarnings("ignore:.*its interpolant order [35]")

NAMES = tuple(BY_NAME)
# Compiling the gradients of many stages takes up to ten seconds each, and takes the same way as with few.
HEAVY = (
    "Rodas5P",
    "Vern8",
    "Dopri8",
    "Vern9",
    "Feagin14",
    "Yoshida6",
    "KahanLi8",
    "GaussLegendre6",
    "RadauIIA",
    "Kvaerno5",
    "KenCarp4",
    "KenCarp5",
    "Exprb43",
    "Auto",
    "ROCK4",
    "Radau5",
)
# What depends on how steps are made, and not on their coefficients, is tested with these: every method with steps of
# its own, and of those that differ by a tableau alone one or more, which together have all that a tableau may bring.
REPRESENTATIVES = (
    "Tsit5",  # first same as last
    "RK4",  # no estimate, no interpolant of its own
    "Vern7",  # an interpolant with stages of its own
    "Dopri8",  # an error estimate of its own
    "ALF",
    "ReversibleHeun",
    "ReversibleCoupling",
    "Rosenbrock23",
    "ROCK2",
    "ROCK4",
    "Kvaerno3",
    "KenCarp4",  # with an explicit half
    "Exprb43",
    "BDF",
    "VCABM",
    "SBDF2",
    "Radau5",
    "GaussLegendre4",  # collocation without estimate
    "RadauIIA",
    "Auto",
    "SymplecticEuler",
    "Yoshida4",  # for the compositions
)


def each(names, heavy=()):
    """Tests of one method share compiled programs: pytest-xdist's `--dist loadgroup` gives them to one worker."""
    slow = {n: [pytest.mark.slow] if n in heavy else [] for n in names}
    params = [pytest.param(n, marks=[pytest.mark.xdist_group(n), *slow[n]]) for n in names]
    return pytest.mark.parametrize("name", params)


def test_every_method_has_a_row():
    methods = {
        name
        for name, value in vars(sj).items()
        if inspect.isclass(value) and issubclass(value, sj.Method) and not inspect.isabstract(value)
    }
    # bases, and methods whose tests of their own need fields of a special form, histories or noise
    others = {"RungeKutta", "Composition", "Symplectic", "Rosenbrock", "Dirk", "ETDRK2", "ETDRK4"}
    noisy = {name for name in methods if issubclass(getattr(sj, name), sj.StochasticMethod)}
    assert methods - others - noisy == set(NAMES)


@pytest.mark.float32
@each(NAMES)
def test_the_row_agrees_with_the_method(name):
    row = BY_NAME[name]
    assert (row.method.order, row.method.adaptive) == (row.order, row.adaptive)
    if isinstance(row.method, sj.RungeKutta):
        tableau = row.method.tableau
        assert row.interpolant == (tableau.dense_order if tableau.dense is not None else min(3, row.order))


# Order of convergence


def slope(sizes, errors) -> float:
    """The exponent p of errors ~ h^p, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


GRID = 129  # entries of a grid, padded with its end: one compilation for all numbers of steps


@cache
def march(name):
    """The final state after the steps of a grid, and the states at 20 times, for one of two problems."""
    row = BY_NAME[name]
    separable = row.field == "separable"
    one, other = (graded(order).field for order in (row.order, row.interpolant))

    def either(t, y, first):
        return one(t, y, None) if row.order == row.interpolant else jnp.where(first, one(t, y, None), other(t, y, None))

    @jax.jit
    def run(grid, y0, ts, first):
        field, args, y0 = (PENDULUM, (1.0,), (y0[0], y0[1])) if separable else (either, first, y0)
        save = {"end": None, "ts": ts}
        how = {"method": row.method, "controller": sj.GivenSteps(grid), "save": save}
        sol = sj.solve_ode(field, (grid[0], grid[-1]), y0, args, **how)
        return jax.tree.map(lambda y: jnp.stack(y, -1) if separable else y, sol.y, is_leaf=lambda y: type(y) is tuple)

    return run


def solution(row, order):
    """The exact solution of a problem for this order."""
    return pendulum_exact if row.field == "separable" else graded(order).exact


@each(NAMES)
def test_the_order_of_convergence(name):
    row = BY_NAME[name]
    run, exact = march(name), solution(row, row.order)
    t0, t1 = (0.0, 4.0) if row.field == "separable" else (-1.0, 1.0)
    errors = []
    for n in row.steps:
        grid = np.append(np.linspace(t0, t1, n + 1), np.full(GRID - n - 1, t1))
        errors.append(np.abs(run(grid, exact(t0), np.full(20, t0), True)["end"] - exact(t1)).max())
    assert slope((t1 - t0) / np.array(row.steps), errors) == pytest.approx(row.order, abs=0.2)


@each(NAMES)
def test_the_order_of_the_interpolant(name):
    # In one step from an exact state an interpolant of order d errs by h^(d + 1), everywhere: the largest error over
    # the step is measured, on the problem whose solutions have degree d + 1.
    row = BY_NAME[name]
    run, exact = march(name), solution(row, row.interpolant)
    errors = []
    for h in row.lengths:
        t0 = 1.0 if row.field == "separable" else -h / 2
        ts = t0 + h * np.linspace(0, 0.95, 20)
        grid = np.append(t0, np.full(GRID - 1, t0 + h))
        errors.append(np.abs(run(grid, exact(t0), ts, False)["ts"] - exact(ts)).max())
    assert slope(row.lengths, errors) == pytest.approx(row.interpolant + 1, abs=0.2)


# Gradients. Five parameters and a factor of the saved times: p = (argument, y0 (2), t0, t1, stretch).

P = {"any": np.array([1.0, 1.3, 2.0, 0.5, 1.6, 1.0]), "separable": np.array([1.0, 1.5, 0.4, 0.2, 2.0, 1.0])}
WEIGHTS = np.array([[0.7, -0.4], [0.2, 0.5], [-0.3, 0.6]])
FRACTIONS = np.array([0.21, 0.64])


def state(y):
    """The state as an array of two."""
    return jnp.stack(y) if isinstance(y, tuple) else y


def problem(row, p):
    """The arguments of a solve."""
    field = spiral if row.field == "any" else PENDULUM
    y0 = p[1:3] if row.field == "any" else (p[1], p[2])
    return field, (p[3], p[4]), y0, (p[0],)


def times(p):
    """Saved times, which move with the span and the stretch."""
    return p[3] + p[5] * FRACTIONS * (p[4] - p[3])


def loss_of(sol):
    """A number in which the final state, saved states and the final time take part."""
    ends, rows = state(sol.y["end"]), sol.y["ts"]
    rows = jnp.stack(rows, -1) if isinstance(rows, tuple) else rows
    return jnp.sum(WEIGHTS * jnp.concatenate([ends[None], rows])) + 0.1 * sol.t["end"]


def solve(row, p, rtol, gradient=None, sizes=None, more=None):
    """Steps by tolerance or constant ones; or of given sizes. Saves the end, two times, and `more`."""
    how = {"controller": GivenSizes(sizes)} if sizes is not None else {} if row.adaptive else {"dt": 0.04}
    save = {"end": None, "ts": times(p)} | (more or {})
    return sj.solve_ode(
        *problem(row, p), method=row.method, rtol=rtol, atol=rtol, save=save, gradient=gradient, max_steps=1000, **how
    )


def eager(row, p, rtol):
    """The solve as a user calls it; compiled once a method, for all tests here."""
    sol = solve(row, jnp.asarray(p), rtol, more={"steps": sj.Steps(600)})
    assert int(sol.n["steps"]) <= 600
    return sol


def amplification(method) -> float:
    """How much a step amplifies rounding: the pair Vern6 has weights of 176 for nearly equal stages."""
    if not isinstance(method, sj.RungeKutta):
        return 1.0
    a, b = method.tableau.a, method.tableau.b
    return max(1.0, float(sum(abs(w) * sum(map(abs, row)) for w, row in zip(b, a, strict=True))))


@cache
def reverse(name):
    row = BY_NAME[name]
    return jax.jit(jax.value_and_grad(lambda p, rtol: loss_of(solve(row, p, rtol, sj.Recorded()))))


@cache
def forward(name):
    row = BY_NAME[name]
    return jax.jit(lambda p, d, rtol: jax.jvp(lambda p: loss_of(solve(row, p, rtol, sj.Forward())), (p,), (d,))[1])


@cache
def repeated(name):
    """The loss for steps of given sizes."""
    row = BY_NAME[name]
    return jax.jit(lambda p, sizes, rtol: loss_of(solve(row, p, rtol, sizes=sizes)))


@cache
def repeated_with_gradient(name):
    """The same with its gradient; as many snapshots as steps, so that the program has no replay of segments."""
    row = BY_NAME[name]
    how = sj.Recorded(snapshots=1024)
    return jax.jit(jax.value_and_grad(lambda p, sizes, rtol: loss_of(solve(row, p, rtol, how, sizes))))


def steps_of(name, rtol):
    """The sizes of the steps that the solve chooses, padded."""
    row = BY_NAME[name]
    sol = eager(row, P[row.field], rtol)
    t = np.asarray(sol.t["steps"][: int(sol.n["steps"])])
    return np.append(np.diff(t)[:-1], np.full(602 - len(t), np.inf))  # the last to t1


def value_and_gradient(name, rtol):
    """Of the loss: through a solve that chooses its steps, or of one that repeats them."""
    p = P[BY_NAME[name].field]
    if name in REPRESENTATIVES:
        return reverse(name)(p, rtol)
    return repeated_with_gradient(name)(p, steps_of(name, rtol), rtol)


@each(NAMES, HEAVY)
def test_gradients_are_those_of_the_computed_solution(name):
    """Against central differences of the same solve with its recorded steps; both modes where steps are chosen."""
    row, rtol = BY_NAME[name], 1e-3
    p, sizes = P[row.field], steps_of(name, rtol)

    def again(p):  # inner times move with the start
        if name in REPRESENTATIVES:
            return repeated(name)(p, sizes, rtol)
        return repeated_with_gradient(name)(p, sizes, rtol)[0]

    value, gradient = value_and_gradient(name, rtol)
    assert float(again(p)) == pytest.approx(float(value), rel=1e-13)
    assert float(loss_of(eager(row, p, rtol))) == pytest.approx(float(value), rel=1e-13)
    # h^4 f^(5) / 30 and rounding over h
    wanted, noise = differences(again, p, 1e-3), 10 * amplification(row.method) * np.finfo(float).eps / 1e-3
    np.testing.assert_allclose(gradient, wanted, rtol=1e-9, atol=1e-9 + noise)
    if name in REPRESENTATIVES:
        directions = np.eye(6)[[0, 2, 3, 4, 5]]
        tangents = [float(forward(name)(p, d, rtol)) for d in directions]
        # the same derivative, summed in another order
        np.testing.assert_allclose(tangents, directions @ gradient, rtol=1e-11, atol=1e-11)


@cache
def reference_gradient(field):
    """The gradient of the loss of the exact solution."""
    p = P[field]
    if field == "any":

        def loss(p):
            rows = spiral_exact(jnp.append(p[4], times(p)), p[3], p[1:3], p[0])
            return jnp.sum(WEIGHTS * rows) + 0.1 * p[4]

        return jax.jit(jax.grad(loss))(p)

    def right(t, y, args):
        return np.array([pendulum_velocity(t, y[1], args), pendulum_force(t, y[0], args)], float)

    def loss(p):
        early = tight(right, (p[3], p[4]), p[1:3], (p[0],), ts=np.asarray(times(p)))
        late = tight(right, (float(times(p)[-1]), p[4]), early[-1], (p[0],))
        return np.sum(WEIGHTS * np.concatenate([late, early])) + 0.1 * p[4]

    return differences(loss, p, 3e-3)


@each([n for n in NAMES if BY_NAME[n].order >= 4], HEAVY)
def test_gradients_converge_to_those_of_the_exact_solution(name):
    row = BY_NAME[name]
    _, gradient = value_and_gradient(name, 1e-9)
    sizes = steps_of(name, 1e-9)
    # saved values and their times carry the interpolant's error, h^(interpolant + 1), and a power of h less in the
    # derivative with respect to time; adaptive solves take steps of about 0.01 to 0.1 at this tolerance
    h = sizes[np.isfinite(sizes)].max()
    atol = max(1e-7, 30 * h ** min(row.order, row.interpolant))
    np.testing.assert_allclose(gradient, reference_gradient(row.field), rtol=0, atol=atol)


# One solve, many ways


@each(REPRESENTATIVES)
def test_jit_and_vmap_agree_with_eager_solves(name):
    row = BY_NAME[name]
    ps = P[row.field] * (1 + 0.1 * np.array([[0], [1], [-1]]) * np.array([1, 0.4, 0.3, 0.5, 0.2, 0]))
    rtol = 1e-4
    lanes = jax.jit(jax.vmap(lambda p: solve(row, p, rtol, more={"steps": sj.Steps(600)})))(ps)
    # fused multiplies differ between programs: rounding, seen through an error estimate of about the tolerance, moves
    # the steps
    tolerance = 100 * amplification(row.method) * np.finfo(float).eps / rtol
    for i, p in enumerate(ps):
        one, lane = eager(row, p, rtol), jax.tree.map(lambda x, i=i: x[i], lanes)
        assert {k: int(v) for k, v in one.stats.items()} == {k: int(v) for k, v in lane.stats.items()}
        assert int(one.n["steps"]) == int(lane.n["steps"])
        for a, b in zip(jax.tree.leaves((one.t, one.y)), jax.tree.leaves((lane.t, lane.y)), strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@each(NAMES)
def test_backwards_in_time(name):
    row = BY_NAME[name]
    p, rtol = P[row.field], 1e-4 if row.order <= 2 else 1e-6
    there = eager(row, p, rtol)
    here = eager(row, np.array([p[0], *state(there.y["end"]), p[4], p[3], 1.0]), rtol)
    assert float(here.t["end"]) == p[3]
    assert np.all(np.diff(here.t["steps"][: int(here.n["steps"])]) < 0)
    # twice the global error, C h^order; adaptive steps have rtol ~ h^(order + 1), and there are some hundred at least
    tolerance = max(300 * rtol, 10 * rtol ** (row.order / (row.order + 1))) if row.adaptive else 10 * 0.04**row.order
    np.testing.assert_allclose(state(here.y["end"]), p[1:3], rtol=0, atol=tolerance)


@pytest.mark.float32
@each(REPRESENTATIVES, HEAVY)
def test_float32_pytrees(name):
    """Nested states and arguments; everything stays float32, whatever the constants are."""
    row = BY_NAME[name]
    p = P[row.field]
    args = {"rate": [jnp.float32(p[0])], "unused": 3, "name": "text"}
    x, y = (jnp.asarray(v, jnp.float32) for v in p[1:3])
    if row.field == "any":

        def field(t, y, args):
            assert args["unused"] == 3 and args["name"] == "text"
            dx, dy = spiral(t, jnp.concatenate([y["x"], y["rest"][0][None]]), args["rate"])
            return {"x": dx[None] * np.float64(1.0), "rest": (dy,)}

        y0 = {"x": x[None], "rest": (y,)}
    else:
        field = sj.Separable(
            lambda t, p, args: {"q": pendulum_velocity(t, p["p"][0], args["rate"])},
            lambda t, q, args: {"p": [pendulum_force(t, q["q"], args["rate"])]},
        )
        y0 = ({"q": x}, {"p": [y]})
    how = {"rtol": 1e-4, "atol": 1e-4} if row.adaptive else {"steps": 300}
    sol = sj.solve_ode(field, (p[3], p[4]), y0, args, method=row.method, **how)
    assert jax.tree.structure(sol.y) == jax.tree.structure(y0)
    assert {leaf.dtype for leaf in jax.tree.leaves((sol.t, sol.y))} == {np.dtype("float32")}
    assert [leaf.shape for leaf in jax.tree.leaves(sol.y)] == [leaf.shape for leaf in jax.tree.leaves(y0)]
    if row.field == "any":
        exact = spiral_exact(p[4], p[3], jnp.asarray(p[1:3]), p[0])
        # a hundred times the tolerance of a step, or the error of 300 steps of order 1
        got = np.array([sol.y["x"][0], sol.y["rest"][0]])
        np.testing.assert_allclose(got, exact, rtol=0.01 if row.order > 1 else 0.05)


@each(REPRESENTATIVES)
def test_complex_states(name):
    row = BY_NAME[name]
    w = 0.8 + 0.3j
    if row.field == "any":
        y0, field = 0.5 + 0.5j, lambda t, z, w: 1j * w * z**2
        exact = y0 / (1 - 1j * w * y0 * 1.5)
    else:
        y0, field = (0.5 + 0.5j, 0.2 - 0.1j), sj.SecondOrder(lambda t, q, w: -(w**2) * q)
        exact = y0[0] * np.cos(1.5 * w) + y0[1] / w * np.sin(1.5 * w)
    how = {"rtol": 1e-7, "atol": 1e-7} if row.adaptive else {"dt": 1.5 / 500}
    sol = sj.solve_ode(field, (0.0, 1.5), y0, w, method=row.method, **how)
    value = sol.y[0] if row.field == "separable" else sol.y
    assert value.dtype == np.complex128
    assert sol.t.dtype == np.float64
    # the tolerance of a step times some hundred steps, or 500 steps of order 1
    np.testing.assert_allclose(value, exact, rtol=3e-5 if row.order > 1 else 5e-3)


# Failures, in one method of every class


def fragile(t, y, args):
    """-y, but NaN from a time on, and with a vertical slope at another."""
    bad, steep = args
    y = y * jnp.where(t > bad, jnp.nan, 1.0)
    return -y / jnp.sqrt(jnp.abs(steep - t))


def fragile_pair(t, q, args):
    return fragile(t, q, args)


CLASSES = ["Euler", "Tsit5", "Vern7", "Dopri8", "RK4", "ALF", "ReversibleHeun", "SymplecticEuler", "Yoshida4"]


@cache
def failing(name):
    row = BY_NAME[name]
    separable = row.field == "separable"
    field = sj.SecondOrder(fragile_pair) if separable else fragile
    y0 = (jnp.ones(2), jnp.zeros(2)) if separable else jnp.ones(2)

    @jax.jit
    def run(bad, steep, rtol, dt_min, dt):
        how = {"dt_min": dt_min} if row.adaptive else {"dt": dt}
        save = {"end": None, "ts": jnp.array([0.1, 0.9])}
        return sj.solve_ode(
            field, (0.0, 1.0), y0, (bad, steep), method=row.method, rtol=rtol, atol=rtol, max_steps=60, throw=False,
            save=save, **how
        )  # fmt: skip

    return row, run


@pytest.mark.parametrize("name", CLASSES)
def test_failures_have_their_codes(name):
    row, run = failing(name)
    fine = run(2.0, 2.0, 1e-2, 1e-9, 0.02)
    assert fine.result == sj.RESULT.successful
    assert float(fine.t["end"]) == 1.0

    nan = run(0.5, 2.0, 1e-2, 1e-9, 0.02)
    assert nan.result == sj.RESULT.non_finite
    # what came before stays: the last state that was accepted, the row before it, and the state for the one after
    assert 0.1 < float(nan.t["end"]) < 0.6
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(nan.y))
    assert int(nan.n["ts"]) == 1
    assert nan.t["ts"].tolist() == [0.1, float(nan.t["end"])]

    many = run(2.0, 2.0, 1e-13, 1e-12, 1e-3)
    if row.order < 7 or not row.adaptive:  # the others need fewer than 60 steps
        assert many.result == sj.RESULT.max_steps_reached
        assert int(many.stats["steps"]) == 60
    if row.adaptive:
        small = run(2.0, 0.5, 1e-7, 0.01, 0.0)
        assert small.result == sj.RESULT.dt_min_reached
        assert float(small.t["end"]) < 0.6
