"""Sobol' indices against exact ones and against SciPy's on the same rows."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import sciml_jax as sj
from sciml_jax.ensemble import SaltelliDesign, sobol_indices

A, B = 7.0, 0.1
DESIGN = SaltelliDesign(4096, {"x1": (-np.pi, np.pi), "x2": (-np.pi, np.pi), "x3": (-np.pi, np.pi)})
# T. Ishigami & T. Homma 1990: variances of the parts of sin x1 + a sin^2 x2 + b x3^4 sin x1
V1, V2, V13 = (1 + B * np.pi**4 / 5) ** 2 / 2, A**2 / 8, B**2 * np.pi**8 * 8 / 225
V = V1 + V2 + V13
FIRST, TOTAL = np.array([V1, V2, 0]) / V, np.array([V1 + V13, V2, V13]) / V


def ishigami(p):
    y = jnp.sin(p["x1"]) + A * jnp.sin(p["x2"]) ** 2 + B * p["x3"] ** 4 * jnp.sin(p["x1"])
    return {"y": y, "both": jnp.stack([y, p["x1"] + 2 * p["x2"] + 3 * p["x3"], jnp.ones_like(y)], axis=1)}


@pytest.fixture(scope="module")
def results():
    return sj.sweep(ishigami, DESIGN, chunk=5000, progress=False).results


def test_ishigami(results):
    found = sobol_indices(DESIGN, results["y"])
    # 1 / sqrt(n) = 0.016
    np.testing.assert_allclose(found.first, FIRST, atol=0.02)
    np.testing.assert_allclose(found.total, TOTAL, atol=0.02)
    assert np.all(found.first_low <= FIRST) and np.all(found.first_high >= FIRST)
    assert np.all(found.total_high - found.total_low < 0.1) and np.all(found.total_low < found.total)


def test_scipy_finds_the_same(results):
    """SciPy leaves the square of the mean of both samples out of the variance in its own way: 1e-3."""
    y = results["y"].reshape(5, 1, 4096)
    want = stats.sobol_indices(func={"f_A": y[0], "f_B": y[1], "f_AB": y[2:]}, n=4096)
    found = sobol_indices(DESIGN, results["y"], resamples=2)
    np.testing.assert_allclose(found.first, want.first_order, atol=1e-3)
    np.testing.assert_allclose(found.total, want.total_order, atol=1e-3)


def test_several_results_at_once(results):
    found = sobol_indices(DESIGN, results["both"], resamples=10)
    alone = sobol_indices(DESIGN, results["y"], resamples=10)
    np.testing.assert_allclose(found.total[:, 0], alone.total, rtol=1e-12)
    # a sum of independent parts: no interactions
    np.testing.assert_allclose(found.first[:, 1], np.array([1, 4, 9]) / 14, atol=0.02)
    np.testing.assert_allclose(found.total[:, 1], np.array([1, 4, 9]) / 14, atol=0.02)
    assert not np.any(found.first[:, 2]) and not np.any(found.total[:, 2])  # a constant


def test_the_table(results):
    lines = str(sobol_indices(DESIGN, results["y"])).splitlines()
    assert lines[0].split() == ["parameter", "first", "order", "total"]
    assert [line.split()[0] for line in lines[1:]] == ["x1", "x2", "x3"]
    assert lines[2].split()[1] == f"{sobol_indices(DESIGN, results['y']).first[1]:.3f}"


def test_tables_of_several_results(results):
    text = str(sobol_indices(DESIGN, results["both"], resamples=2))
    assert [line for line in text.splitlines() if line.startswith("result")] == [
        "result [0]",
        "result [1]",
        "result [2]",
    ]


def test_results_that_are_none(results):
    with pytest.raises(ValueError, match="results of this design have 20480 rows"):
        sobol_indices(DESIGN, results["y"][:-1])
    with pytest.raises(TypeError, match="take the real part"):
        sobol_indices(DESIGN, results["y"] + 1j)
    broken = results["y"].copy()
    broken[[3, 5000]] = np.nan, np.inf
    with pytest.raises(ValueError, match="2 of 20480 results are not finite"):
        sobol_indices(DESIGN, broken)
