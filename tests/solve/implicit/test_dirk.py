r"""Diagonally implicit methods: order conditions, stability, splitting, Newton's iteration, counts.

A method has order p when $\sum_i b_i \Phi_i(\tau) = 1/\gamma(\tau)$ for every rooted tree of at most p nodes (Hairer,
Norsett & Wanner I, theorem II.2.13).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from ..explicit.test_tableaux import rooted_trees
from ..problems import differences, graded, tight

PLAIN = (sj.ImplicitEuler, sj.Trapezoid, sj.TRBDF2, sj.Kvaerno3, sj.Kvaerno4, sj.Kvaerno5)
ADDITIVE = (sj.IMEXEuler, sj.KenCarp3, sj.KenCarp4, sj.KenCarp5)


def each(methods):
    return pytest.mark.parametrize("method", [m() for m in methods], ids=[m.__name__ for m in methods])


# Kvaerno gives gamma to 10 digits; the other coefficients have 15
ROUNDING = 1e-9


def square(rows, n):
    full = np.zeros((n, n))
    for i, row in enumerate(rows):
        full[i, : len(row)] = row
    return full


def halves(tableau):
    """(A, b, error weights) of the implicit method, and of the explicit one where there is one."""
    n = tableau.stages
    out = [(square(tableau.a, n), np.asarray(tableau.b), np.asarray(tableau.error))]
    if tableau.additive:
        b, error = tableau.explicit_b or tableau.b, tableau.explicit_error or tableau.error
        out.append((square(tableau.explicit_a, n), np.asarray(b), np.asarray(error)))
    return out


def sums(a, weights, order):
    """The elementary weights of all trees of one order, and what they should be."""
    trees, phi = rooted_trees(order), []
    for children in trees.children:
        phi.append(np.prod([np.ones(len(a)), *(a @ phi[c] for c in children)], axis=0))
    exact = np.array([1 / trees.density[i] for i in trees.of_order[order]])
    return np.array([weights @ phi[i] for i in trees.of_order[order]]), exact


@each(PLAIN + ADDITIVE)
def test_order_conditions(method):
    tableau = method.tableau
    for a, b, _ in halves(tableau):
        for order in range(1, tableau.order + 1):
            got, exact = sums(a, b, order)
            np.testing.assert_allclose(got, exact, atol=ROUNDING)
        got, exact = sums(a, b, tableau.order + 1)
        assert np.abs(got - exact).max() > 1e-4


@each(PLAIN + ADDITIVE)
def test_the_estimate_has_the_order_it_claims(method):
    tableau = method.tableau
    for a, _, error in halves(tableau):
        for order in range(1, tableau.error_order):
            np.testing.assert_allclose(sums(a, error, order)[0], 0, atol=ROUNDING)
        assert np.abs(sums(a, error, tableau.error_order)[0]).max() > 1e-4


@each(ADDITIVE)
def test_both_methods_of_a_pair_have_the_same_nodes(method):
    tableau = method.tableau
    # the fractions of the pairs of order 3 and 5 are rounded to 25 digits
    np.testing.assert_allclose([sum(row) for row in tableau.explicit_a], tableau.nodes, atol=1e-14)


@each(PLAIN + ADDITIVE)
def test_guesses_extrapolate(method):
    """Weights that sum to one; linear in time where two nodes are known."""
    tableau = method.tableau
    for i in range(1, tableau.stages):
        weights = tableau.guess(i)
        assert np.isclose(weights.sum(), 1) and np.abs(weights).sum() <= 5 + 1e-12


@each(PLAIN + ADDITIVE)
def test_stability(method):
    """One step of size 1 of y' = z y: R(z), which all but the trapezoidal rule damp at infinity."""

    def amplification(z):
        return sj.solve_ode(lambda t, y, z: z * y, (0.0, 1.0), 1.0 + 0j, z, method=method, steps=1).y

    run = jax.jit(jax.vmap(amplification))
    left = np.concatenate([1j * np.logspace(-3, 6, 40), (-1 + 1j) * np.logspace(-3, 6, 40), -np.logspace(-3, 6, 40)])
    # one Newton correction is exact for a linear field, up to rounding times the stiffness it cancels
    assert np.abs(run(jnp.asarray(left))).max() <= 1 + 1e-8
    far = np.abs(run(jnp.asarray([-1e10 + 0j, 1e10j])))
    np.testing.assert_allclose(far, 1.0 if isinstance(method, sj.Trapezoid) else 0.0, atol=1e-5)


# Splitting


def slope(sizes, errors) -> float:
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


@each(ADDITIVE)
def test_order_of_a_split_field(method):
    """A nonlinear field cut in two parts that both depend on everything; the orders of both parts and of what couples
    them show."""
    order = method.order
    problem = graded(order)

    def share(t, y):
        return jax.nn.sigmoid(3 * jnp.sum(y[:2]) + t)

    field = sj.Split(
        lambda t, y, args: share(t, y) * problem.field(t, y, args),
        lambda t, y, args: (1 - share(t, y)) * problem.field(t, y, args),
    )
    method = type(method)(newton_tolerance=1e-6)

    @jax.jit
    def run(grid):
        steps = sj.GivenSteps(grid)
        return sj.solve_ode(field, (-1.0, 1.0), problem.exact(-1.0), method=method, controller=steps).y

    steps, errors = np.array([48, 64, 96, 128]), []
    for n in steps:
        grid = np.append(np.linspace(-1, 1, n + 1), np.ones(128 - n))
        errors.append(np.abs(run(grid) - problem.exact(1.0)).max())
    assert slope(2 / steps, errors) == pytest.approx(order, abs=0.25)


STIFF = sj.Split(
    lambda t, y, rate: jnp.stack([y[1], -jnp.sin(t)]),
    lambda t, y, rate: jnp.stack([-rate * (y[0] - jnp.cos(t)), 0.0 * y[1]]),
)


@each(ADDITIVE)
def test_the_implicit_part_may_be_stiff(method):
    """y0 relaxes to cos t at a rate of 1e6 while the explicit part drives it by y1 = cos t."""
    tolerance = 1e-4 if method.order == 1 else 1e-6
    sol = sj.solve_ode(STIFF, (0.0, 3.0), jnp.ones(2), 1e6, method=method, rtol=tolerance, atol=tolerance)
    assert int(sol.stats["steps"]) < 2000  # an explicit method needs 1e6
    np.testing.assert_allclose(sol.y, np.cos(3.0), atol=100 * tolerance ** (method.order / (method.order + 1)))


def test_a_split_field_is_the_sum_for_other_methods():
    split = sj.solve_ode(STIFF, (0.0, 3.0), jnp.ones(2), 1e3, method=sj.TRBDF2())
    whole = sj.solve_ode(lambda t, y, r: STIFF(t, y, r), (0.0, 3.0), jnp.ones(2), 1e3, method=sj.TRBDF2())
    np.testing.assert_array_equal(split.y, whole.y)


@pytest.mark.parametrize("gradient", [sj.Recorded(), sj.Forward()], ids=["recorded", "forward"])
def test_gradients_of_a_split_solve(gradient):
    method = sj.KenCarp3(newton_tolerance=1e-6)

    def end(rate):
        field = sj.Split(lambda t, y, r: jnp.cos(r * t) + 0 * y, lambda t, y, r: -(r**2) * y**3)
        return sj.solve_ode(field, (0.0, 1.0), 1.5, rate, method=method, gradient=gradient, steps=40).y

    if isinstance(gradient, sj.Recorded):
        derive = jax.jit(jax.value_and_grad(end))
    else:
        derive = jax.jit(lambda rate: jax.jvp(end, (rate,), (1.0,)))
    wanted = differences(lambda rate: derive(rate)[0], 2.0, 3e-3)
    # h^4, and what Newton's iteration leaves, 1e-12, over h
    np.testing.assert_allclose(derive(2.0)[1], wanted.item(), rtol=1e-8)


# Newton's iteration


def test_counts():
    def field(t, y, args):
        return -jnp.array([1.0, 1e3]) * y

    sol = sj.solve_ode(field, (0.0, 1.0), jnp.ones(2), method=sj.Kvaerno3(), steps=10)
    stats = {k: int(v) for k, v in sol.stats.items()}
    assert stats["steps"] == stats["jacobians"] == stats["factorisations"] == 10
    assert stats["newton_failures"] == 0
    # three implicit stages; the first correction of a linear field is exact, the second sees it
    assert 30 <= stats["linear_solves"] <= 60
    assert stats["field_evaluations"] == 1 + stats["linear_solves"]


def test_a_smaller_step_where_newton_fails():
    """A first step far beyond the curvature of the field: Newton diverges, the solve goes on with smaller steps."""

    def field(t, y, args):
        return -(y**3) - 50 * jnp.tanh(40 * (y - jnp.cos(3 * t)))

    sol = sj.solve_ode(field, (0.0, 3.0), 10.0, method=sj.Kvaerno5(), dt0=3.0, rtol=1e-8, atol=1e-8)
    assert int(sol.stats["newton_failures"]) > 0
    exact = tight(lambda t, y, a: -(y**3) - 50 * np.tanh(40 * (y - np.cos(3 * t))), (0.0, 3.0), [10.0])
    np.testing.assert_allclose(sol.y, exact.item(), atol=1e-6)


def test_equations_without_solution_end_with_a_result():
    """Constant steps cannot shrink, and y' = 1 + y^2 is beyond its pole."""
    sol = sj.solve_ode(lambda t, y, a: 1 + y**2, (0.0, 4.0), 0.0, method=sj.ImplicitEuler(), dt=1.0, throw=False)
    assert sol.result == sj.RESULT.step_failed
    assert float(sol.state.t) < 4.0
    with pytest.raises(sj.SolveError, match="Newton's iteration did not converge"):
        sj.solve_ode(lambda t, y, a: 1 + y**2, (0.0, 4.0), 0.0, method=sj.ImplicitEuler(), dt=1.0)


def test_the_users_jacobian():
    def field(t, y, k):
        return jnp.stack([-k * y[0] * y[1], k * y[0] * y[1] - y[1]])

    def jacobian(t, y, k):
        return jnp.array([[-k * y[1], -k * y[0]], [k * y[1], k * y[0] - 1]])

    y0 = jnp.array([1.0, 0.1])
    own = sj.solve_ode(field, (0.0, 5.0), y0, 30.0, method=sj.Kvaerno4())
    given = sj.solve_ode(field, (0.0, 5.0), y0, 30.0, method=sj.Kvaerno4(), jacobian=jacobian)
    np.testing.assert_allclose(given.y, own.y, rtol=1e-12)
    assert int(given.stats["steps"]) == int(own.stats["steps"])


@pytest.mark.parametrize("method", [sj.Kvaerno3, sj.SBDF2, sj.BDF, sj.Radau5, sj.RadauIIA, sj.GaussLegendre4])
def test_an_iteration_needs_a_sensible_tolerance(method):
    for tolerance in (9, 0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=f"newton_tolerance of sj.{method.__name__} is a fraction"):
            method(newton_tolerance=tolerance)
    if method in (sj.Radau5, sj.RadauIIA, sj.GaussLegendre4):
        with pytest.raises(ValueError, match="max_iterations of .* is an int, 2 or more"):
            method(max_iterations=0)
