r"""Rosenbrock-Wanner methods: order conditions, stability, stiff problems, the user's Jacobian, counts.

Order, interpolant, gradients, vmap and failures are the registry's. A method has order p when
$\sum_i b_i \Phi_i(\tau) = 1/\gamma(\tau)$ for every rooted tree of at most p nodes, where a node with one child takes
$\beta_{ij} = \alpha_{ij} + \gamma_{ij}$ and one with several takes $\alpha_{ij}$ (Hairer & Wanner II, theorem IV.7.4).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from ..explicit.test_tableaux import rooted_trees

METHODS = (sj.Rosenbrock23(), sj.Rodas3(), sj.Rodas4(), sj.Rodas42(), sj.Rodas5P())
each = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)

# coefficients of 15 digits with entries of up to 300, multiplied up to five deep
ROUNDING = 1e-9


def residuals(tableau, weights, order):
    """What the conditions of one order are violated by, for weights of h k."""
    alpha, beta = tableau.alphas, tableau.alphas + tableau.gammas
    trees = rooted_trees(order)
    phi = []
    for children in trees.children:
        if len(children) == 1:
            phi.append(beta @ phi[children[0]])
        else:
            phi.append(np.prod([np.ones(tableau.stages), *(alpha @ phi[c] for c in children)], axis=0))
    return np.array([weights @ phi[i] - 1 / trees.density[i] for i in trees.of_order[order]])


@each
def test_order_conditions(method):
    tableau = method.tableau
    b = np.asarray(tableau.m) @ tableau.gammas
    for order in range(1, tableau.order + 1):
        assert np.abs(residuals(tableau, b, order)).max() < ROUNDING
    # and no order more
    assert np.abs(residuals(tableau, b, tableau.order + 1)).max() > 1e-4


@each
def test_the_estimate_has_the_order_it_claims(method):
    """It vanishes up to the conditions below its order, and not at it."""
    tableau = method.tableau
    error = np.asarray(tableau.error) @ tableau.gammas
    trees = rooted_trees(tableau.error_order)
    for order in range(1, tableau.error_order):
        exact = np.array([1 / trees.density[i] for i in trees.of_order[order]])
        assert np.abs(residuals(tableau, error, order) + exact).max() < ROUNDING
    order = tableau.error_order
    exact = np.array([1 / trees.density[i] for i in trees.of_order[order]])
    assert np.abs(residuals(tableau, error, order) + exact).max() > 1e-4


@each
def test_interpolants(method):
    """Conditions power by power of theta, and continuity of y' at the left end follows from order 1."""
    tableau = method.tableau
    if not tableau.dense:
        return
    m, rows = np.asarray(tableau.m), np.asarray(tableau.dense)
    # y(s) - y = s m u + s (1 - s) (H_1 + s H_2 + ...) u as coefficients of s, s^2, ...
    powers = np.zeros((len(rows) + 2, tableau.stages))
    powers[0] += m
    for r, row in enumerate(rows):
        powers[r] += row
        powers[r + 1] -= row
    for order in range(1, tableau.dense_order + 1):
        trees = rooted_trees(order)
        exact = np.array([1 / trees.density[i] for i in trees.of_order[order]])
        for power, weights in enumerate(powers, start=1):
            wanted = exact if power == order else 0.0
            assert np.abs(residuals(tableau, weights @ tableau.gammas, order) + exact - wanted).max() < 1e-8


@each
def test_sums_belong_to_the_stages(method):
    tableau = method.tableau
    np.testing.assert_allclose(tableau.nodes, tableau.alphas.sum(1), atol=1e-12)
    np.testing.assert_allclose(tableau.time, tableau.gammas.sum(1), atol=1e-12)


def amplification(method, z):
    """R(z): one step of size 1 of y' = z y, as a real system of two."""

    def field(t, y, z):
        return z * y

    return sj.solve_ode(field, (0.0, 1.0), 1.0 + 0j, z, method=method, dt=1.0).y


@each
def test_stability(method):
    run = jax.jit(jax.vmap(lambda z: amplification(method, z)))
    left = np.concatenate([1j * np.logspace(-3, 6, 60), (-1 + 1j) * np.logspace(-3, 6, 60), -np.logspace(-3, 6, 60)])
    assert np.abs(run(jnp.asarray(left))).max() <= 1 + 1e-9  # A-stable
    assert np.abs(run(jnp.asarray([-1e10 + 0j, 1e10j]))).max() < 1e-8  # L-stable
    assert method.stability_limit is None


def prothero_robinson(t, y, args):
    """Relaxes to cos t at a rate of 1e6; not autonomous."""
    return -1e6 * (y - jnp.cos(t)) - jnp.sin(t)


@each
def test_steps_a_million_times_longer_than_the_relaxation(method):
    save = {"steps": sj.Steps(6000), "ts": [2.0, 5.0]}
    options = {"method": method, "rtol": 1e-6, "atol": 1e-6, "save": save}
    sol = sj.solve_ode(prothero_robinson, (0.0, 10.0), 1.0, **options)
    np.testing.assert_allclose(sol.y["steps"], np.cos(sol.t["steps"]), atol=2e-6)
    # an explicit method needs 3e6
    assert int(sol.stats["steps"]) < 6000
    # at the steps the relaxed solution is nearly exact however long they are; between them it is interpolated
    short = sj.solve_ode(prothero_robinson, (0.0, 10.0), 1.0, dt_max=0.1, **options)
    # h^3 / 6 for the quadratic one, and the estimated error of a derivative that the rate multiplies
    np.testing.assert_allclose(short.y["ts"], np.cos([2.0, 5.0]), atol=0.1**3 / 4)


def rober(t, y, k):
    a, b, c = k[0] * y[0], k[2] * y[1] * y[2], k[1] * y[1] ** 2
    return jnp.stack([b - a, a - b - c, c])


RATES = np.array([0.04, 3e7, 1e4])
# at t = 1e5, with 12 digits
ROBER = np.array([1.786592114232e-2, 7.27475146853e-8, 0.98213400611])


def solve_rober(method, rtol, t1=1e5, k=RATES, **options):
    y0 = np.array([1.0, 0.0, 0.0])
    return sj.solve_ode(rober, (0.0, t1), y0, k, method=method, rtol=rtol, atol=1e-4 * rtol, **options)


@each
def test_rober(method):
    loose, tight = solve_rober(method, 1e-4), solve_rober(method, 1e-7)
    errors = [np.max(np.abs(np.asarray(sol.y) / ROBER - 1)) for sol in (loose, tight)]
    # local errors add up over a few dozen to a few hundred steps
    assert errors[0] < 2e-3 and errors[1] < 2e-5 and errors[1] < errors[0]
    # mass is conserved by every method, to rounding
    assert float(jnp.sum(tight.y)) == pytest.approx(1.0, abs=1e-12)
    stats, s = {name: int(n) for name, n in tight.stats.items()}, method.tableau.stages
    assert stats["jacobians"] == stats["factorisations"] == stats["steps"]
    assert stats["linear_solves"] == s * stats["steps"]
    # the first stage has the derivative from the step before; in Rodas3 the second one too
    evaluations = s - isinstance(method, sj.Rodas3)
    assert stats["field_evaluations"] == 3 + evaluations * stats["steps"]


def test_a_span_of_eleven_decades():
    sol = solve_rober(sj.Rodas5P(), 1e-6, t1=1e11)
    # the published digits of the test set for initial value problem solvers, at t = 1e11
    np.testing.assert_allclose(sol.y, [2.08334015e-8, 8.33336077e-14, 0.99999997916], rtol=1e-4)
    assert int(sol.stats["steps"]) < 1000


def test_van_der_pol():
    """mu = 1000 over two thousand units: one relaxation and a half; against a tight solve with another method."""

    def field(t, y, mu):
        return jnp.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])

    def end(method, tolerance):
        options = {"method": method, "rtol": tolerance, "atol": tolerance}
        return sj.solve_ode(field, (0.0, 1300.0), jnp.array([2.0, 0.0]), 1000.0, **options).y

    np.testing.assert_allclose(end(sj.Rodas5P(), 1e-8), end(sj.Rodas4(), 1e-10), rtol=1e-5)


# The user's Jacobian


def rober_jacobian(t, y, k):
    return jnp.array(
        [
            [-k[0], k[2] * y[2], k[2] * y[1]],
            [k[0], -k[2] * y[2] - 2 * k[1] * y[1], -k[2] * y[1]],
            [0.0, 2 * k[1] * y[1], 0.0],
        ]
    )


def test_the_users_jacobian_gives_the_same():
    own, given = solve_rober(sj.Rodas5P(), 1e-5), solve_rober(sj.Rodas5P(), 1e-5, jacobian=rober_jacobian)
    np.testing.assert_allclose(given.y, own.y, rtol=1e-9)
    assert int(given.stats["steps"]) == int(own.stats["steps"])

    def end(k, jacobian):
        return solve_rober(sj.Rodas4(), 1e-5, t1=10.0, k=k, jacobian=jacobian).y[1]

    gradients = [jax.grad(end)(RATES, jacobian) for jacobian in (None, rober_jacobian)]
    np.testing.assert_allclose(*gradients, rtol=1e-8)


MISTAKES = {
    "no function": ({"jacobian": 3.0}, TypeError, "jacobian must be a function jacobian(t, y, args); got 3.0"),
    "two arguments": ({"jacobian": lambda t, y: y}, TypeError, "jacobian is called as jacobian(t, y, args)"),
    "a shape": (
        {"jacobian": lambda t, y, args: y},
        ValueError,
        "jacobian must return df_i/dy_j as an array of shape (3, 3)",
    ),
    "an explicit method": (
        {"jacobian": rober_jacobian, "method": sj.Tsit5()},
        ValueError,
        "jacobian= is for implicit methods, and Tsit5 is explicit",
    ),
    "a pytree": (
        {"jacobian": rober_jacobian, "y0": (1.0, 0.0, 0.0)},
        ValueError,
        "jacobian= needs y0 to be one real vector, shape (n,)",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_with_a_jacobian(name):
    changes, error, message = MISTAKES[name]
    options = {"method": sj.Rodas4(), "y0": np.ones(3), **changes}
    with pytest.raises(error) as failure:
        sj.solve_ode(lambda t, y, k: jax.tree.map(jnp.negative, y), (0.0, 1.0), options.pop("y0"), RATES, **options)
    assert message in str(failure.value)


# States and failures


def test_states_of_any_kind():
    """A pytree with a complex leaf and a real one that drives it; neither holomorphic nor autonomous."""

    def field(t, y, args):
        z, x = y["z"], y["x"]
        return {"z": -1e3 * (z - x[0] * jnp.exp(1j * t)) + 0.1 * jnp.conj(z), "x": -x}

    y0 = {"z": jnp.zeros(2, complex), "x": jnp.ones(3)}
    options = {"rtol": 1e-7, "atol": 1e-9}
    stiff = sj.solve_ode(field, (0.0, 1.0), y0, method=sj.Rodas5P(), **options)
    plain = sj.solve_ode(field, (0.0, 1.0), y0, **options)
    assert stiff.y["z"].dtype == plain.y["z"].dtype
    np.testing.assert_allclose(stiff.y["z"], plain.y["z"], atol=1e-6)
    np.testing.assert_allclose(stiff.y["x"], np.exp(-1), rtol=1e-6)


@pytest.mark.float32
def test_float32():
    y0, k = jnp.array([1.0, 0.0, 0.0], jnp.float32), RATES.astype(np.float32)
    sol = sj.solve_ode(rober, (0.0, 100.0), y0, k, method=sj.Rodas4(), rtol=1e-3, atol=1e-7)
    assert sol.y.dtype == jnp.float32
    # the tolerance; from a solve in float64 at 1e-10
    np.testing.assert_allclose(sol.y, [0.6172348, 6.153591e-6, 0.3827590], rtol=5e-3)


@pytest.mark.parametrize("n", [20, 70])
def test_larger_systems(n):
    """Diffusion between walls at zero: the slowest wave decays alone; row-wise elimination, and LAPACK."""

    def field(t, y, args):
        padded = jnp.pad(y, 1)
        return (n + 1) ** 2 * (padded[2:] - 2 * y + padded[:-2])

    x = np.arange(1, n + 1) / (n + 1)
    rate = 4 * (n + 1) ** 2 * np.sin(np.pi / (2 * (n + 1))) ** 2
    sol = sj.solve_ode(field, (0.0, 0.1), np.sin(np.pi * x), method=sj.Rodas4(), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(sol.y, np.sin(np.pi * x) * np.exp(-0.1 * rate), rtol=1e-5)
    assert int(sol.stats["steps"]) < 100


def test_a_jacobian_that_is_nan_ends_the_solve():
    """sqrt has an infinite derivative at zero: a RESULT after a bounded number of attempts, never a stall."""
    sol = sj.solve_ode(lambda t, y, args: jnp.sqrt(y) - 1.0, (0.0, 1.0), 0.0, method=sj.Rodas4(), throw=False)
    assert sol.result == sj.RESULT.non_finite
    # from 1e-6 by fifths down to the smallest number, t being zero
    assert int(sol.stats["steps"]) < 500 and float(sol.t) == 0.0
