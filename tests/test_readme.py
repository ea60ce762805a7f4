"""The examples of the README run, and give what they say."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest

import sciml_jax as sj

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.float32
def test_the_examples_run():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL):
        exec(block, names)
    assert names["sol"].y.shape == (101, 2) and bool(names["sol"].success)
    assert names["slope"].shape == (4,) and names["many"].shape == (1000,)
    assert np.all(np.isfinite(names["many"]))
    # ends of a sweep are those of single solves
    one = sj.solve_ode(names["lotka_volterra"], (0.0, 5.0), np.array([10.0, 5.0]), names["rates"][17])
    np.testing.assert_allclose(names["ends"][17], one.y, rtol=1e-4)
    # Robertson's reaction at t = 100, to the tolerance of the example: x = 0.6172 (a tight solve: 0.61723488)
    for name in ("chain", "same"):
        np.testing.assert_allclose(names[name].y[0], 0.61723488, rtol=2e-3)
        assert float(np.sum(names[name].y)) == pytest.approx(1.0, abs=1e-5)
    # the logistic equation with noise s y: E[y] = 1 - s^2 / 2 in the long run, seen by 1,000 paths of deviation 0.14
    for name in ("sizes", "herds"):
        found = np.asarray(getattr(names[name], "y", names[name]))
        assert found.shape == (1000,)
        assert abs(found.mean() - 0.98) < 4.5 * found.std() / np.sqrt(1000) + 0.005
    assert float(names["coarse"]) == pytest.approx(float(names["fine"]), rel=0.02)
    # impacts: t1 = sqrt(2 h / g), and the third one is t1 (1 + 2 e + 2 e^2)
    third = jax.jacrev(names["impacts"])(0.8)[2]
    assert float(third) == pytest.approx(np.sqrt(2 / 9.81) * (2 + 4 * 0.8), rel=1e-4)
    assert float(names["result"].model) == pytest.approx(0.7, rel=1e-3)
