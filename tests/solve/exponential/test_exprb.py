"""Exprb32 and Exprb43: Krylov spaces, stiff orders, what is not resolved, exhausted spaces, gradients."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import sciml_jax as sj
from sciml_jax.solve.exponential.krylov import krylov
from sciml_jax.solve.exponential.phi import phi_matrix

from ..problems import differences, tight

METHODS = pytest.mark.parametrize(("method", "order"), [(sj.Exprb32(), 3), (sj.Exprb43(), 4)], ids=["32", "43"])
N = 64
X = np.arange(1, N + 1) / (N + 1)
UP = np.diag(np.ones(N - 1), 1)
SECOND = (N + 1) ** 2 * (UP + UP.T - 2 * np.eye(N))
FIRST = (N + 1) / 2 * (UP - UP.T)
HUMP = 4 * X * (1 - X)


def reaction(t, u, args):
    """u_t = a u_xx - b u_x + u (1 - u) + a source, zero at both ends; NumPy or JAX."""
    a, b = args
    lib = np if isinstance(u, np.ndarray) else jnp
    pad = lib.concatenate([lib.zeros(1), u, lib.zeros(1)])
    second = (N + 1) ** 2 * (pad[2:] - 2 * u + pad[:-2])
    first = (N + 1) / 2 * (pad[2:] - pad[:-2])
    return a * second - b * first + u * (1 - u) + lib.cos(3 * t) * X


@cache
def reference():
    return tight(reaction, (0.0, 0.5), HUMP, (0.05, 0.5))[0]


@METHODS
def test_the_order_with_large_steps(method, order):
    """Advection, diffusion and reaction with a source: h |J| from 16 to 42, beyond every explicit method."""
    counts = (10, 14, 20, 26)
    args = (0.05, 0.5)
    errors = []
    for n in counts:
        sol = sj.solve_ode(reaction, (0.0, 0.5), HUMP, args, method=method, dt=0.5 / n, rtol=1e-7, atol=1e-7)
        errors.append(np.abs(sol.y - reference()).max())
    slope = np.polyfit(np.log(1 / np.array(counts)), np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.2)


@METHODS
def test_tolerances_and_work(method, order):
    sol = sj.solve_ode(reaction, (0.0, 0.5), HUMP, (0.05, 0.5), method=method, rtol=1e-6, atol=1e-6)
    assert np.abs(sol.y - reference()).max() < 1e-5
    steps, spaces = int(sol.stats["steps"]), 3 if order == 3 else 4
    assert int(sol.stats["field_evaluations"]) == (order - 1) * steps + 3
    assert int(sol.stats["jacobian_products"]) == (30 * spaces + order - 2) * steps


def test_a_krylov_space_that_is_too_small_is_not_silent():
    """Constant steps fail; adaptive ones become shorter until the space suffices."""
    args, small = (0.05, 0.5), sj.Exprb43(krylov_dim=5)
    sol = sj.solve_ode(reaction, (0.0, 0.5), HUMP, args, method=small, dt=0.1, throw=False)
    assert sol.result != sj.RESULT.successful
    assert float(sol.t) == 0.0
    sol = sj.solve_ode(reaction, (0.0, 0.5), HUMP, args, method=small, rtol=1e-4, atol=1e-4)
    assert np.abs(sol.y - reference()).max() < 1e-3
    more = sj.solve_ode(reaction, (0.0, 0.5), HUMP, args, method=sj.Exprb43(), rtol=1e-4, atol=1e-4)
    assert int(more.stats["steps"]) < int(sol.stats["steps"])


@jax.jit
def functions_of(a):
    return jnp.stack(phi_matrix(a, 3))


@pytest.mark.parametrize(("h", "dimension"), [(1e-3, 10), (1e-3, 20), (1e-2, 20), (1e-2, 30)])
def test_the_projection_and_its_estimate(h, dimension):
    """The estimate is the error up to a factor of 5, for h |A| = 17 and 170."""
    a, b = SECOND - 10 * FIRST, HUMP + np.sin(7 * X)

    @jax.jit
    def projections(b, h):
        space = krylov(lambda v: a @ v, b, dimension)
        return space.basis, space.apply(h, [{1: 1.0}, {2: 1.0, 3: -6.0}])

    basis, projected = projections(b, h)
    functions = np.asarray(functions_of(h * a))
    np.testing.assert_allclose(basis @ basis.T, np.eye(dimension + 1), rtol=0, atol=1e-14)
    for (value, estimate), wanted in zip(
        projected, [functions[1] @ b, (functions[2] - 6 * functions[3]) @ b], strict=True
    ):
        error = np.linalg.norm(value - wanted)
        assert 0.2 < float(jnp.linalg.norm(estimate)) / error < 5


SUM = np.cos(3 * X) + X**2


@jax.jit
@partial(jax.value_and_grad, argnums=(0, 1))
def projected(b, c):
    space = krylov(lambda v: SECOND @ v + c * (FIRST @ v), b, 30)
    return SUM @ space.apply(jnp.asarray(1e-3), [{1: 1.0}])[0][0]


@jax.jit
@partial(jax.value_and_grad, argnums=(0, 1))
def whole(b, c):
    return SUM @ (phi_matrix(1e-3 * (SECOND + c * FIRST), 1)[1] @ b)


@pytest.mark.parametrize(
    "b", [np.zeros(N), np.sin(np.pi * X), np.sin(np.pi * X) + np.sin(3 * np.pi * X)], ids=["0", "1", "2"]
)
def test_exhausted_spaces(b):
    """Zero, one and two eigenvectors: values and derivatives, which lead out of the space, are finite and right."""
    got, wanted = projected(b, 0.0), whole(b, 0.0)
    # the projection is converged to rounding for h |A| = 17; norm of the weights times that of b
    for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=3e-13)


@METHODS
def test_eigenvectors_and_equilibria_in_a_solve(method, order):
    """Linear equations are solved exactly; sensitivities at rest are those of the matrix exponential."""
    mode = np.sin(np.pi * X)
    decay = -4 * (N + 1) ** 2 * np.sin(np.pi / 2 / (N + 1)) ** 2

    def end(y0):
        return sj.solve_ode(lambda t, y, args: SECOND @ y, (0.0, 0.01), y0, method=method, dt=0.001).y

    if order == 4:
        np.testing.assert_allclose(end(mode), np.exp(0.01 * decay) * mode, rtol=0, atol=1e-12)
        return
    derive = jax.jit(jax.grad(lambda y0: (lambda y: (jnp.sum(X * y), y))(end(y0)), has_aux=True))
    for y0 in (mode, np.zeros(N)):
        gradient, y = derive(y0)
        np.testing.assert_allclose(y, np.exp(0.01 * decay) * y0, rtol=0, atol=1e-12)
        np.testing.assert_allclose(gradient, expm(0.01 * SECOND).T @ X, rtol=0, atol=1e-11)


def end_of(method, gradient, **how):
    """A number made of the end of a solve, as a function of (a, b, height of the hump, t1)."""

    def of(p):
        sol = sj.solve_ode(
            reaction, (0.0, p[3]), p[2] * HUMP, (p[0], p[1]), method=method, gradient=gradient, max_steps=64, **how
        )
        return jnp.sum(X * sol.y) + jnp.sum(sol.y**2)

    return of


P = np.array([0.05, 0.5, 1.0, 0.06])


@pytest.mark.slow
def test_gradients_through_krylov_spaces():
    """Reverse and forward mode against central differences of the same steps, and the solution's own gradient."""
    method = sj.Exprb32()
    of = jax.jit(jax.value_and_grad(end_of(method, sj.Recorded(), dt=0.02)))
    _, gradient = of(P)
    wanted = differences(lambda p: of(np.append(p, P[3]))[0], P[:3], 1e-4)
    # the projection's error in directions out of the space, for h |J| = 17, and rounding over the step of 1e-3 / 10
    np.testing.assert_allclose(gradient[:3], wanted, rtol=1e-8, atol=1e-9)
    forward = jax.jit(lambda d: jax.jvp(end_of(method, sj.Forward(), dt=0.02), (P,), (d,))[1])
    np.testing.assert_allclose([forward(d) for d in np.eye(4)], gradient, rtol=1e-9, atol=1e-10)


@pytest.mark.slow
def test_whole_and_projected_steps_agree():
    """With as many dimensions as equations, J is formed; both paths do the same steps."""

    def field(t, y, args):
        return {"a": -y["b"] * jnp.exp(1j * t) - 20 * y["a"] * jnp.arange(4), "b": y["a"] ** 2 - y["b"]}

    y0 = {"a": jnp.array([1.0, 0.5j, 0.2, -0.3]), "b": jnp.array([0.1, 0.2, 0.3j, 1.0])}
    sols = [
        sj.solve_ode(field, (0.0, 1.0), y0, method=sj.Exprb43(krylov_dim=m), dt=0.05, rtol=1e-8, atol=1e-8)
        for m in (15, 16)
    ]
    assert int(sols[0].stats["jacobian_products"]) > 0 and int(sols[1].stats["jacobian_products"]) == 0
    for x, y in zip(jax.tree.leaves(sols[0].y), jax.tree.leaves(sols[1].y), strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=1e-9)


def test_the_users_jacobian():
    def jacobian(t, u, args):
        return args[0] * SECOND - args[1] * FIRST + jnp.diag(1 - 2 * u)

    sols = [
        sj.solve_ode(reaction, (0.0, 0.1), HUMP, (0.05, 0.5), method=sj.Exprb32(), dt=0.02, jacobian=j)
        for j in (None, jacobian)
    ]
    np.testing.assert_allclose(sols[0].y, sols[1].y, rtol=0, atol=1e-13)


def test_vmap_agrees_with_a_loop():
    def run(a):
        return sj.solve_ode(reaction, (0.0, 0.1), HUMP, (a, 0.5), method=sj.Exprb32(), rtol=1e-5, atol=1e-5)

    rates = np.array([0.01, 0.05, 0.1])
    many = jax.jit(jax.vmap(run))(rates)
    for i, a in enumerate(rates):
        one = run(float(a))
        assert int(one.stats["steps"]) == int(many.stats["steps"][i])
        np.testing.assert_allclose(many.y[i], one.y, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dimension", [0, -1, 2.5, True])
def test_messages(dimension):
    with pytest.raises(ValueError, match="krylov_dim must be a positive whole number"):
        sj.Exprb43(krylov_dim=dimension)
