"""Where a step ends: cut by an event, at a time that is hit exactly, or moved by the projection."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from ..core import trees, when
from . import events as ev
from .job import Job
from .method import MethodState, Step
from .problem import State, Time

RESTARTED = -2  # code of a step that ended at a time of step_to; -1: a plain step; 0, 1, ...: the event that cut it
PLAIN = -1


class After(NamedTuple):
    """Where an accepted step ends, once events, stops and the projection have had their say; `endless` where an event
    happens over and over at one time."""

    t: Time
    y: State
    state: MethodState
    code: Int[Array, ""]
    signs: Any
    endless: Any


def cuttable(job: Job) -> bool:
    """Whether steps can end elsewhere than they were computed to."""
    return bool(job.events) or job.step_to is not None or job.memory is not None


def advance(job: Job, t: Time, y: State, t_right: Time, state: MethodState, t_next: Time, code) -> tuple[Any, Any]:
    """One accepted step repeated: its end is known, so there is no error, no controller and no search.

    Returns `(t, y, carry, y_before)` after the step, with the state before an event's effect (`None` where the job
    has no events), and the step's raw dense data. This is what gradients differentiate.
    """
    problem, method = job.problem, job.method
    step = method.step(problem, t, y, t_right - t, state)
    t_plain = t_right if job.step_to is None else jnp.where(code == RESTARTED, t_next, t_right)
    t_end, y_end, before = t_plain, step.y, None
    if job.events:

        def jumped():
            dense = method.prepare(problem, t, t_right - t, step.dense)
            return tuple(ev.jump(job.events, problem, method, dense, t, t_right, code, t_next))

        t_end, before, y_end = jax.lax.cond(code >= 0, jumped, lambda: (t_plain, step.y, step.y))
    carry, fresh = step.accepted.carry, _fresh(job, (t_right, step.dense, jnp.asarray(True))).problem
    if cuttable(job):
        restarted = lambda: method.restart(fresh, t_end, y_end, step.accepted).carry  # noqa: E731
        if job.memory is None:
            carry = jax.lax.cond(code != PLAIN, restarted, lambda: step.accepted.carry)
        else:  # what is looked up must be seen from outside of a branch
            carry = trees.select(code != PLAIN, restarted(), carry)
    end = (t_end, y_end, carry, before)
    if job.projection is not None:
        y_new = job.projection(end[0], end[1], problem.args)
        state = MethodState(end[2], step.accepted.cache)
        end = (end[0], y_new, method.restart(fresh, end[0], y_new, state).carry, end[3])
    return end, step.dense


def finish(job: Job, loop, log, step: Step, t_right: Time, target: Time, at_stop, on) -> tuple[After, Any, Any]:
    """The end of the step: an event cuts it, a stop restarts the method, the projection moves the state.

    Returns that, and the number and log of events.
    """
    problem, method = job.problem, job.method
    t_next = jnp.where(at_stop, target, t_right) if job.step_to is not None else t_right
    code = jnp.where(at_stop, RESTARTED, PLAIN).astype(jnp.int32) if job.step_to is not None else jnp.int32(PLAIN)
    after, n_events = After(t_next, step.y, step.accepted, code, loop.signs, jnp.asarray(False)), loop.n_events
    if job.events:
        dense = method.prepare(problem, loop.t, t_right - loop.t, step.dense)
        values = ev.sample(job.events, problem, method, dense, loop.t, t_right)

        def jump(search: ev.Search, state, log, on):
            _, n_events = state
            hit = ev.locate(job.events, problem, method, dense, loop.t, t_right, search, on)
            j = ev.jump(job.events, problem, method, dense, loop.t, t_right, hit.which, hit.t)
            fresh = _fresh(job)
            way = ev.direction_of(t_right - loop.t)
            signs, touching = ev.signs_after(fresh.events, fresh.problem, search, hit.which, j.t, j.y, way)
            endless = touching & ev.accumulates(log, n_events, hit)
            log = log.write(hit, j.t, j.y_before, n_events, on)
            state = method.restart(fresh.problem, j.t, j.y, step.accepted)
            return (After(j.t, j.y, state, hit.which, signs, endless), n_events + 1), log

        def look(state, log, on):
            uncut, n_events = state
            search = ev.look(job.events, values, uncut.signs)
            uncut = uncut._replace(signs=search.signs)
            return when(on & search.hit, partial(jump, search), (uncut, n_events), log)

        (after, n_events), log = when(on & ~ev.quiet(values, loop.signs), look, (after, n_events), log)
    if job.step_to is not None:

        def restart(after: After, _, on):
            return after._replace(state=method.restart(_fresh(job).problem, after.t, after.y, after.state)), ()

        after, _ = when(on & (after.code == RESTARTED), restart, after, ())
    if job.projection is not None:
        y = job.projection(after.t, after.y, problem.args)
        after = after._replace(y=y, state=method.restart(_fresh(job).problem, after.t, y, after.state))
    return after, n_events, log


def _fresh(job: Job, present=None) -> Job:
    """The job as it goes on after a step, from the right of its end; `present`: see `delay.Memory.after`."""
    return job if job.memory is None else job.memory.after(job, present)
