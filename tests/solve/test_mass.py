"""Mass matrices: regular and singular ones, consistent starts, gradients, patterns."""

from functools import cache

import jax
import jax.numpy as jnp
import lineax
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.data import problems

from .problems import tight

METHODS = (sj.Rosenbrock23(), sj.Rodas3(), sj.Rodas4(), sj.Rodas42(), sj.Rodas5P(), sj.BDF())
each = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)

MASS = np.array([[2.0, 1.0], [0.5, 3.0]])


def swing(t, y, args):
    return jnp.stack([-y[0] + y[1] ** 2, jnp.cos(t) - args * y[0] * y[1]])


@cache
def swung():
    """A tight solution of the field with the inverse of the mass matrix in it."""

    def field(t, y, args):
        return np.linalg.solve(MASS, [-y[0] + y[1] ** 2, np.cos(t) - args * y[0] * y[1]])

    return tight(field, (0.0, 3.0), [1.0, 0.3], 2.0)[0]


# the tableaus of Rosenbrock methods have no part in what a mass matrix changes
@pytest.mark.parametrize("method", [METHODS[0], METHODS[4], METHODS[5]], ids=lambda method: type(method).__name__)
def test_a_regular_mass_matrix_is_its_inverse_in_the_field(method):
    options = {"method": method, "rtol": 1e-6, "atol": 1e-6}
    y0 = jnp.array([1.0, 0.3])
    sol = sj.solve_ode(swing, (0.0, 3.0), y0, 2.0, mass=MASS, **options)
    # the tolerance of a step times some hundred steps
    np.testing.assert_allclose(sol.y, swung(), atol=2e-4 if method.order < 3 else 2e-5)


# Singular ones: Robertson's reaction with its conservation law


def rober(t, y, k):
    a, b, c = k[0] * y[0], k[2] * y[1] * y[2], k[1] * y[1] ** 2
    return jnp.stack([b - a, a - b - c, jnp.sum(y) - 1])


RATES, START = np.array([0.04, 3e7, 1e4]), np.array([1.0, 0.0, 0.0])


@each
def test_rober_with_its_conservation_law(method):
    p = problems.rober_dae()
    ts = np.logspace(-2, 4.9, 12)
    sol = sj.solve_ode(
        p.field, p.t_span, p.y0, p.args, mass=p.mass, method=method, rtol=1e-5, atol=1e-9, save={"end": None, "ts": ts}
    )
    np.testing.assert_allclose(sol.y["end"], p.reference, rtol=2e-3)
    # the constraint is linear: it holds to rounding at every step and between them
    np.testing.assert_allclose(np.sum(sol.y["ts"], axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (sj.Rodas4(), "chemical_akzo_nobel"),
        (sj.Rodas5P(), "transistor_amplifier"),
        (sj.BDF(), "transistor_amplifier"),
    ],
    ids=lambda x: x if isinstance(x, str) else type(x).__name__,
)
def test_published_problems(method, name):
    p = getattr(problems, name)()
    sol = sj.solve_ode(p.field, p.t_span, p.y0, p.args, mass=p.mass, method=method, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(sol.y, p.reference, rtol=2e-4, atol=2e-5)


FORMS = {
    "matrix": np.diag([1.0, 1.0, 0.0]),
    "diagonal": [1.0, 1.0, 0.0],
    "operator": lineax.DiagonalLinearOperator(jnp.array([1.0, 1.0, 0.0])),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_a_mass_matrix(form):
    sol = sj.solve_ode(rober, (0.0, 10.0), START, RATES, mass=FORMS[form], method=sj.Rodas4(), rtol=1e-5, atol=1e-9)
    same = sj.solve_ode(
        rober, (0.0, 10.0), START, RATES, mass=FORMS["matrix"], method=sj.Rodas4(), rtol=1e-5, atol=1e-9
    )
    np.testing.assert_allclose(sol.y, same.y, rtol=1e-10)


def test_under_jit_and_vmap():
    masses = jnp.stack([jnp.diag(jnp.array([1.0, m, 0.0])) for m in (1.0, 2.0)])
    run = lambda mass: sj.solve_ode(rober, (0.0, 10.0), START, RATES, mass=mass, method=sj.Rodas4()).y  # noqa: E731
    lanes = jax.jit(jax.vmap(run))(masses)
    for lane, mass in zip(lanes, masses, strict=True):
        np.testing.assert_allclose(lane, run(mass), rtol=1e-8)


# Gradients


def jacobian(end):
    """d end / d rates, a row at a time: one backward pass in the program, not one for every row."""
    pull = jax.jit(lambda k, row: jax.vjp(end, k)[1](row)[0])
    return lambda k, rows: np.stack([pull(k, row) for row in np.eye(rows)])


@cache
def jacobian_of_the_reduced_equation():
    def reduced(t, y, k):
        return rober(t, jnp.stack([y[0], y[1], 1 - y[0] - y[1]]), k)[:2]

    # as many snapshots as steps: no replay of segments to compile
    gradient = sj.Recorded(snapshots=1024)
    options = {"method": sj.Rodas4(), "rtol": 1e-8, "atol": 1e-12, "gradient": gradient, "max_steps": 1000}
    return jacobian(lambda k: sj.solve_ode(reduced, (0.0, 10.0), START[:2], k, **options).y)(RATES, 2)


@pytest.mark.parametrize("method", [sj.Rodas4(), sj.BDF()], ids=lambda m: type(m).__name__)
def test_gradients_are_those_of_the_reduced_equation(method):
    """The algebraic variable eliminated by hand gives the same derivatives, at tight tolerances."""
    options = {"method": method, "mass": FORMS["matrix"], "rtol": 1e-8, "atol": 1e-12}
    ours = jacobian(lambda k: sj.solve_ode(rober, (0.0, 10.0), START, k, **options).y)(RATES, 3)
    theirs = jacobian_of_the_reduced_equation()
    # columns differ by nine decades
    scale = np.abs(theirs).max(0)
    np.testing.assert_allclose(ours[:2] / scale, theirs / scale, atol=2e-5)
    np.testing.assert_allclose(ours.sum(0) / scale, 0.0, atol=1e-9)


def test_gradients_of_the_mass_matrix():
    def end(mass, gradient=None):
        sol = sj.solve_ode(swing, (0.0, 1.0), jnp.array([1.0, 0.3]), 2.0, mass=mass, method=sj.Rodas4(), steps=20)
        return sol.y[0]

    mass = jnp.asarray(MASS)
    derive, h = jax.jit(jax.value_and_grad(end)), 1e-5
    _, gradient = derive(mass)
    for i in range(2):
        for j in range(2):
            wanted = (derive(mass.at[i, j].add(h))[0] - derive(mass.at[i, j].add(-h))[0]) / (2 * h)
            np.testing.assert_allclose(gradient[i, j], wanted, rtol=1e-6, atol=1e-9)  # h^2 and rounding over h


# Where to start


def test_an_inconsistent_start_is_refused():
    options = {"mass": FORMS["matrix"], "method": sj.Rodas5P()}
    with pytest.raises(
        sj.SolveError, match=r"does not satisfy the algebraic equations(.|\n)*algebraic residual is 0.1"
    ):
        sj.solve_ode(rober, (0.0, 10.0), np.array([1.0, 0.0, 0.1]), RATES, **options)
    sol = sj.solve_ode(rober, (0.0, 10.0), np.array([1.0, 0.0, 0.1]), RATES, throw=False, **options)
    assert sol.result == sj.RESULT.inconsistent_initial
    assert float(sol.stats["initial_residual"]) == pytest.approx(0.1)
    # within the tolerance is consistent enough
    sj.solve_ode(rober, (0.0, 10.0), np.array([1.0, 0.0, 1e-10]), RATES, **options)


def test_the_start_is_found():
    """The differential variables stay, the algebraic ones move; nonlinear equations, too."""

    def field(t, y, args):
        x, z = y
        return jnp.stack([-z, z**3 + z - x - args])

    sol = sj.solve_ode(
        field,
        (0.0, 1.0),
        jnp.array([2.0, 0.0]),
        0.5,
        mass=[1.0, 0.0],
        method=sj.Rodas5P(),
        initial="find",
        save=[0.0, 1.0],
    )
    x, z = sol.y[0]
    assert float(x) == 2.0
    assert float(z**3 + z) == pytest.approx(2.5, abs=1e-9)
    np.testing.assert_allclose(sol.y[1, 1] ** 3 + sol.y[1, 1], sol.y[1, 0] + 0.5, atol=1e-6)


def test_derivatives_of_a_start_that_is_found():
    def field(t, y, args):
        x, z = y
        return jnp.stack([-z, z**3 + z - x - args])

    def end(p):
        y0 = jnp.stack([p[0], p[2]])
        options = {"mass": [1.0, 0.0], "method": sj.Rodas5P(), "initial": "find", "rtol": 1e-10, "atol": 1e-10}
        return sj.solve_ode(field, (0.0, 1.0), y0, p[1], **options).y[1]

    p, h, derive = jnp.array([2.0, 0.5, 0.3]), 1e-4, jax.jit(jax.value_and_grad(end))
    wanted = [(derive(p.at[i].add(h))[0] - derive(p.at[i].add(-h))[0]) / (2 * h) for i in range(3)]
    # h^2; the guess of an algebraic variable has no influence
    np.testing.assert_allclose(derive(p)[1], wanted, rtol=1e-5, atol=1e-7)
    assert wanted[2] == pytest.approx(0.0, abs=1e-7)


def test_a_higher_index_is_told():
    """x' = v, v' = z with x = 0 as the constraint: z cannot be found from it."""

    def field(t, y, args):
        return jnp.stack([y[1], y[2], y[0]])

    for initial in ("given", "find"):
        sol = sj.solve_ode(
            field, (0.0, 1.0), jnp.array([0.1, 0.0, 0.0]), mass=[1.0, 1.0, 0.0], method=sj.Rodas5P(), initial=initial,
            throw=False,
        )  # fmt: skip
        assert sol.result == sj.RESULT.inconsistent_initial


# Patterns


def test_a_mass_matrix_joins_the_pattern():
    """A chain whose mass matrix couples neighbours: a band of three, as finite elements have."""
    n = 80
    x = np.arange(1, n + 1) / (n + 1)
    mass = (np.diag(np.full(n, 4.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)) / 6

    def heat(t, u, args):
        padded = jnp.pad(u, 1)
        return (padded[2:] - 2 * u + padded[:-2]) * (n + 1) ** 2

    angle = np.pi / (n + 1)
    rate = 6 * (n + 1) ** 2 * (1 - np.cos(angle)) / (2 + np.cos(angle))
    for method in (sj.Rodas4(), sj.BDF()):
        sol = sj.solve_ode(heat, (0.0, 0.1), np.sin(np.pi * x), mass=mass, method=method, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(sol.y, np.exp(-0.1 * rate) * np.sin(np.pi * x), atol=1e-5)


CHAIN = np.cos(np.arange(80.0))


def chain(t, u, args):
    lib = np if isinstance(u, np.ndarray) else jnp
    return lib.pad(u, 1)[2:] - 2 * u + lib.pad(u, 1)[:-2] - 0.1 * u**3


@pytest.mark.parametrize(
    "given", [(1, 1), "dense", np.tri(80, 80, 1) * np.tri(80, 80, 1).T], ids=["band", "dense", "matrix"]
)
def test_patterns_that_are_given(given):
    sol = sj.solve_ode(chain, (0.0, 5.0), CHAIN, method=sj.Rodas4(), jac_pattern=given, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(sol.y, tight(chain, (0.0, 5.0), CHAIN)[0], atol=1e-6)


# Mistakes

TSIT, RODAS = sj.Tsit5(), sj.Rodas5P()
MISTAKES = {
    "explicit": ({"mass": np.eye(3), "method": TSIT}, ValueError, "mass= is for Rosenbrock methods"),
    "text": ({"mass": "M"}, TypeError, "mass must be a matrix of shape"),
    "not square": ({"mass": np.ones((3, 2))}, ValueError, r"mass must have shape \(n, n\), or \(n,\) for a diagonal"),
    "size": ({"mass": np.eye(2)}, ValueError, r"mass has shape \(2, 2\), but y0 \(3,\)"),
    "nan": ({"mass": [1.0, np.nan, 0.0]}, ValueError, "mass must be finite"),
    "initial": ({"mass": np.eye(3), "initial": "guess"}, ValueError, 'initial is "given" or "find"'),
    "find what": ({"initial": "find"}, ValueError, "give mass="),
    "pattern": ({"jac_pattern": "band"}, ValueError, 'jac_pattern is "dense"'),
    "pattern shape": ({"jac_pattern": np.ones((3, 2))}, ValueError, "jac_pattern must be a square boolean matrix"),
    "pattern size": ({"jac_pattern": np.ones((4, 4))}, ValueError, "jac_pattern is for 4 unknowns, but y0 has 3"),
    "explicit pattern": ({"jac_pattern": (1, 1), "method": TSIT}, ValueError, "jac_pattern= is for implicit methods"),
    "adjoint": ({"mass": np.diag([1.0, 1.0, 0.0]), "gradient": sj.Backsolve()}, ValueError, "a mass matrix"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake):
    options, error, match = MISTAKES[mistake]
    with pytest.raises(error, match=match):
        sj.solve_ode(rober, (0.0, 1.0), START, RATES, **({"method": RODAS} | options))


def test_a_mass_matrix_needs_a_vector():
    with pytest.raises(ValueError, match="mass= needs y0 to be one real vector"):
        sj.solve_ode(lambda t, y, a: {"x": -y["x"]}, (0.0, 1.0), {"x": jnp.ones(2)}, mass=np.eye(2), method=RODAS)
