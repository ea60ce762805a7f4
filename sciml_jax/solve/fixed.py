"""Exactly N equal steps: a scan without step control, differentiable as it stands."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from ..core import RESULT, either, trees
from ..core.rows import Rows, stacked_rows
from .job import Job, Outcome, Resume
from .method import MethodState
from .problem import State, Time
from .saving import Final, Steps
from .step_size import EqualSteps

_KEPT_STEPS, _KEPT_BYTES = 256, 65_536  # of whose states reverse mode keeps every one
_BLOCK = 4  # the most steps that are pulled back in one piece: a loop over so few costs as much as they do


class Point(NamedTuple):
    """Where the scan stands: the number of the step, whether all steps could be computed, and their work as far as
    it is not known while tracing. Nothing else is scanned over, so that a march fits into a kernel."""

    i: Int[Array, ""]
    t: Time
    y: State
    carry: PyTree
    cache: PyTree
    ok: Bool[Array, ""]
    counted: dict[str, Array]


def applies(job: Job) -> bool:
    """Whether a job is a plain march: equal steps, nothing looked for and nothing saved but the steps themselves."""
    return (
        isinstance(job.controller, EqualSteps)
        and all(isinstance(save, Final | Steps) for save in job.saves)
        and not job.events
        and job.step_to is None
        and job.memory is None
        and job.progress is None
    )


def march(
    job: Job, *, checkpoint: bool = False, snapshots: int | None = None, timed: bool = False
) -> tuple[Outcome, Rows | None]:
    r"""The outcome of N equal steps; if `timed`, also the times before and after them.

    With `checkpoint`, reverse mode keeps the states of up to 256 steps, or of 64 KiB, and recomputes each step once; of
    more steps, or with fewer `snapshots`, those and one block between two of them, and then each step twice, but those
    of blocks of up to four steps, or 64 KiB, once. By JAX's own derivative rules: any order of derivatives, forward and
    reverse.
    """
    assert isinstance(job.controller, EqualSteps)
    n, problem, method = job.controller.n, job.problem, job.method
    dt = jax.lax.stop_gradient(job.t1 - job.t0) / n
    state = job.resume.method if job.resume is not None else method.init(problem, job.t0, job.y0, dt)
    known, counted = _step_counts(job, state)
    zero = {k: jnp.zeros(v.shape, v.dtype) for k, v in counted.items()}
    start = Point(jnp.int32(0), job.t0, job.y0, state.carry, state.cache, jnp.asarray(True), zero)

    def row(point: Point):
        return tuple(
            (point.t, save.value(problem, point.t, point.y)) if isinstance(save, Steps) else () for save in job.saves
        )

    def one(point: Point, _):
        t_next = job.controller.grid(point.i, point.t, dt, job.t0, job.t1)
        step = method.step(problem, point.t, point.y, t_next - point.t, MethodState(point.carry, point.cache))
        y, state = step.y, step.accepted
        if job.projection is not None:
            y = job.projection(t_next, y, problem.args)
            state = method.restart(problem, t_next, y, state)
        counted = {k: v + step.counts[k] for k, v in point.counted.items()}
        point = Point(point.i + 1, t_next, y, state.carry, state.cache, point.ok & step.ok, counted)
        return point, (row(point), (t_next,) if timed else ())

    end, (rows, times) = _scan(one, start, n, checkpoint, snapshots)
    first = row(start)
    saved = tuple(
        (jnp.int32(n), _stacked(first[k], rows[k])) if isinstance(save, Steps) else ((), ())
        for k, save in enumerate(job.saves)
    )
    finite = trees.all_finite(jax.lax.stop_gradient(end.y))
    result = either(end.ok, RESULT.successful, RESULT.step_failed)
    result = either(finite, result, RESULT.non_finite)
    if job.consistent is not None:
        result = either(job.consistent, result, RESULT.inconsistent_initial)
    counts = _counts(job, n, known, end.counted)
    counts |= method.state_counts(MethodState(end.carry, end.cache))
    if job.residual is not None:
        counts["initial_residual"] = job.residual
    resume = Resume(end.t, end.y, dt, MethodState(end.carry, end.cache), ())
    outcome = Outcome(
        end.t, end.y, resume, result, jnp.int32(n), jnp.int32(0), counts, saved, None, (), jnp.asarray(False)
    )
    return outcome, _stacked((job.t0,), times) if timed else None


def _step_counts(job: Job, state: MethodState) -> tuple[dict[str, int], dict[str, Any]]:
    """The work of a step that is known while tracing, and the shapes of what is not."""
    known: dict[str, int] = {}

    def step():
        counts = job.method.step(job.problem, job.t0, job.y0, job.t1 - job.t0, state).counts
        known.update({k: v for k, v in counts.items() if isinstance(v, int)})
        return {k: v for k, v in counts.items() if not isinstance(v, int)}

    return known, jax.eval_shape(step)


def _counts(job: Job, n: int, known: dict[str, int], counted: dict[str, Array]) -> dict[str, Array]:
    """The work of n steps, that of the start and of projections included."""
    first = job.method.init_counts()
    restarts = n * first.get("field_evaluations", 0) if job.projection is not None else 0
    names = dict.fromkeys([*first, *known, *counted], 0)
    totals = {k: first.get(k, 0) + n * known.get(k, 0) + counted.get(k, 0) for k in names}
    return {k: jnp.asarray(v + restarts * (k == "field_evaluations"), jnp.int32) for k, v in totals.items()}


def _stacked(first: PyTree, rows: PyTree) -> Rows:
    """Rows 0..N and a spare one."""
    return stacked_rows(jax.tree.map(lambda a, b: jnp.concatenate([a[None], b, b[-1:]]), first, rows))


def _scan(one, start: Point, n: int, checkpoint: bool, snapshots: int | None):
    """`lax.scan` of n steps; with `checkpoint` reverse mode keeps states alone, and of many steps not all of those."""
    if not checkpoint:
        return jax.lax.scan(one, start, length=n)
    state = trees.bytes_of(start)
    if snapshots is None:
        snapshots = n if n <= _KEPT_STEPS or n * state <= _KEPT_BYTES else math.isqrt(n)
    again = jax.checkpoint(one, prevent_cse=False)
    if snapshots >= n:
        return jax.lax.scan(again, start, length=n)
    size = math.ceil(n / snapshots)
    blocks = n // size
    whole = size <= _BLOCK and size * state <= _KEPT_BYTES
    step, unroll = (one, size) if whole else (again, 1)
    inner = lambda length: jax.checkpoint(lambda point, _: jax.lax.scan(step, point, length=length, unroll=unroll))
    point, rows = jax.lax.scan(inner(size), start, length=blocks)
    rows = jax.tree.map(lambda x: x.reshape(blocks * size, *x.shape[2:]), rows)
    if blocks * size < n:
        point, rest = inner(n - blocks * size)(point, None)
        rows = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), rows, rest)
    return point, rows
