"""Order conditions of the stochastic Runge-Kutta tableaus, in exact or published numbers."""

import numpy as np
import pytest

import sciml_jax as sj


def square(rows):
    """A strictly lower triangular matrix from its rows."""
    s = len(rows)
    return np.array([[*row, *[0.0] * (s - len(row))] for row in rows])


@pytest.mark.float32
@pytest.mark.parametrize("method", [sj.SRA1, sj.SOSRA])
def test_conditions_of_order_three_halves_for_additive_noise(method):
    """Rößler 2010, theorem 4.1: eight conditions; coefficients of up to 17 are rounded to the last digit."""
    rows = method.tableau
    alpha, first, second, c0, c1 = (np.array(x) for x in (rows.alpha, rows.beta1, rows.beta2, rows.c0, rows.c1))
    a, b = square(rows.a).sum(1), square(rows.b).sum(1)
    found = [alpha.sum(), first.sum(), second.sum(), first @ c1, second @ c1, alpha @ a, alpha @ b, alpha @ b**2]
    np.testing.assert_allclose(found, [1, 1, 0, 1, -1, 1 / 2, 1, 3 / 2], atol=1e-14)
    np.testing.assert_allclose(a, c0, atol=1e-14)


@pytest.mark.float32
@pytest.mark.parametrize("method", [sj.SRIW1, sj.SOSRI])
def test_conditions_of_order_three_halves_for_diagonal_noise(method):
    """Rößler 2010, theorem 5.1: 25 conditions."""
    rows = method.tableau
    alpha, (b1, b2, b3, b4) = np.array(rows.alpha), np.array(rows.betas)
    a0, a1, kicks0, kicks1 = (square(m) for m in (rows.a0, rows.a1, rows.b0, rows.b1))
    mean, spread = kicks0.sum(1), kicks1.sum(1)
    drift, twice = a1.sum(1), kicks1 @ spread
    pairs = [
        (alpha.sum(), 1),
        *zip((b1.sum(), b2.sum(), b3.sum(), b4.sum()), (1, 0, 0, 0), strict=True),
        *zip((b1 @ spread, b2 @ spread, b3 @ spread, b4 @ spread), (0, 1, 0, 0), strict=True),
        *zip((alpha @ a0.sum(1), alpha @ mean, alpha @ mean**2), (1 / 2, 1, 3 / 2), strict=True),
        *zip((b1 @ drift, b2 @ drift, b3 @ drift, b4 @ drift), (1, 0, -1, 0), strict=True),
        *zip((b1 @ spread**2, b2 @ spread**2, b3 @ spread**2, b4 @ spread**2), (1, 0, -1, 2), strict=True),
        *zip((b1 @ twice, b2 @ twice, b3 @ twice, b4 @ twice), (0, 0, 0, 1), strict=True),
        (b1 @ a1 @ mean / 2 + b3 @ a1 @ mean / 3, 0),
    ]
    assert len(pairs) == 25
    found, wanted = zip(*pairs, strict=True)
    # the published decimals of SOSRI fulfil them to its optimiser's accuracy
    np.testing.assert_allclose(found, wanted, atol=1e-14 if method is sj.SRIW1 else 1e-6)
    np.testing.assert_allclose(a0.sum(1), rows.c0, atol=1e-13)
    np.testing.assert_allclose(drift, rows.c1, atol=1e-13)


@pytest.mark.float32
def test_work_of_a_step_is_that_of_the_tableau():
    for method in (sj.SRIW1, sj.SOSRI):
        assert method.stages == method.tableau.drift_stages
        assert len(method.tableau.c1) == (method.diffusion_stages or method.stages)
    for method in (sj.SRA1, sj.SOSRA):
        assert method.stages == len(method.tableau.c0)


@pytest.mark.float32
def test_messages():
    with pytest.raises(ValueError, match=r"the first stage of a SRATableau is that of the step's start"):
        sj.SRATableau((1.0,), (0.0,), ((),), ((),), (1.0,), (1.0,), (0.0,))
    with pytest.raises(TypeError, match="sj.DyadicSteps rounds the steps of an adaptive controller"):
        sj.DyadicSteps(sj.ConstantSteps())
