"""Polynomials inside a step, against exact ones."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.solve.interpolation import Hermite, bernstein, bernstein_rows, hermite, theta

EXPLICIT = [sj.Dopri5(), sj.Tsit5(), sj.Vern6(), sj.Vern7(), sj.Vern8(), sj.Vern9(), sj.Dopri8()]


@pytest.mark.parametrize("span", [(0.3, 1.1), (2.0, -1.0)])
def test_hermite_is_exact_for_cubics(span):
    t0, t1 = (jnp.asarray(t) for t in span)
    p = np.polynomial.Polynomial([0.3, -1.0, 2.0, 0.7])
    data = Hermite(*({"y": jnp.asarray(f(t))} for f in (p, p.deriv()) for t in span))
    for t in np.linspace(t0, t1, 7):
        assert float(hermite(data, t0, t1, t)["y"]) == pytest.approx(p(t), abs=1e-14)
    slope = jax.grad(lambda t: hermite(data, t0, t1, t)["y"])(0.7)
    assert float(slope) == pytest.approx(p.deriv()(0.7), abs=1e-13)


@pytest.mark.float32
def test_the_place_in_a_step():
    assert float(theta(jnp.float32(1), jnp.float32(3), jnp.float32(2))) == 0.5
    assert float(theta(jnp.float32(3), jnp.float32(1), jnp.float32(3))) == 0.0
    assert float(theta(jnp.float32(1), jnp.float32(1), jnp.float32(1))) == 0.0
    assert float(jax.grad(theta, 2)(jnp.float32(1), jnp.float32(1), jnp.float32(1))) == 0.0


def test_bernsteins_basis_gives_the_same_polynomials():
    rng = np.random.default_rng(0)
    rows = [[Fraction(int(c), 7) for c in rng.integers(-20, 20, 6)], [Fraction(0)] * 6, [Fraction(1)]]
    table = bernstein_rows(rows)
    for s in (0.0, 0.2, 0.5, 1.0, 1.3):
        first, zero, line = bernstein(table, s)
        assert zero is None
        assert first == pytest.approx(sum(float(c) * s**k for k, c in enumerate(rows[0], 1)), abs=1e-12)
        assert line == pytest.approx(s, abs=1e-14)


@pytest.mark.parametrize("method", EXPLICIT, ids=lambda m: type(m).__name__)
def test_interpolants_meet_the_steps(method):
    """They are continuous: at the end of a step they give its end, exactly in exact arithmetic."""
    tableau = method.tableau
    ends = [sum(row) for row in tableau.dense]
    weights = list(tableau.b) + [Fraction(0)] * (len(ends) - tableau.stages)
    # coefficients are printed with 15 digits (Dopri5 and Dopri8 exactly, Verner's to 40 or more)
    np.testing.assert_allclose([float(a - b) for a, b in zip(ends, weights, strict=True)], 0, atol=1e-14)


@pytest.mark.parametrize("method", EXPLICIT, ids=lambda m: type(m).__name__)
def test_interpolants_leave_with_the_fields_slope(method):
    """At the start of a step the slope is the first stage: continuous derivatives where the method has them."""
    slopes = [row[0] for row in method.tableau.dense]
    np.testing.assert_allclose([float(s) for s in slopes], [1.0] + [0.0] * (len(slopes) - 1), atol=1e-14)


@pytest.mark.parametrize("method", [*EXPLICIT, sj.Bosh3()], ids=lambda m: type(m).__name__)
def test_condensed_interpolants_are_the_same(method):
    """Of any field's stages, at traced times and at known fractions; Hermite's cubic has nothing to condense."""
    problem = sj.solve.Problem(lambda t, y, args: {"y": jnp.cos(3 * t) * y["y"]}, None, 1e-3, 1e-3)
    t, dt, y = jnp.asarray(0.2), jnp.asarray(0.7), {"y": jnp.array([1.0, -2.0])}
    dense = method.step(problem, t, y, dt, method.init(problem, t, y, dt)).dense
    dense = method.prepare(problem, t, dt, dense)
    few = method.condense(dense)
    assert len(jax.tree.leaves(few)) <= len(jax.tree.leaves(dense))
    fractions = (0.0, 0.3, 0.8, 1.0)
    for s, known in zip(fractions, method.samples(few, t, t + dt, fractions), strict=True):
        whole = method.interpolate(dense, t, t + dt, t + s * dt)["y"]
        # rounding of sums of up to 26 terms, with factors of up to 8e4 (Vern8)
        for mine in (method.interpolate(few, t, t + dt, t + s * dt), known):
            np.testing.assert_allclose(mine["y"], whole, rtol=1e-12)
