"""Collocation at the points of Radau and Gauss: coefficients, stability, stiff problems, constraints, kept matrices,
gradients, and what the symmetric methods conserve.

Order, interpolant, gradients, vmap, backwards and float32 of one row a method are the registry's.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import sciml_jax as sj
from sciml_jax.data import problems
from sciml_jax.linalg import Dense
from sciml_jax.solve.implicit.collocation_newton import correction, factors_of
from sciml_jax.solve.implicit.collocation_tableau import gauss, radau_iia

from ..problems import differences, tight
from .test_bdf import bouncing

RADAU = [radau_iia(s) for s in (3, 5, 7)]
TABLEAUS = [*RADAU, gauss(2), gauss(3)]
each_radau = pytest.mark.parametrize("tableau", RADAU, ids=lambda t: f"radau{t.order}")
each = pytest.mark.parametrize("tableau", TABLEAUS, ids=["radau5", "radau9", "radau13", "gauss4", "gauss6"])


# Coefficients. Rounding: entries of A are below 1, sums have at most 7 terms.


@each
def test_simplifying_conditions(tableau):
    """B(p), C(s) and D(p - s): together they give order p (Hairer & Wanner II, theorem IV.5.1)."""
    a, b, c, s, p = tableau.a, tableau.b, tableau.nodes, tableau.stages, tableau.order
    for k in range(1, p + 1):
        assert b @ c ** (k - 1) == pytest.approx(1 / k, abs=1e-14)
    assert abs(b @ c**p - 1 / (p + 1)) > 1e-9
    for k in range(1, s + 1):
        np.testing.assert_allclose(a @ c ** (k - 1), c**k / k, atol=1e-14)
    for k in range(1, p - s + 1):
        np.testing.assert_allclose((b * c ** (k - 1)) @ a, b / k * (1 - c**k), atol=1e-14)


@each
def test_the_eigenvectors_decouple_the_stages(tableau):
    values, left, right = tableau.decoupled
    assert 2 * len(values) - tableau.stages % 2 == tableau.stages
    # the condition of the eigenvectors, about 1e3 for seven stages, times rounding
    np.testing.assert_allclose(np.real(right.T @ left), np.eye(tableau.stages), atol=1e-12)
    np.testing.assert_allclose(np.real((right.T * values) @ left), tableau.inverse, atol=1e-11)
    np.testing.assert_allclose(tableau.inverse @ tableau.a, np.eye(tableau.stages), atol=1e-12)
    np.testing.assert_allclose(tableau.end, np.linalg.solve(tableau.a.T, tableau.b), atol=1e-12)
    assert np.linalg.cond(np.linalg.eig(tableau.inverse)[1]) < 2000


def test_published_digits():
    """Hairer & Wanner II, table IV.5.6, eq. IV.8.19, and the constants in their code RADAU5."""
    r, tableau = np.sqrt(6), radau_iia(3)
    a = [
        [(88 - 7 * r) / 360, (296 - 169 * r) / 1800, (-2 + 3 * r) / 225],
        [(296 + 169 * r) / 1800, (88 + 7 * r) / 360, (-2 - 3 * r) / 225],
        [(16 - r) / 36, (16 + r) / 36, 1 / 9],
    ]
    np.testing.assert_allclose(tableau.a, a, atol=1e-15)
    np.testing.assert_allclose(tableau.nodes, [(4 - r) / 10, (4 + r) / 10, 1], atol=1e-15)
    gamma, pair = tableau.decoupled.eigenvalues
    assert gamma.real == pytest.approx(3.6378342527444957, rel=1e-13)
    assert pair == pytest.approx(2.6810828736277521 + 3.0504301992474105j, rel=1e-13)
    t = np.array(
        [
            [9.1232394870892942792e-02, -0.14125529502095420843, -3.0029194105147424492e-02],
            [0.24171793270710701896, 0.20412935229379993199, 0.38294211275726193779],
            [0.96604818261509293619, 1.0, 0.0],
        ]
    )
    ti = np.array(
        [
            [4.3255798900631553510, 0.33919925181580986954, 0.54177053993587487119],
            [-4.1787185915519047273, -0.32768282076106238708, 0.47662355450055045196],
            [-0.50287263494578687595, 2.5719269498556054292, -0.59603920482822492497],
        ]
    )
    # vectors are known up to a factor: compare the projections, column times row
    _, left, right = tableau.decoupled
    np.testing.assert_allclose(np.outer(right[0], left[0]).real, np.outer(t[:, 0], ti[0]), atol=1e-14)
    np.testing.assert_allclose(np.outer(right[1], left[1]).real, t[:, 1:] @ ti[1:], atol=1e-14)
    column = right[1] / right[1][-1]
    np.testing.assert_allclose(column.real, t[:, 1], atol=1e-14)
    np.testing.assert_allclose(np.abs(column.imag), np.abs(t[:, 2]), atol=1e-14)
    np.testing.assert_allclose(tableau.estimate, [(-13 - 7 * r) / 3, (-13 + 7 * r) / 3, -1 / 3], atol=1e-13)


@each_radau
def test_the_estimate_is_a_difference_of_quadratures(tableau):
    """On y' = c t^(k-1), k <= s, it vanishes, and not for k = s + 1: z_i = c_i^k / k."""
    c, gamma = tableau.nodes, tableau.decoupled.eigenvalues[0].real
    for k in range(1, tableau.stages + 2):
        got = tableau.estimate @ c**k / k + (1.0 if k == 1 else 0.0)
        if k <= tableau.stages:
            assert got == pytest.approx(0, abs=1e-11)
        else:
            assert abs(got / gamma) > 1e-6  # an error constant of seven stages


@each
def test_corrections_solve_the_system_of_all_stages(tableau):
    """With a dense matrix, a mass matrix and both transposes; the reference is the Kronecker product."""
    rng = np.random.default_rng(0)
    jac, mass, r = rng.normal(size=(4, 4)), rng.normal(size=(4, 4)), rng.normal(size=(tableau.stages, 4))
    problem, h = sj.Problem(lambda t, y, args: y, (), 1e-6, 1e-6, mass=jnp.asarray(mass)), jnp.asarray(0.3)
    whole = np.kron(tableau.inverse / 0.3, mass) - np.kron(np.eye(tableau.stages), jac)

    @jax.jit
    def corrections(jac, r):
        factors = factors_of(Dense(4), problem, tableau, h, jac)
        return [correction(Dense(4), tableau, factors, r, transposed) for transposed in (False, True)]

    for got, matrix in zip(corrections(jac, r), (whole, whole.T), strict=True):
        # the condition of the eigenvectors and of the matrix, times rounding
        np.testing.assert_allclose(got, np.linalg.solve(matrix, r.ravel()).reshape(r.shape), atol=1e-9)


def test_polynomials():
    """One at their node, zero at the others and at 0; polynomials of degree s through 0 are reproduced."""
    for tableau in TABLEAUS:
        at = lambda s: np.array(tableau.polynomials(jnp.asarray(s)))  # noqa: B023, E731
        np.testing.assert_allclose([at(c) for c in tableau.nodes], np.eye(tableau.stages), atol=1e-13)
        assert np.all(at(0.0) == 0)
        assert at(1.7) @ tableau.nodes**tableau.stages == pytest.approx(1.7**tableau.stages, rel=1e-10)


# Stability


def pade(numerator: int, denominator: int, z):
    """The Padé approximation of exp, which the stability function of the methods is (Hairer & Wanner II, IV.3.30)."""

    def side(n, m, z):
        term, total = 1.0 + 0 * z, 1.0 + 0 * z
        for j in range(1, n + 1):
            term = term * z * (n - j + 1) / (m + n - j + 1) / j
            total = total + term
        return total

    return side(numerator, denominator, z) / side(denominator, numerator, -z)


METHODS = {
    "Radau5": (sj.Radau5(), 2, 3),
    "RadauIIA9": (sj.RadauIIA(order=9), 4, 5),
    "RadauIIA13": (sj.RadauIIA(order=13), 6, 7),
    "GaussLegendre4": (sj.GaussLegendre4(), 2, 2),
    "GaussLegendre6": (sj.GaussLegendre6(), 3, 3),
}


@pytest.mark.parametrize("name", METHODS)
def test_stability(name):
    """One step of size 1 of y' = z y is the Padé approximation, damped at infinity by the methods of Radau."""
    method, up, down = METHODS[name]

    def amplification(z):
        return sj.solve_ode(lambda t, y, z: z * y, (0.0, 1.0), 1.0 + 0j, z, method=method, steps=1).y

    ends = [1j * np.logspace(-2, 3, 12), (-1 + 1j) * np.logspace(-2, 3, 12), -np.logspace(-2, 3, 12)]
    z = np.concatenate([*ends, [-1e10]])
    got = np.asarray(jax.jit(jax.vmap(amplification))(jnp.asarray(z)))
    # one Newton correction is exact for a linear field, up to rounding times the condition of the eigenvectors
    np.testing.assert_allclose(got[:-1], pade(up, down, z[:-1]), atol=1e-10)
    assert abs(got[-1]) == pytest.approx(0.0 if up < down else 1.0, abs=1e-6)


# Stiff problems: one field for all of them, which its arguments choose, so that a method is compiled once

STIFF = {"rober": problems.rober(), "van_der_pol": problems.van_der_pol(), "orego": problems.orego()}


def stiff(t, y, args):
    which, parameters = args
    fields = [p.field(t, y[: len(p.y0)], k) for p, k in zip(STIFF.values(), parameters, strict=True)]
    return jnp.stack([jnp.pad(dy, (0, 3 - len(dy))) for dy in fields])[which]


def solve_stiff(name, method, factor=1.0, rtol=1e-6):
    """With `factor` times the absolute tolerance of the problem."""
    p = problems.rober(1e11) if name == "rober_1e11" else STIFF[name]
    args = np.array(list(STIFF).index(name.removesuffix("_1e11"))), [q.args for q in STIFF.values()]
    y0 = np.pad(p.y0, (0, 3 - len(p.y0)))
    atol = np.resize(np.broadcast_to(p.atol, len(p.y0)), 3) * factor
    sol = sj.solve_ode(stiff, p.t_span, y0, args, method=method, rtol=rtol, atol=atol)
    return sol, np.pad(p.reference, (0, 3 - len(p.y0)))


@pytest.mark.parametrize("name", ["Radau5", "RadauIIA9", pytest.param("RadauIIA13", marks=pytest.mark.slow)])
def test_stiff_problems(name):
    """ROBER and van der Pol's oscillator with mu = 1e-6, at a tolerance of 1e-6 a step."""
    for problem in ("rober", "van_der_pol"):
        sol, reference = solve_stiff(problem, METHODS[name][0])
        np.testing.assert_allclose(sol.y, reference, rtol=1e-6)


def test_eleven_decades():
    sol, reference = solve_stiff("rober_1e11", sj.Radau5())
    np.testing.assert_allclose(sol.y, reference, rtol=1e-4)


@pytest.mark.parametrize("order", [5, 9])
def test_order_under_stiffness(order):
    """Prothero & Robinson's y' = -1e6 (y - cos t) - sin t: the order falls to that of the stages (s + 1 at fixed
    stiffness, times 1 / stiffness, for stiffly accurate methods), the error stays below that of the stages."""
    method, s = sj.RadauIIA(1e-9, 30, order=order), (order + 1) // 2
    errors, rate = [], 1e6
    steps = np.array([4, 6, 9, 14])

    def field(t, y, rate):
        return -rate * (y - jnp.cos(t)) - jnp.sin(t)

    for n in steps:
        sol = sj.solve_ode(field, (0.0, 6.0), 1.0, rate, method=method, dt=6.0 / n, rtol=1e-10, atol=1e-10)
        errors.append(abs(float(sol.y) - np.cos(6.0)))
    slope = np.polyfit(np.log(6.0 / steps), np.log(errors), 1)[0]
    assert slope > s - 0.5
    assert errors[0] < (6.0 / 4) ** s / rate


@pytest.mark.parametrize("name", ["chemical_akzo_nobel", "transistor_amplifier"])
def test_constraints(name):
    """Singular mass matrices, of index 1; that of the second is not diagonal."""
    p = getattr(problems, name)()
    sol = sj.solve_ode(p.field, p.t_span, p.y0, p.args, method=sj.Radau5(), mass=p.mass, atol=p.atol)
    np.testing.assert_allclose(sol.y, p.reference, rtol=1e-5)


def test_large_systems_keep_their_band():
    """Heat on a line of 200 points; the gradient goes through the iterative solver of all stages."""
    n = 200
    x = np.arange(1, n + 1) / (n + 1)

    def heat(t, u, speed):
        padded = jnp.pad(u, 1)
        return speed * (padded[2:] - 2 * u + padded[:-2]) * (n + 1) ** 2

    def end(speed):
        sol = sj.solve_ode(heat, (0.0, 0.1), np.sin(np.pi * x), speed, method=sj.Radau5(), rtol=1e-7, atol=1e-9)
        return jnp.sum(sol.y * x), sol

    gradient, sol = jax.jit(jax.grad(end, has_aux=True))(1.0)
    rate = 4 * (n + 1) ** 2 * np.sin(np.pi / 2 / (n + 1)) ** 2
    exact = np.exp(-0.1 * rate) * np.sin(np.pi * x)
    np.testing.assert_allclose(sol.y, exact, atol=1e-6)
    kept = sol.state.method.cache.matrices.factors
    assert max(leaf.size for leaf in jax.tree.leaves(kept)) <= 3 * n
    np.testing.assert_allclose(gradient, -0.1 * rate * exact @ x, rtol=1e-5)


# What is kept, and how it fails


def test_matrices_are_kept():
    """A linear problem needs one Jacobian; constant steps one factorisation of a real and a complex system."""
    field = lambda t, y, args: jnp.array([[-1.0, 3.0], [0.0, -1e3]]) @ y + jnp.sin(t)  # noqa: E731
    sol = sj.solve_ode(field, (0.0, 5.0), jnp.ones(2), method=sj.Radau5(), steps=20)
    stats = {k: int(v) for k, v in sol.stats.items()}
    assert (stats["jacobians"], stats["factorisations"]) == (1, 2)
    assert stats["newton_failures"] == 0
    # two solves and three evaluations an iteration, one each for the estimate, and again at the first step
    iterations = stats["field_evaluations"] - stats["linear_solves"]
    assert stats["linear_solves"] - 2 * iterations in (20, 21)
    assert 20 <= iterations <= 60
    free = sj.solve_ode(field, (0.0, 5.0), jnp.ones(2), method=sj.Radau5(), rtol=1e-8, atol=1e-8)
    assert int(free.stats["jacobians"]) <= 2
    # a step that would grow by less than a fifth stays
    assert int(free.stats["factorisations"]) < 2 * int(free.stats["steps"])


def test_a_smaller_step_where_newton_fails():
    def field(t, y, args):
        return -(y**3) - 50 * jnp.tanh(40 * (y - jnp.cos(3 * t)))

    sol = sj.solve_ode(field, (0.0, 3.0), 10.0, method=sj.Radau5(), dt0=3.0, rtol=1e-8, atol=1e-8)
    assert int(sol.stats["newton_failures"]) > 0
    exact = tight(lambda t, y, a: -(y**3) - 50 * np.tanh(40 * (y - np.cos(3 * t))), (0.0, 3.0), [10.0])
    np.testing.assert_allclose(sol.y, exact.item(), atol=1e-6)


def test_failures():
    solve = lambda method: sj.solve_ode(lambda t, y, a: 1 + y**2, (0.0, 4.0), 0.0, method=method, dt=1.0)  # noqa: E731
    with pytest.raises(sj.SolveError, match="Newton's iteration did not converge"):
        solve(sj.Radau5())
    with pytest.raises(ValueError, match="order of sj.RadauIIA is 5, 9 or 13; got 7"):
        sj.RadauIIA(order=7)


# Gradients


def rober(t, y, k):
    a, b, c = k[0] * y[0], k[2] * y[1] * y[2], k[1] * y[1] ** 2
    return jnp.stack([b - a, a - b - c, c])


P = np.array([0.04, 3.0, 1e2, 0.9, 0.1])  # the second in thousands


def loss(p, grid=None):
    how = {} if grid is None else {"controller": sj.GivenSteps(grid)}
    save = {"end": None, "ts": jnp.array([1.3, 7.7]), "steps": sj.Steps(400)}
    k = jnp.stack([p[0], 1e3 * p[1], p[2]])
    sol = sj.solve_ode(
        rober, (0.0, 20.0), jnp.stack([p[3], 0.0 * p[3], p[4]]), k, method=sj.Radau5(1e-8, 20), rtol=1e-4, atol=1e-8,
        save=save, max_steps=2000, **how
    )  # fmt: skip
    values = jnp.sum(sol.y["end"] * jnp.array([1.0, 30.0, 0.3])) + jnp.sum(sol.y["ts"] * jnp.array([0.5, 2.0, -1.0]))
    return values, sol


def test_gradients_are_those_of_the_computed_solution():
    """On a stiff problem, with kept matrices: they must not show."""
    gradient, sol = jax.jit(jax.grad(lambda q: loss(q * P), has_aux=True))(np.ones(5))
    grid = sol.t["steps"][: int(sol.n["steps"])]
    on_grid = jax.jit(lambda q: loss(q * P, grid=grid)[0])
    wanted = differences(on_grid, np.ones(5), 1e-3)
    # what Newton's iteration leaves, 1e-12, over the h of the differences; their own error, h^4
    np.testing.assert_allclose(gradient, wanted, rtol=1e-7, atol=1e-8)


def test_gradients_of_constrained_systems():
    """Of ROBER with the conservation of mass as a constraint: those of the differential equations, by SciPy."""
    p = problems.rober_dae()

    def end(rate):
        k = (rate, *p.args[1:])
        sol = sj.solve_ode(p.field, (0.0, 40.0), p.y0, k, method=sj.Radau5(), mass=p.mass, rtol=1e-6, atol=1e-10)
        return sol.y[0] + 1e5 * sol.y[1]

    def right(t, z):
        y, s, (a, b, c) = z[:3], z[3:], p.args
        jac = np.array([[-a, c * y[2], c * y[1]], [a, -c * y[2] - 2 * b * y[1], -c * y[1]], [0, 2 * b * y[1], 0]])
        first, last = -a * y[0] + c * y[1] * y[2], b * y[1] ** 2
        return np.concatenate([[first, -first - last, last], jac @ s + [-y[0], y[0], 0]])

    start = np.append(p.y0, np.zeros(3))
    z = solve_ivp(right, (0.0, 40.0), start, "LSODA", rtol=1e-10, atol=1e-15).y[:, -1]
    np.testing.assert_allclose(jax.jit(jax.grad(end))(p.args[0]), z[3] + 1e5 * z[4], rtol=1e-5)


def test_lanes_agree_with_a_loop():
    rates = np.array([0.04, 3e7, 1e4]) * np.linspace(0.7, 1.3, 3)[:, None]
    y0 = np.array([1.0, 0.0, 0.0])
    run = lambda k: sj.solve_ode(rober, (0.0, 1e3), y0, k, method=sj.Radau5(), rtol=1e-6, atol=1e-10)  # noqa: E731
    lanes = jax.jit(jax.vmap(run))(rates)
    for i, k in enumerate(rates):
        one = run(k)
        assert {n: int(v) for n, v in one.stats.items()} == {n: int(v[i]) for n, v in lanes.stats.items()}
        np.testing.assert_allclose(lanes.y[i], one.y, rtol=1e-9)


@pytest.mark.float32
def test_float32_and_backwards():
    """With the orders chosen; methods of one order have theirs in the registry."""
    field, method = lambda t, y, a: jnp.cos(t) * y**2, sj.RadauIIA()
    there = sj.solve_ode(field, (0.0, 2.0), jnp.float32(0.5), method=method, rtol=1e-4, atol=1e-5)
    assert there.y.dtype == there.t.dtype == np.float32
    np.testing.assert_allclose(there.y, 1 / (2 - np.sin(2.0)), rtol=1e-3)
    back = sj.solve_ode(field, (2.0, 0.0), there.y, method=method, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(back.y, 0.5, rtol=1e-3)


def test_restarts_at_events():
    """After each impact nothing is extrapolated, and the times of impact are right."""
    got, exact = bouncing(sj.Radau5())
    np.testing.assert_allclose(got, exact, atol=1e-7)


# What Gauss' methods conserve


def pendulum(t, y, length):
    """A double well with a mass that depends on the position: no sum of kinetic and potential energy."""
    q, p = y
    return jnp.stack([p / (1 + q**2), q * p**2 / (1 + q**2) ** 2 + q - q**3])


def energy(y):
    q, p = y[..., 0], y[..., 1]
    return p**2 / (2 * (1 + q**2)) - q**2 / 2 + q**4 / 4


@pytest.mark.parametrize("method", [sj.GaussLegendre4(), sj.GaussLegendre6()], ids=["4", "6"])
def test_energy_and_symmetry(method):
    """Over 2,000 steps the energy oscillates without drift; and the way back returns to the start."""
    y0 = jnp.array([1.8, 0.1])
    options = {"method": method, "dt": 0.1, "save": sj.Steps(2001)}
    sol = sj.solve_ode(pendulum, (0.0, 200.0), y0, 1.0, **options)
    error = np.asarray(energy(sol.y) - energy(y0))
    early, late = np.abs(error[:200]).max(), np.abs(error[-200:]).max()
    assert early < 30 * 0.1**method.order
    assert late < 1.5 * early + 1e-12
    there = sj.solve_ode(pendulum, (0.0, 5.0), y0, 1.0, **options)
    back = sj.solve_ode(pendulum, (5.0, 0.0), there.y[there.n - 1], 1.0, **options)
    # fifty steps each way of what Newton's iteration leaves, 1e-14; the solution itself is 1e-5 or 1e-8 away
    np.testing.assert_allclose(back.y[back.n - 1], y0, atol=1e-11)


def test_quadratic_invariants():
    """The length of a rotating vector, exactly up to what Newton's iteration leaves."""

    def field(t, y, args):
        return jnp.cross(y, jnp.array([1.0, 2.0, -0.5]) * y)

    y0 = jnp.array([0.6, 0.0, 0.8])
    sol = sj.solve_ode(field, (0.0, 100.0), y0, method=sj.GaussLegendre4(), dt=0.25)
    assert float(jnp.sum(sol.y**2)) == pytest.approx(1, abs=1e-11)


@pytest.mark.parametrize("derive, gradient", [(jax.jacfwd, sj.Forward()), (jax.grad, sj.Recorded())])
@pytest.mark.parametrize("steps", [{}, {"steps": 3}], ids=["adaptive", "steps"])
def test_derivatives_of_large_systems(derive, gradient, steps):
    """Of more than 500 unknowns of all stages together, solved by GMRES: a wave on a ring decays as its eigenvalue."""
    n, t1 = 170, 0.01
    wave, rate = np.sin(2 * np.pi * np.arange(n) / n), 1e4 * (2 * np.cos(2 * np.pi / n) - 2)
    field = lambda t, y, k: 1e4 * k * (jnp.roll(y, 1) + jnp.roll(y, -1) - 2 * y)
    options = {"method": sj.Radau5(), "gradient": gradient, "rtol": 1e-8, "atol": 1e-10}
    end = lambda k: sj.solve_ode(field, (0.0, t1), wave, k, **options, **steps).y[20]
    slope = jax.jit(derive(end))(1.0)
    # steps of 1/220: the method's error is below 1e-9
    np.testing.assert_allclose(slope, rate * t1 * wave[20] * np.exp(rate * t1), rtol=1e-6)
