"""The adaptive loop: one driver for every method, with saving, events and recording as separate pieces of state."""

from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from ..core import RESULT, either, trees, when, while_loop
from ..core.once import once
from . import events as ev
from .job import Job, Outcome, Resume
from .method import Method, MethodState, Phase, Step
from .problem import Problem, State, Time, beside
from .saving import StepView, Times
from .step_end import PLAIN, cuttable, finish
from .step_size import initial_step


class Recorder(Protocol):
    """A piece that keeps what a gradient needs of every accepted step."""

    def init(self, job: Job, t: Time, y: State, carry: PyTree, dt: Time) -> tuple[PyTree, PyTree]:
        """Counters and buffers before the first step."""
        ...

    def update(
        self, step: Array, view: StepView, code: Array, carry: PyTree, counters: PyTree, buffers: PyTree
    ) -> tuple[PyTree, PyTree]:
        """Counters and buffers after step number `step`; `carry` is the method's carry after it."""
        ...


class Loop(NamedTuple):
    """What the loop carries and masks; a piece that nobody asked for is an empty tuple."""

    t: Time
    y: State
    dt: Time
    state: MethodState
    control: PyTree
    rejected_last: Bool[Array, ""]
    accepted: Int[Array, ""]
    rejected: Int[Array, ""]
    counts: dict[str, Int[Array, ""]]
    result: RESULT
    ended: Bool[Array, ""]
    cuts: Any
    signs: Any
    n_events: Any
    saves: tuple[Any, ...]
    memory: Any
    record: Any


class Buffers(NamedTuple):
    """What the loop writes in place."""

    saves: tuple[Any, ...]
    events: Any
    memory: Any
    record: Any


class Work(NamedTuple):
    """Work that need not be counted in the loop: at the start, and the same in every attempt."""

    start: dict[str, int]
    per_step: dict[str, int]


def drive(job: Job, recorder: Recorder | None = None) -> tuple[Outcome, Any]:
    """Steps from t0 to t1 and returns what was asked for, what the recorder kept, and what was remembered.

    There is no branch on the method: it is the pure functions of `Method`.
    """
    method, direction = job.method, job.direction
    loop, buffers, work = _start(job, direction, recorder)
    whole = job

    def active(loop: Loop):
        return (loop.result == RESULT.successful) & ~loop.ended & (direction * (job.t1 - loop.t) > 0)

    def body(phase: Phase, loop: Loop, buffers: Buffers, on):
        job = whole
        if job.memory is not None:
            job = job.memory.at(job, loop.t, loop.y, loop.signs, loop.memory, buffers.memory)
        dt = loop.dt if job.dt_max is None else direction * jnp.minimum(jnp.abs(loop.dt), job.dt_max)
        t_right, target, reached, at_stop = _aim(job, loop, dt, direction)
        h = t_right - loop.t
        step = phase.step(job.problem, loop.t, loop.y, h, loop.state)
        accept, finite, control, dt_next = _judge(job, loop, step, dt, h, reached, direction)
        memory, memory_rows = loop.memory, buffers.memory
        if job.memory is not None:  # written before the method starts afresh: what is read later is read from the new
            job, memory, memory_rows = job.memory.keep(job, t_right, step, on & accept, memory, memory_rows)
        after, n_events, log = finish(job, loop, buffers.events, step, t_right, target, at_stop, on & accept)
        view = StepView(loop.t, t_right, after.t, after.y, step.dense, on & accept, direction)
        saves, save_rows = _save(job, view, loop.saves, buffers.saves)
        if job.memory is not None:
            memory, memory_rows = job.memory.update(job, view, after.code, memory, memory_rows)
        record, record_rows = loop.record, buffers.record
        if recorder is not None:
            carry = after.state.carry
            record, record_rows = recorder.update(loop.accepted, view, after.code, carry, record, record_rows)
        accepted, rejected = loop.accepted + accept, loop.rejected + ~accept
        stalled = (t_right == loop.t) & (after.t == loop.t)  # below the rounding error of t
        why = either(finite, _stuck(step), RESULT.non_finite)
        result = _result(job, loop, accepted + rejected, stalled, dt_next, accept, why, n_events, after, saves, memory)
        if job.events or job.projection is not None:  # what the user's functions made of the state
            result = either(accept & ~trees.all_finite(after.y), RESULT.non_finite, result)
        keep = lambda new, old: trees.select(accept, new, old)  # noqa: E731
        new = Loop(
            t=jnp.where(accept, after.t, loop.t),
            y=keep(after.y, loop.y),
            dt=dt_next,
            state=keep(after.state, step.rejected),
            control=control,
            rejected_last=~accept,
            accepted=accepted,
            rejected=rejected,
            counts={k: v + jnp.asarray(step.counts.get(k, 0), v.dtype) for k, v in loop.counts.items()},
            result=result,
            ended=accept & ev.terminating(job.events, after.code) if job.events else loop.ended,
            cuts=loop.cuts + (accept & (after.code != PLAIN)) if cuttable(job) else (),
            signs=keep(after.signs, loop.signs),
            n_events=n_events,
            saves=saves,
            memory=memory,
            record=record,
        )
        if job.progress is not None:
            job.progress.update(new.t, job.t0, job.t1, new.accepted)
        return new, Buffers(save_rows, log, memory_rows, record_rows)

    first, *others = method.phases()

    def turn(loop: Loop, buffers: Buffers, on):
        for phase in (first, *others):
            mine = lambda loop, phase=phase: on & active(loop) & phase.active(loop.state)  # noqa: E731
            loop, buffers = while_loop(mine, partial(body, phase), loop, buffers)
        return loop, buffers

    loop, buffers = while_loop(active, turn if others else partial(body, first), loop, buffers)
    return _outcome(job, loop, buffers, work), (loop.record, buffers.record, (loop.memory, buffers.memory))


def _start(job: Job, direction: Time, recorder: Recorder | None) -> tuple[Loop, Buffers, Work]:
    problem, method = job.problem, job.method
    t, y, counts = job.t0, job.y0, dict.fromkeys(_count_names(job), 0)
    dt: Any
    if job.resume is not None:
        dt, state, control = direction * jnp.abs(job.resume.dt), job.resume.method, job.resume.control
    else:
        dt = job.dt0
        if dt is None and job.controller.adaptive:
            dt = jax.lax.stop_gradient(initial_step(problem, t, y, method.start_order, job.t1 - t))
            counts["field_evaluations"] = counts.get("field_evaluations", 0) + 2
        dt = job.t1 - t if dt is None else direction * jnp.abs(dt)
        dt = jax.lax.stop_gradient(dt)
        state, control = method.init(problem, t, y, dt), job.controller.init(t.dtype)
        counts = {k: n + method.init_counts().get(k, 0) for k, n in counts.items()}
    dense, per_step = _probe(problem, method, t, y, dt, state)
    counts = dict.fromkeys(per_step, 0) | counts
    memory, memory_rows, here = (), (), job
    if job.memory is not None:
        memory, memory_rows = job.memory.init(job, dense)
        here = job.memory.at(job, t, y, None, memory, memory_rows)
    counted = {name: jnp.int32(0) for name in counts if name not in per_step}
    saves = [save.init(problem, method, t, y, dense) for save in job.saves]
    result = RESULT.successful
    outside = [_outside(save.ts, job.t0, job.t1, direction) for save in job.saves if isinstance(save, Times)]
    if outside:
        result = either(jnp.any(jnp.stack(outside)), RESULT.save_outside_span, result)
    if job.consistent is not None:
        result = either(job.consistent, result, RESULT.inconsistent_initial)
    result = either(trees.all_finite((t, job.t1, y)), result, RESULT.non_finite)
    n_events: Any = ()
    log: Any = ()
    signs: Any = ()
    if job.events:
        n_events, log = ev.new_log(job.max_events, t, y)
        signs = ev.first_signs(here.events, here.problem, t, y, direction)
    record, record_rows = ((), ()) if recorder is None else recorder.init(job, t, y, state.carry, dt)
    loop = Loop(
        t=t,
        y=y,
        dt=dt,
        state=state,
        control=control,
        rejected_last=jnp.asarray(False),
        accepted=jnp.int32(0),
        rejected=jnp.int32(0),
        counts=counted,
        result=result,
        ended=jnp.asarray(False),
        cuts=jnp.int32(0) if cuttable(job) else (),
        signs=signs,
        n_events=n_events,
        saves=tuple(counters for counters, _ in saves),
        memory=memory,
        record=record,
    )
    return loop, Buffers(tuple(rows for _, rows in saves), log, memory_rows, record_rows), Work(counts, per_step)


def _probe(problem: Problem, method: Method, t: Time, y: State, dt: Time, state: MethodState):
    """The shapes of complete dense data, and the counts of a step that are known while tracing."""
    known: dict[str, int] = {}

    def step():
        out = method.step(problem, t, y, dt, state)
        known.update({k: n for k, n in out.counts.items() if isinstance(n, int)})
        return method.prepare(problem, t, dt, out.dense)

    return jax.eval_shape(step), known


def _count_names(job: Job) -> tuple[str, ...]:
    names = job.method.init_counts()
    return tuple(names) if "field_evaluations" in names else ("field_evaluations", *names)


def _outside(ts: Array, t0: Time, t1: Time, direction: Time) -> Bool[Array, ""]:
    return jnp.any((direction * (ts - t0) < 0) | (direction * (ts - t1) > 0))


def _aim(job: Job, loop: Loop, dt: Time, direction: Time):
    """Where the step ends: at the controller's time, or at the next time that must be hit exactly.

    A step to a time of `step_to` stops one rounding error before it: an input that jumps there is seen from its left,
    and the next step starts on its right.
    """
    step = loop.accepted
    if cuttable(job) and not job.controller.counts_cut_steps:
        step = step - loop.cuts
    proposed = job.controller.grid(step, loop.t, dt, job.t0, job.t1)
    target = job.t1
    is_stop = jnp.asarray(False)
    if job.step_to is not None:
        ahead = direction * (job.step_to - loop.t) > 0
        nearest = jnp.argmin(jnp.where(ahead, direction * job.step_to, jnp.inf))
        stop = job.step_to[nearest]
        is_stop = ahead[nearest] & (direction * (job.t1 - stop) > 0)
        target = jnp.where(is_stop, stop, job.t1)
    end = target
    if job.step_to is not None:
        before = beside(target, -direction)
        end = jnp.where(is_stop, target + jax.lax.stop_gradient(before - target), target)
    # a step that would leave a sliver is stretched by up to one percent, unless its end is prescribed
    stretch = 1.0 if job.controller.prescribed else 1.01
    reached = direction * (loop.t + stretch * (proposed - loop.t) - end) >= 0
    return jnp.where(reached, end, proposed), target, reached, reached & is_stop


def _judge(job: Job, loop: Loop, step: Step, dt: Time, h: Time, reached, direction: Time):
    """Whether the step is accepted, whether it was finite, and the size of the next one."""
    if not job.controller.adaptive:
        finite = trees.all_finite(step.y)
        return finite & step.ok, finite, loop.control, dt
    squared = once(jax.lax.stop_gradient(job.problem.error_norm_squared(step.error, loop.y, step.y)))
    finite = jnp.isfinite(squared)
    squared = jnp.where(finite, squared, jnp.inf)
    accept = once((squared <= 1) & step.ok)
    # a zero error may grow the step as far as the controller lets it, and must not weigh on the steps that follow
    log_error = 0.5 * jnp.log(jnp.maximum(squared, 1e-16))
    verdict = job.controller.control(log_error, step.order, loop.control)
    # no growth right after a rejection, and always a smaller step after one; half of it where there was no solution
    limit = jnp.where(loop.rejected_last, 1.0, jnp.inf)
    smaller = 0.9 if step.ok is True else jnp.where(step.ok, 0.9, 0.5)
    factor = jnp.minimum(verdict.factor, jnp.where(accept, limit, smaller)).astype(h.dtype)
    dt_next = h * factor
    if step.dt_next is not None:
        dt_next = jnp.where(accept, step.dt_next, dt_next)
    # a step cut short at a target must not make the next one small
    longer = direction * jnp.maximum(jnp.abs(dt_next), jnp.abs(dt))
    dt_next = jax.lax.stop_gradient(jnp.where(accept & reached, longer, dt_next))
    return accept, finite, trees.select(accept, verdict.state, loop.control), dt_next


def _save(job: Job, view: StepView, counters: tuple, buffers: tuple) -> tuple[tuple, tuple]:
    pairs = [
        save.update(job.problem, job.method, view, c, b)
        for save, c, b in zip(job.saves, counters, buffers, strict=True)
    ]
    return tuple(c for c, _ in pairs), tuple(b for _, b in pairs)


def _stuck(step: Step) -> RESULT:
    """Why no smaller step is left, where the numbers are finite."""
    if step.ok is True:
        return RESULT.dt_min_reached
    return either(jnp.asarray(step.ok), RESULT.dt_min_reached, RESULT.step_failed)


def _result(job: Job, loop: Loop, attempts, stalled, dt_next, accept, why, n_events, after, saves, memory) -> RESULT:
    """Why to stop, if at all: the first cause wins."""
    result = loop.result
    smallest = 4 * jnp.finfo(loop.t.dtype).eps * jnp.abs(loop.t)
    smallest = smallest if job.dt_min is None else jnp.maximum(smallest, job.dt_min)
    stuck = ~accept & (jnp.abs(dt_next) <= smallest) if job.controller.adaptive else ~accept
    result = either(stuck | stalled, why, result)
    checks = [((attempts >= job.max_steps), RESULT.max_steps_reached)]
    if job.events:
        checks.append((n_events > job.max_events, RESULT.max_events_reached))
        checks.append((accept & after.endless, RESULT.events_accumulate))
    if job.memory is not None:
        checks.append((memory.lost, RESULT.history_capacity_reached))
    for save, counters in zip(job.saves, saves, strict=True):
        full = save.full(counters)
        if full is not None:
            checks.append((full, RESULT.save_capacity_reached))
    for failed, cause in checks:
        result = either(failed & (result == RESULT.successful), cause, result)
    return result


def _outcome(job: Job, loop: Loop, buffers: Buffers, work: Work) -> Outcome:
    done = loop.ended | (job.direction * (job.t1 - loop.t) <= 0)
    # a limit that is reached together with the end is no failure
    limits = (
        RESULT.max_steps_reached,
        RESULT.save_capacity_reached,
        RESULT.max_events_reached,
        RESULT.history_capacity_reached,
    )
    harmless = done & (sum(loop.result == limit for limit in limits) > 0)
    result = either(harmless, RESULT.successful, loop.result)
    result = either(loop.ended & (result == RESULT.successful), RESULT.event_occurred, result)
    attempts = loop.accepted + loop.rejected
    counts = {name: n + attempts * work.per_step.get(name, 0) for name, n in work.start.items()}
    counts |= {name: counts[name] + n for name, n in loop.counts.items()}
    for name, n in job.method.prepare_counts().items():
        counts[name] = counts[name] + n * sum(s.prepared(c) for s, c in zip(job.saves, loop.saves, strict=True))
    log = None
    if job.events:
        log = buffers.events.rows
        extra = 1 + job.method.init_counts()["field_evaluations"]
        counts["field_evaluations"] = counts["field_evaluations"] + extra * loop.n_events
    if job.residual is not None:
        counts["initial_residual"] = job.residual
    resume = Resume(loop.t, loop.y, loop.dt, loop.state, loop.control)
    saved = tuple(zip(loop.saves, buffers.saves, strict=True))
    counts |= job.method.state_counts(loop.state)
    if job.controller.adaptive:
        counts["stiff"] = _looks_stiff(job, loop)
    return Outcome(
        loop.t, loop.y, resume, result, loop.accepted, loop.rejected, counts, saved, log, loop.n_events, loop.ended
    )


def _looks_stiff(job: Job, loop: Loop) -> Bool[Array, ""]:
    """Whether stability sets the steps at the end of a solve of more than a thousand steps (shorter: not asked).

    Compares the step with the method's interval of stability, by three steps of the power method from the derivative:
    on a slow manifold it still has a trace of the fast directions.
    """
    limit = job.method.stability_limit
    if limit is None:
        return jnp.asarray(False)
    t, y, dt = jax.lax.stop_gradient((loop.t, loop.y, loop.dt))
    problem = job.problem.frozen

    def estimate(_, rows, on):
        def multiply(_, state):
            v, _ = state
            size = trees.rms_norm(v)
            v = trees.scale(1 / jnp.where(size == 0, 1.0, size), v)
            v = jax.jvp(lambda y: problem.evaluate(t, y), (y,), (v,))[1]
            return v, trees.rms_norm(v)

        _, rate = jax.lax.fori_loop(0, 3, multiply, (problem.evaluate(t, y), jnp.zeros((), t.dtype)))
        return jnp.abs(dt) * rate > 0.7 * limit, rows

    try:
        return when(loop.accepted + loop.rejected > 1000, estimate, jnp.asarray(False), ())[0]
    except (NotImplementedError, TypeError, ValueError):
        # JAX says so while tracing where a field has no forward derivative, as a callback or a `custom_vjp`; its steps
        # have been traced by now, so that a mistake in it was told before. What it goes without is this hint
        return jnp.asarray(False)
