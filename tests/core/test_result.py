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
