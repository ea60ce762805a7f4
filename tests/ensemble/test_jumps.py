"""Ensembles of jump processes: every backend gives the paths of `solve_jump`."""

import jax
import numpy as np
import pytest

import sciml_jax as sj

EPIDEMIC = sj.MassAction(reactants=[[1, 1, 0], [0, 1, 0]], products=[[0, 2, 0], [0, 0, 1]])
KEYS = jax.random.split(jax.random.key(1), 6)
START, RATES = np.array([27, 3, 0]), (np.linspace(0.01, 0.02, 6), 0.2)


@pytest.mark.parametrize("backend", ["vmap", "lanes"])
@pytest.mark.parametrize("save", [None, [1.0, 5.0]], ids=["final", "times"])
def test_it_is_a_loop_of_single_paths(backend, save):
    options = {"in_axes": (None, (0, None)), "save": save, "backend": backend}
    many = sj.solve_ensemble(sj.JumpProcess(EPIDEMIC), (0.0, 10.0), START, RATES, key=KEYS, **options)
    for i, key in enumerate(KEYS):
        args = (RATES[0][i], RATES[1])
        one = sj.solve_jump(EPIDEMIC, EPIDEMIC.stoichiometry, (0.0, 10.0), START, key, args, save=save)
        np.testing.assert_array_equal(many.y[i], one.y)
        assert many.stats["accepted"][i] == one.stats["accepted"]
    assert many.y.dtype == START.dtype


def test_a_key_is_needed():
    with pytest.raises(ValueError, match="an ensemble of random paths needs key="):
        sj.solve_ensemble(sj.JumpProcess(EPIDEMIC), (0.0, 1.0), START, RATES, in_axes=(None, (0, None)))
    with pytest.raises(TypeError, match="sj.JumpProcess needs stoichiometry, unless"):
        sj.JumpProcess(lambda t, x, args: x)
