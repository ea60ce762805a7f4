"""The backward pass of a recorded gradient: steps pulled back one by one, from where a recorder says they began."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from ...core import read_row, while_loop
from ..job import Job, Outcome, Resume
from ..method import MethodState
from ..problem import State, Time, beside
from ..saving import Steps, Times
from ..step_end import RESTARTED, advance
from . import past, pull_saves
from .leaves import Leaves, filled, is_inexact, is_symbolic_zero, kept_arrays, perturbed
from .pull_saves import Ends, StepBack, add, inexact_zeros, vjp
from .record import Record, Recorder, times


class Adjoint(NamedTuple):
    """Cotangents carried backwards: of the time, state and carry before step + 1, and what has been summed up."""

    step: Int[Array, ""]
    t: Time
    y: State
    carry: PyTree
    moving: list[Array]
    t0: Time
    t1: Time
    stops: Any
    saves: tuple[Any, ...]
    event: Any
    place: PyTree
    owed: Any


def pulled_back(
    job: Job, recorder: Recorder, run: Callable[[Job], Outcome], record: Callable[[Job], tuple[Outcome, Record]]
) -> Outcome:
    """`run(job)`, whose derivatives go backwards through what `record(job)` keeps."""
    leaves = Leaves(job)

    @jax.custom_vjp
    def solve(arrays):
        return run(leaves.unflatten(arrays))

    def forward(arrays):
        values, flags = perturbed(arrays)
        outcome, kept = record(leaves.unflatten(values))
        counters = tuple(c for c, _ in outcome.saved)
        n_events = None if outcome.events is None else outcome.n_events
        return outcome, (values, flags, kept, outcome.accepted, counters, n_events, outcome.resume)

    def backward(kept, cotangent):
        values, flags, record, accepted, counters, n_events, end = kept_arrays(kept)
        silent = jax.tree.map(is_symbolic_zero, cotangent, is_leaf=is_symbolic_zero)
        known = (record, accepted, counters, n_events, end)
        return (_pull_back(leaves, recorder, values, flags.flags, *known, filled(cotangent), silent),)

    solve.defvjp(forward, backward, symbolic_zeros=True)
    return solve(leaves.flatten(job))


def _pull_back(
    leaves: Leaves,
    recorder: Recorder,
    values: list[Array],
    flags: tuple[bool, ...],
    record: Record,
    accepted: Int[Array, ""],
    counters: tuple,
    n_events: Any,
    end: Resume,
    ct: Outcome,
    silent: Outcome,
) -> list[Array | None]:
    """Cotangents of the job's array leaves: `None` where none was asked for.

    `flags` says which leaves are perturbed, `ct` are the cotangents of the outcome (`None` for what is no inexact
    array), and `silent` which of them are zero by structure.
    """
    job = leaves.unflatten(values)
    places = [i for i in leaves.places(_moving) if flags[i]]

    def rebuild(moving: list[Array]) -> Job:
        new = list(values)
        for place, value in zip(places, moving, strict=True):
            new[place] = value
        return leaves.unflatten(new)

    def asked(select) -> bool:
        return any(flags[i] for i in leaves.places(select))

    timed = bool(job.events) or job.memory is not None or asked(lambda j: (j.t0, j.t1, j.step_to))
    loud = [not all(jax.tree.leaves(s[1])) for s in silent.saved]
    ct_rows = [rows for _, rows in ct.saved]
    moving = [values[i] for i in places]
    saves = [
        pull_saves.start(save, c, rows, asked(lambda j, k=k: getattr(j.saves[k], "ts", None)))
        for k, (save, c, rows) in enumerate(zip(job.saves, counters, ct_rows, strict=True))
    ]
    zero = jnp.zeros_like(job.t0)
    place, buffers = recorder.begin(job, end)
    owed, looked_up = past.start(job, record)
    first = Adjoint(
        step=accepted - 1,
        t=ct.t + ct.resume.t,
        y=add(ct.y, ct.resume.y),
        carry=ct.resume.method.carry,
        moving=[jnp.zeros_like(x) for x in moving],
        t0=zero,
        t1=zero,
        stops=() if job.step_to is None else jnp.zeros_like(job.step_to),
        saves=tuple(s for s, _ in saves),
        event=() if n_events is None else n_events - 1,
        place=place,
        owed=owed,
    )
    known = Known(job, recorder, record, end, rebuild, moving, timed, loud, ct_rows, ct.events, job.direction)
    body = partial(_pull_step, known)
    written = (buffers, tuple(b for _, b in saves), looked_up)
    a, (_, rows, _) = while_loop(lambda a: a.step >= 0, body, first, written)
    return _inputs(leaves, job, record.dt, values, flags, places, rebuild, a, rows, ct_rows, loud)


class Known(NamedTuple):
    """What does not change from step to step of a backward pass.

    `moving` are the values that cotangents of field, args and user functions belong to, `rebuild` puts others in their
    places; `timed` says whether times take part, `loud` which saves have cotangents, in `ct_rows`; `ct_events` are
    those of the log.
    """

    job: Job
    recorder: Recorder
    record: Record
    end: Resume
    rebuild: Callable[[list[Array]], Job]
    moving: list[Array]
    timed: bool
    loud: list[bool]
    ct_rows: list[Any]
    ct_events: Any
    direction: Time


def _pull_step(known: Known, a: Adjoint, buffers: tuple, on) -> tuple[Adjoint, tuple]:
    """Pulls the cotangents after step `a.step` back to those before it."""
    job, record, end, moving, zero = known.job, known.record, known.end, known.moving, jnp.zeros_like(known.job.t0)
    kept, save_buffers, looked_up = buffers
    i = a.step
    (y, carry), place, kept = known.recorder.before(job, record, end, i, a.place, kept, on)
    t, t_right, t_next, code = times(record, i)
    carry_f, carry_rest = eqx.partition(carry, is_inexact)

    def step(moving, t, y, carry_f, t_right, t_next, moved, taps):
        state = MethodState(eqx.combine(carry_f, carry_rest), end.method.cache)
        job = past.standing(known.rebuild(moving), record, i, t, y, t_right, moved, taps)
        return advance(job, t, y, t_right, state, t_next, code)

    inputs = (moving, t, y, carry_f, t_right, t_next)
    moved, new_taps = past.moved(job, record, i, partial(step, *inputs))

    def forward(moving, t, y, carry_f, t_right, t_next, moved):
        taps = new_taps(moved)
        out = step(moving, t, y, carry_f, t_right, t_next, moved, taps)
        return out, () if taps is None else taps.places

    if known.timed:
        out, pull = vjp(forward, *inputs, moved)
    else:
        out, pull = vjp(lambda m, y, c: forward(m, t, y, c, t_right, t_next, moved), moving, y, carry_f)
    ((t_end, y_end, _, _), dense), places = out
    ends = Ends(a.moving, zero, zero, inexact_zeros(dense), a.t, a.y)
    ends = past.pull(job, record, a.owed, t, t_next, ends)
    back = StepBack(i, known.rebuild, moving, t, t_right, dense, t_end, y_end, on, known.direction)
    states, rows = list(a.saves), list(save_buffers)
    for k, save in enumerate(job.saves):
        if known.loud[k]:
            ends, states[k], rows[k] = pull_saves.pull(save, k, back, known.ct_rows[k], ends, states[k], rows[k])
    before, event = None, a.event
    if known.ct_events is not None:
        happened = code >= 0
        ct_t, _, ct_y = read_row(known.ct_events, jnp.maximum(a.event, 0))
        ends = ends._replace(t_end=ends.t_end + jnp.where(happened, ct_t, 0))
        before = jax.tree.map(lambda x: jnp.where(happened, x, 0), ct_y)
        event = a.event - happened
    at_end = (ends.t_end, ends.y_end, a.carry, before)
    t0, t1, stops, t_before, owed = a.t0, a.t1, a.stops, zero, a.owed
    if known.timed:
        looks = job.memory is not None
        d_moving, d_t, d_y, d_carry, d_right, d_next, d_past = past.settled(pull, at_end, ends.dense, looks)
        rebuilt = lambda moving, moved: past.standing(known.rebuild(moving), record, i, t, y, t_right, moved)  # noqa: E731
        then = rebuilt(moving, moved)
        d_before, t0, t1, d_stops = _spread(then, t_right, t_next, ends.t_right + d_right, d_next, code, (t0, t1))
        t_before = ends.t_left + d_t + d_before
        owed, looked_up = past.put(owed, looked_up, d_past, places, i, on)
        more, owed, d_stops = past.pull_stops(job, rebuilt, moving, moved, owed, d_stops)
        d_moving, stops = add(d_moving, more), add(stops, d_stops)
    else:
        d_moving, d_y, d_carry = pull((at_end, ends.dense))
    d_carry = jax.tree.map(lambda x, d: d if is_inexact(x) else None, carry, d_carry)
    d_moving = add(ends.moving, d_moving)
    new = Adjoint(i - 1, t_before, d_y, d_carry, d_moving, t0, t1, stops, tuple(states), event, place, owed)
    return new, (kept, tuple(rows), looked_up)


def _moving(job: Job) -> PyTree:
    """The parts of a job that cotangents are summed up for, step by step."""
    return job.problem.field, job.problem.args, job.problem.mass, _functions(job)


def _functions(job: Job) -> PyTree:
    """The parts of a job, besides field and args, whose captured arrays take part in a step or a saved row."""
    return [(save.function, save.aux) for save in job.saves], job.events, job.projection


def _spread(job: Job, t_right, t_next, d_right, d_next, code, sums):
    """Sends the cotangents of a step's end to the time that it was aimed at, t1 or a stop, or along the grid.

    Returns what goes to the start of the step, with which grids move that are not prescribed, the sums of t0 and t1,
    and what goes to the stops.
    """
    t0, t1 = sums
    at_end, free, stops = t_right == job.t1, d_right, ()
    if job.step_to is not None:
        at_stop = beside(job.step_to, jnp.where(job.t1 < job.t0, 1, -1)) == t_right
        landed = (code == RESTARTED) & (job.step_to == t_next)
        stops = jnp.where(_first(at_stop), d_right, 0) + jnp.where(_first(landed), d_next, 0)
        free = jnp.where(jnp.any(at_stop), 0, free)
    free = jnp.where(at_end, 0, free)
    by_t, by_t0, by_t1 = job.controller.grid_derivative(t_right, job.t0, job.t1)
    return by_t * free, t0 + by_t0 * free, t1 + by_t1 * free + jnp.where(at_end, d_right, 0), stops


def _first(marked: Bool[Array, " n"]) -> Bool[Array, " n"]:
    """The first of the marked places alone: of several stops at one time one is the cause."""
    return marked & (jnp.cumsum(marked) == 1)


def _inputs(leaves: Leaves, job: Job, dt: Time, values, flags, places, rebuild, a: Adjoint, rows, ct_rows, loud):
    """From the cotangents before the first step to those of the job's leaves."""
    moving = [values[i] for i in places]
    t0, y0, carry, moved = a.t0 + a.t, a.y, a.carry, a.moving
    for k, save in enumerate(job.saves):
        if loud[k] and isinstance(save, Steps):
            ct_t, ct_value = read_row(ct_rows[k], jnp.int32(0))

            def value(m, t, y, k=k):
                new = rebuild(m)
                return new.saves[k].value(new.problem, t, y)

            d_moving, d_t, d_y = vjp(value, moving, job.t0, job.y0)[1](ct_value)
            moved, t0, y0 = add(moved, d_moving), t0 + ct_t + d_t, add(y0, d_y)
    if job.resume is None:

        def init(m, t, y):
            new = rebuild(m)
            return new.method.init(new.problem, t, y, dt).carry

        d_moving, d_t, d_y = vjp(init, moving, job.t0, job.y0)[1](carry)
        moved, t0, y0 = add(moved, d_moving), t0 + d_t, add(y0, d_y)
    out: list[Array | None] = [None] * len(flags)

    def put(select, cotangents):
        wanted = [i for i in leaves.places(select) if is_inexact(values[i])]
        for i, c in zip(wanted, jax.tree.leaves(cotangents), strict=True):
            out[i] = c if flags[i] else None

    put(lambda j: j.t0, t0)
    put(lambda j: j.t1, a.t1)
    put(lambda j: j.y0, y0)
    if job.step_to is not None:
        put(lambda j: j.step_to, a.stops)
    if job.memory is not None:
        put(lambda j: j.memory.marks, a.owed.times[: job.memory.marks.shape[0]])
    if job.resume is not None:
        put(lambda j: j.resume.method.carry, carry)
    for k, (save, row) in enumerate(zip(job.saves, rows, strict=True)):
        if isinstance(save, Times) and not isinstance(row, tuple):
            put(lambda j, k=k: j.saves[k].ts, row.all()[:-1])
    for place, cotangent in zip(places, moved, strict=True):
        out[place] = cotangent
    return out
