"""The semi-implicit two-step formula: order on any grid, stiff parts, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.data import problems
from sciml_jax.solve.implicit.sbdf2 import Carry

from ..problems import differences as central

METHOD = sj.SBDF2(newton_tolerance=1e-8)
# y' = cos(t) y^2, half of it explicit, and a nonlinear implicit part that vanishes on the solution 1 / (2 - sin t)
FIELD = sj.Split(
    lambda t, y, args: 0.5 * jnp.cos(t) * y**2 + args * jnp.sin(t) * (y - 1 / (2 - jnp.sin(t))),
    lambda t, y, args: 0.5 * jnp.cos(t) * y**2 - args * (y**3 - (2 - jnp.sin(t)) ** -3.0),
)


def exact(t):
    return 1 / (2 - np.sin(t))


def grid_of(n, pattern):
    grid = np.concatenate([[0.0], np.cumsum(np.resize(pattern, n))])
    return 3.0 * grid / grid[-1]


@pytest.mark.parametrize("field", [FIELD, lambda t, y, a: FIELD(t, y, a)], ids=["split", "plain"])
@pytest.mark.parametrize("pattern", [(1.0,), (1.5, 0.7, 1.0)], ids=["constant", "variable"])
def test_order(pattern, field):
    @jax.jit
    def run(grid):
        how = {"method": METHOD, "controller": sj.GivenSteps(grid)}
        return sj.solve_ode(field, (0.0, 3.0), 0.5, 2.0, **how).y

    counts = (48, 72, 108, 162)
    grids = [np.append(g := grid_of(n, pattern), np.full(170 - len(g), 3.0)) for n in counts]
    errors = [abs(float(run(g)) - exact(3.0)) for g in grids]
    assert np.polyfit(np.log(1 / np.array(counts)), np.log(errors), 1)[0] == pytest.approx(2, abs=0.2)


def test_stiff_parts_are_damped():
    field = sj.Split(lambda t, y, args: -jnp.sin(t) + 0 * y, lambda t, y, args: -1e6 * (y - jnp.cos(t)))
    sol = sj.solve_ode(field, (0.0, 10.0), 2.0, method=sj.SBDF2(), dt=0.05)
    assert float(sol.y) == pytest.approx(np.cos(10.0), abs=1e-5)


def test_gradients_are_those_of_the_computed_solution():
    grid = grid_of(20, (1.0, 1.4))

    def loss(p, gradient=None):
        how = {"method": METHOD, "controller": sj.GivenSteps(grid), "save": jnp.array([0.8, 3.0]), "max_steps": 40}
        return jnp.sum(sj.solve_ode(FIELD, (0.0, 3.0), p[0], p[1], gradient=gradient, **how).y ** 2)

    p = np.array([0.6, 2.0])
    gradient = jax.jit(jax.grad(loss))(p)
    forward = jax.jit(jax.jacfwd(lambda p: loss(p, sj.Forward())))(p)
    np.testing.assert_allclose(gradient, forward, rtol=1e-10)
    # what Newton's iteration leaves, 1e-14, over the differences' step
    np.testing.assert_allclose(gradient, central(jax.jit(loss), p, 1e-3), rtol=1e-8)


# y' = cos(t) y^2 again, in two parts that both bend along the solution, or all of it implicit
BENT = sj.Split(
    lambda t, y, args: 0.3 * jnp.cos(t) * y**2 + jnp.sin(3 * t),
    lambda t, y, args: 0.7 * jnp.cos(t) * y**2 - jnp.sin(3 * t),
)


@pytest.mark.parametrize("field", [BENT, lambda t, y, args: jnp.cos(t) * y**2], ids=["split", "plain"])
def test_the_estimate_is_the_error_of_a_step(field):
    """From the exact solution a step before: the estimate divided by the error tends to one."""
    problem, h = sj.Problem(field, (), 1e-6, 1e-6), 1e-3
    # the step before was 1.5 times as long
    ts = np.array([1.0, 1.0 - 1.5 * h, 1.0 + h])
    ys = exact(ts)
    split = isinstance(field, sj.Split)
    explicit, implicit = (field.explicit, field.implicit) if split else (lambda t, y, args: 0 * y, field)
    (e, e_before, _), (i, i_before, _) = (
        [jnp.atleast_1d(part(t, y, ())) for t, y in zip(ts, ys, strict=True)] for part in (explicit, implicit)
    )
    for known, order in ((True, 3.0), (False, 2.0)):
        carry = Carry(e, i, jnp.atleast_1d(ys[1]), e_before, i_before, jnp.asarray(1.5 * h), jnp.asarray(known))
        times = jnp.asarray(1.0), jnp.asarray(ys[0]), jnp.asarray(h)
        step = METHOD.step(problem, *times, sj.MethodState(carry))
        # of order h^4, relative to the error of order h^3 (h^3 and h^2 in a first step)
        assert float(step.error) == pytest.approx(float(step.y) - ys[2], rel=30 * h)
        assert float(step.order) == order


@pytest.mark.parametrize("rtol", [1e-3, 1e-5])
def test_steps_are_chosen(rtol):
    """Errors of a step go with the tolerance: their sum with its power 2/3, the number of steps with its cube root."""
    sol = sj.solve_ode(FIELD, (0.0, 3.0), 0.5, 2.0, method=METHOD, rtol=rtol, atol=rtol)
    assert abs(float(sol.y) - exact(3.0)) < 2 * rtol ** (2 / 3)
    assert int(sol.stats["accepted"]) < 8 * rtol ** (-1 / 3)


def test_van_der_pol_by_chosen_steps():
    """Stiff and slow phases in turn: the steps vary by decades."""
    p = problems.van_der_pol_scaled()
    sol = sj.solve_ode(p.field, p.t_span, p.y0, p.args, method=sj.SBDF2(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(sol.y, p.reference, rtol=3e-3)
