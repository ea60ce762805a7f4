"""RadauIIA with the order chosen on the way: the rule and its log, stiff problems at several tolerances, constraints,
gradients through changes of the order, lanes that change apart.

The methods of one order have their tests in `test_radau.py`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.data import problems
from sciml_jax.solve.implicit.collocation import Last, extrapolated, sampled
from sciml_jax.solve.implicit.collocation_newton import Work
from sciml_jax.solve.implicit.collocation_tableau import radau_iia
from sciml_jax.solve.implicit.order_choice import after_acceptance, after_rejection, first_choice

from ..problems import differences, tight
from .test_radau import solve_stiff


def stats_of(sol):
    return {name: int(n) for name, n in sol.stats.items()}


# The rule


def work(rate=0.1, iterations=3, ok=True):
    return Work(jnp.asarray(ok), jnp.int32(iterations), jnp.asarray(rate), {})


def run(rates, choice=None, start=0, which=0, ratio=1.0):
    """The places of the orders after steps with these rates of convergence, and the choice then."""
    choice, places = first_choice() if choice is None else choice, []
    accept = jax.jit(after_acceptance, static_argnums=(4, 5))
    for i, rate in enumerate(rates):
        new, choice = accept(choice, work(rate), jnp.asarray(ratio), jnp.int32(start + i), which, 2)
        which = int(new)
        places.append(which)
    return places, choice


def test_a_fast_iteration_raises_the_order_after_ten_steps():
    places, choice = run([1e-3] * 40)
    assert places == [0] * 9 + [1] * 10 + [2] * 21
    assert int(choice.changes) == 2
    assert run([1e-3] * 40, ratio=1.5)[0] == [0] * 40  # a rate at an unsteady step size says little
    assert run([3e-3] * 40)[0] == [0] * 40


def test_a_slow_iteration_or_a_failure_lowers_it():
    places, choice = run([0.1, 0.85, 0.1, 0.9, 0.9], which=2)
    assert places == [2, 1, 1, 0, 0]
    failed = after_rejection(choice, work(ok=False))
    assert bool(failed.failed)
    assert not bool(after_rejection(choice, work()).failed)
    lower, after = after_acceptance(failed, work(), jnp.asarray(1.0), failed.step, 2, 2)
    assert (int(lower), bool(after.failed)) == (1, False)


def test_repeated_steps_have_the_orders_that_were_chosen():
    """Whatever the rates are when they are repeated, from any step on; beyond 256 changes as far as the log goes."""
    rng = np.random.default_rng(0)
    places, choice = run(10.0 ** rng.uniform(-4, 0, 200))
    assert int(choice.changes) > 5
    before = [0, *places]
    for start in (0, 57, 150):
        again, _ = run([0.1] * (200 - start), choice._replace(failed=jnp.asarray(True)), start, before[start])
        assert again == places[start:]
    # an order that jumps in every step: the log keeps the last 256 changes
    many, choice = run([0.9] * 2 + [1e-3] * 10 + [0.9] * 12 + ([1e-3] * 10 + [0.9]) * 140)
    assert int(choice.changes) > 256
    late = len(many) - 1000
    assert run([0.1] * 1000, choice, late, many[late - 1])[0] == many[late:]


def test_polynomials_of_all_orders_are_kept_at_the_nodes_of_the_highest():
    """The values elsewhere are those of the same polynomial; and they are extrapolated to the stages of any order."""
    high, rng = radau_iia(7), np.random.default_rng(0)
    for stages in (3, 5, 7):
        low = radau_iia(stages)
        powers = rng.normal(size=(stages, 1))
        at = lambda c, powers=powers: np.asarray(c)[:, None] ** np.arange(1, len(powers) + 1) @ powers
        kept = sampled(low, high, jnp.asarray(at(low.nodes)))
        # weights of at most 100 in all, times rounding
        np.testing.assert_allclose(kept, at(high.nodes), atol=1e-13)
        for other in (3, 5, 7):
            nodes = radau_iia(other).nodes
            got = extrapolated(high, nodes, Last(kept, jnp.asarray(1.0)), jnp.asarray(1.5))
            # the seven weights sum up to 1e5 at 2.5 steps
            np.testing.assert_allclose(got, at(1 + 1.5 * nodes) - at([1.0]), atol=1e-9)


# Problems


def test_a_tight_tolerance_raises_the_order():
    """ROBER at 1e-11: from 3,200 steps of order 5 to about 150, and no less accurate."""
    methods = sj.RadauIIA(), sj.RadauIIA(order=5)
    (sol, reference), (low, _) = (solve_stiff("rober", method, 1e-5, 1e-11) for method in methods)
    assert stats_of(sol)["order_changes"] >= 2
    assert int(sol.state.method.carry.which) == 2
    assert stats_of(sol)["steps"] < 0.1 * stats_of(low)["steps"]
    # a hundred steps with errors of the tolerance
    np.testing.assert_allclose(sol.y, reference, rtol=1e-9)


def test_a_loose_tolerance_keeps_order_5():
    methods = sj.RadauIIA(), sj.RadauIIA(order=5)
    sol, low = (solve_stiff("rober", method, 100, 1e-3)[0] for method in methods)
    assert stats_of(sol) == stats_of(low)
    assert stats_of(sol)["order_changes"] == 0
    # rounding in the guesses, seen through what Newton's iteration leaves
    np.testing.assert_allclose(sol.y, low.y, rtol=1e-8)


@pytest.mark.parametrize("name", ["rober", "van_der_pol", "orego"])
def test_stiff_problems(name):
    for rtol in (1e-6, 1e-10):
        sol, reference = solve_stiff(name, sj.RadauIIA(), rtol / 1e-6, rtol)
        # the error of a hundred steps; the phase of the Oregonator grows it further
        np.testing.assert_allclose(sol.y, reference, rtol=100 * rtol)
        assert stats_of(sol)["order_changes"] >= 1


def test_the_order_falls_where_newton_struggles():
    """The Oregonator's jumps, at a tolerance at which its slow phases are left to higher orders."""
    sol, _ = solve_stiff("orego", sj.RadauIIA(), 1e-2, 1e-8)
    log = np.asarray(sol.state.method.cache.choice.log)
    places = log[log >= 0] % 4
    assert len(places) == 1 + stats_of(sol)["order_changes"]
    assert np.any(np.diff(places) < 0)
    assert stats_of(sol)["newton_failures"] > 0


def test_constraints():
    """A singular mass matrix: the order rises as without it."""
    p = problems.rober_dae()
    for rtol, wanted in ((1e-6, 1e-5), (1e-9, 1e-7)):
        options = {"method": sj.RadauIIA(), "mass": p.mass, "rtol": rtol, "atol": p.atol * rtol / 1e-6}
        sol = sj.solve_ode(p.field, p.t_span, p.y0, p.args, **options)
        np.testing.assert_allclose(sol.y, p.reference, rtol=wanted)
    assert stats_of(sol)["order_changes"] >= 1


def test_a_mass_matrix_that_is_not_diagonal():
    """The capacitors of the transistor amplifier couple nodes; its matrix is singular."""
    p = problems.transistor_amplifier()
    assert np.any(p.mass - np.diag(np.diag(p.mass)))
    options = {"method": sj.RadauIIA(), "mass": p.mass, "rtol": 1e-7, "atol": 1e-7}
    sol = sj.solve_ode(p.field, p.t_span, p.y0, p.args, **options)
    # as of the other methods in test_mass
    np.testing.assert_allclose(sol.y, p.reference, rtol=2e-4, atol=2e-5)


# Gradients, lanes


def relaxing(t, y, rate):
    return -rate * (y**3 + y - 2 - (np.sin(t) if isinstance(y, np.ndarray) else jnp.sin(t)))


Q = np.array([1.0, 2.0])  # the rate in fifties, and the start


def loss(q, gradient=None, grid=None, steps=None):
    how = {"steps": steps} if steps else {} if grid is None else {"controller": sj.GivenSteps(grid)}
    save = {"end": None} | ({} if steps else {"ts": jnp.array([0.02, 0.9]), "steps": sj.Steps(100)})
    sol = sj.solve_ode(
        relaxing, (0.0, 3.0), q[1], 50 * q[0], method=sj.RadauIIA(1e-8, 30), rtol=1e-8, atol=1e-8, save=save,
        gradient=gradient, max_steps=500, **how
    )  # fmt: skip
    return sol.y["end"] + jnp.sum(sol.y.get("ts", 0.0)), sol


on_grid = jax.jit(lambda q, grid: loss(q, grid=grid))


def check_that_they_follow(got, sol):
    """The gradient is that of the same steps of the same orders, and within the tolerance that of the solution."""
    assert stats_of(sol)["order_changes"] == 2
    grid = sol.t["steps"][: int(sol.n["steps"])]
    log = lambda sol: np.asarray(sol.state.method.cache.choice.log)  # noqa: E731
    np.testing.assert_array_equal(log(on_grid(Q, grid)[1]), log(sol))
    # rounding and what Newton's iteration leaves, 1e-15, over h; the error of the differences, h^4
    wanted = differences(lambda q: on_grid(q, grid)[0], Q, 1e-3)
    np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-10)
    exact = differences(lambda q: np.sum(tight(relaxing, (0.0, 3.0), [q[1]], 50 * q[0], [0.02, 0.9, 3.0])), Q, 1e-3)
    # a hundred times the tolerance
    np.testing.assert_allclose(got, exact, rtol=1e-6)


def test_gradients_follow_the_orders():
    """Replayed in segments of 128 steps, through both changes."""
    check_that_they_follow(*jax.jit(jax.grad(lambda q: loss(q, sj.Recorded(snapshots=4)), has_aux=True))(Q))


@pytest.mark.slow
def test_forward_gradients_follow_the_orders():
    derive = jax.jit(lambda d: jax.jvp(lambda q: loss(q, sj.Forward()), (Q,), (d,), has_aux=True)[1:])
    (first, sol), (second, _) = derive(np.array([1.0, 0.0])), derive(np.array([0.0, 1.0]))
    check_that_they_follow(np.array([first, second]), sol)


@pytest.mark.slow
def test_gradients_of_equal_steps():
    """A scan: the choice is part of what is differentiated through, and constant."""
    near = Q * [1.0, 0.6]  # the iteration must converge in the first step too
    derive = jax.jit(jax.value_and_grad(lambda q: loss(q, steps=100), has_aux=True))
    (_, sol), got = derive(near)
    assert stats_of(sol)["order_changes"] > 0
    wanted = differences(lambda q: derive(q)[0][0], near, 1e-3)
    # as above
    np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-10)


def test_lanes_change_apart():
    def run(rate):
        return sj.solve_ode(relaxing, (0.0, 3.0), 2.0, rate, method=sj.RadauIIA(), rtol=1e-8, atol=1e-8)

    rates = np.array([0.1, 5.0, 50.0])
    lanes, one = jax.jit(jax.vmap(run))(rates), jax.jit(run)
    logs = set()
    for i, rate in enumerate(rates):
        alone = one(rate)
        assert stats_of(alone) == {name: int(n[i]) for name, n in lanes.stats.items()}
        logs.add(tuple(alone.state.method.cache.choice.log[:3].tolist()))
        # rounding, seen through the choice of the step sizes
        np.testing.assert_allclose(lanes.y[i], alone.y, rtol=1e-11)
    assert len(logs) > 1


def test_a_jump_keeps_the_order():
    """A decaying dose every second: stages are not extrapolated across it, and the choice goes on."""
    event = sj.Event(lambda t, y, a: jnp.sin(np.pi * (t + 0.5)), affect=lambda t, y, a: y + 1.0)
    how = {"events": event, "rtol": 1e-9, "atol": 1e-9}
    sol = sj.solve_ode(lambda t, y, a: -(y**2), (0.0, 4.0), 1.0, method=sj.RadauIIA(), **how)
    y = 1.0 / 1.5
    for _ in range(3):
        y = 1 / (1 / (y + 1.0) + 1)
    # four doses, at half past every hour
    assert int(sol.event.n) == 4
    assert float(sol.y) == pytest.approx(1 / (1 / (y + 1.0) + 0.5), rel=1e-7)
    assert stats_of(sol)["order_changes"] > 0


def test_options():
    assert sj.RadauIIA().orders == (5, 9, 13)
    assert (sj.RadauIIA().order, sj.RadauIIA(order=9).order) == (5, 9)
    for order in (7, 0, "9", (5, 9)):
        with pytest.raises(ValueError, match=r"order of sj.RadauIIA is 5, 9 or 13; got .*Without it the order is"):
            sj.RadauIIA(order=order)
