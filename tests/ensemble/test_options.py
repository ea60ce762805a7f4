"""Options of the solves of an ensemble: what `solve_ode` refuses is refused, and no value recompiles."""

import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.ensemble import streams

REFUSED = {
    "a time that is none": ({"save": [0.5, np.nan]}, "times in save= must be finite"),
    "a time beyond all spans": ({"save": {"a": [0.5], "b": np.array([0.5, 3.0])}}, "t_span from 0.0 to 2.0: clip them"),
    "negative rtol": ({"rtol": -1e-6}, "rtol must be finite and not negative"),
    "no atol": ({"atol": np.nan}, "atol must be finite"),
    "no tolerance": ({"rtol": 0, "atol": 0}, "both zero"),
    "no step": ({"dt": 0}, "dt must be finite and not zero"),
    "no first step": ({"dt0": 0.0}, "dt0 must be finite and not zero"),
    "a negative bound": ({"dt_max": -0.1}, "dt_max is the size of a step and must be positive"),
    "another one": ({"dt_min": -0.1}, "dt_min is the size of a step"),
    "a stop that is none": ({"step_to": [np.nan]}, "step_to must be finite"),
}


def decay(t, y, rate):
    return -rate * y


@pytest.mark.float32
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    options, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        sj.solve_ensemble(decay, (0.0, np.array([1.0, 2.0])), 1.0, np.ones(2), in_axes=((None, 0), None, 0), **options)


def test_a_time_beyond_some_spans_is_told_by_their_results():
    spans, axes = (0.0, np.array([1.0, 2.0])), ((None, 0), None, 0)
    many = sj.solve_ensemble(decay, spans, 1.0, np.ones(2), in_axes=axes, save=[0.5, 1.5])
    assert sj.tally(many.result) == {"successful": 1, "save_outside_span": 1}
    np.testing.assert_allclose(many.y[1], np.exp([-0.5, -1.5]), rtol=1e-5)


@pytest.mark.parametrize("name", ["rtol", "atol", "dt0", "dt_max"])
def test_whole_numbers_do_not_recompile(name):
    traces = []

    def field(t, y, rate):
        traces.append(t)
        return -rate * y

    def solve(value):
        sj.solve_ensemble(field, (0.0, 1.0), 1.0, np.ones(2), in_axes=(None, 0), backend="vmap", **{name: value})
        return len(traces)

    first = solve(1)
    assert solve(2) == first and solve(0.5) == first


def test_functions_that_ran_in_threads_are_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr(streams, "_KNOWN", 2)
    for k in range(3):
        field = lambda t, y, rate, k=k: -(rate + k) * y  # noqa: E731
        options = {"in_axes": (None, 0), "streams": 2, "chunk": 64, "rtol": 1e-2, "method": sj.Bosh3()}
        sj.solve_ensemble(field, (0.0, 1.0), 1.0, np.ones(4096), **options)
    assert len(streams._warm) == 2
