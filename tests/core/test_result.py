"""Why a solve ended."""

import jax
import jax.numpy as jnp
import pytest

import sciml_jax as sj
from sciml_jax.core import either

FAILURES = {
    "max_steps_reached": "Raise max_steps=",
    "record_capacity_reached": "Give max_steps=",
    "dt_min_reached": "loosen rtol= and atol=",
    "non_finite": "Check the field",
    "step_failed": "take smaller steps",
    "inconsistent_initial": "initial='find'",
    "max_events_reached": "Raise max_events=",
    "events_accumulate": "End the solve before",
    "save_capacity_reached": "Raise the capacity",
    "save_outside_span": "Clip them to the span",
    "history_capacity_reached": "Raise capacity=",
    "bad_rates": "Check rates=",
}


@pytest.mark.float32
@pytest.mark.parametrize("name", FAILURES)
def test_every_failure_says_what_to_do(name):
    assert FAILURES[name] in sj.RESULT[getattr(sj.RESULT, name)]


@pytest.mark.float32
def test_there_is_no_failure_without_a_test():
    assert len(sj.RESULT) == len(FAILURES) + len(("successful", "event_occurred"))


@pytest.mark.float32
def test_results_are_chosen_while_tracing():
    @jax.jit
    def choose(on):
        return either(on, sj.RESULT.non_finite, sj.RESULT.successful)

    assert bool(choose(True) == sj.RESULT.non_finite)
    assert bool(choose(False) == sj.RESULT.successful)
    many = jax.vmap(choose)(jnp.array([True, False]))
    assert (many == sj.RESULT.non_finite).tolist() == [True, False]


@pytest.mark.float32
def test_results_are_counted_by_name():
    names = [*FAILURES, "successful", "event_occurred"]
    for name in names:
        assert sj.tally(getattr(sj.RESULT, name)) == {name: 1}

    @jax.vmap
    def many(k):
        return either(k < 3, sj.RESULT.successful, either(k < 5, sj.RESULT.non_finite, sj.RESULT.bad_rates))

    counts = {"successful": 3, "non_finite": 2, "bad_rates": 5}
    assert sj.tally(many(jnp.arange(10))) == counts
    assert sj.tally(jax.tree.map(lambda x: x.reshape(2, 5), many(jnp.arange(10)))) == counts
