"""Exactly N equal steps: a scan without step control, differentiable as it stands."""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..core import RESULT, either, trees
from ..core.rows import Rows, stacked_rows
from .job import Job, Outcome, Resume
from .method import MethodState, Step
from .problem import State, Time
from .saving import Final, Steps
from .step_size import EqualSteps


class Point(NamedTuple):
    """Where the scan stands; the method's cache is left out of what is differentiated."""

    t: Time
    y: State
    carry: PyTree
    cache: PyTree


def applies(job: Job) -> bool:
    """Whether a job is a plain march: equal steps, nothing looked for and nothing saved but the steps themselves."""
    return (
        isinstance(job.controller, EqualSteps)
        and all(isinstance(save, Final | Steps) for save in job.saves)
        and not job.events
        and job.step_to is None
        and job.progress is None
    )


def march(job: Job, *, checkpoint: bool) -> Outcome:
    r"""The outcome of N equal steps.

    With `checkpoint`, reverse mode keeps $2\sqrt N$ states and recomputes each step once, by JAX's own derivative
    rules: any order of derivatives, forward and reverse.
    """
    assert isinstance(job.controller, EqualSteps)
    n, problem, method = job.controller.n, job.problem, job.method
    dt = jax.lax.stop_gradient(job.t1 - job.t0) / n
    state = job.resume.method if job.resume is not None else method.init(problem, job.t0, job.y0, dt)
    start = Point(job.t0, job.y0, state.carry, state.cache)

    def row(point: Point):
        return tuple(
            (point.t, save.value(problem, point.t, point.y)) if isinstance(save, Steps) else () for save in job.saves
        )

    def one(point: Point, i):
        t_next = job.controller.grid(i, point.t, dt, job.t0, job.t1)
        step = method.step(problem, point.t, point.y, t_next - point.t, MethodState(point.carry, point.cache))
        y, state = step.y, step.accepted
        if job.projection is not None:
            y = job.projection(t_next, y, problem.args)
            state = method.restart(problem, t_next, y, state)
        point = Point(t_next, y, state.carry, state.cache)
        return point, (row(point), _traced(step))

    end, (rows, (ok, counted)) = _scan(one, start, n, checkpoint)
    first = row(start)
    saved = tuple(
        (jnp.int32(n), _stacked(first[k], rows[k])) if isinstance(save, Steps) else ((), ())
        for k, save in enumerate(job.saves)
    )
    finite = trees.all_finite(jax.lax.stop_gradient(end.y))
    result = either(jnp.all(ok), RESULT.successful, RESULT.step_failed)
    result = either(finite, result, RESULT.non_finite)
    if job.consistent is not None:
        result = either(job.consistent, result, RESULT.inconsistent_initial)
    counts = _counts(job, n, state, {k: jnp.sum(v) for k, v in counted.items()})
    counts |= method.state_counts(MethodState(end.carry, end.cache))
    if job.residual is not None:
        counts["initial_residual"] = job.residual
    resume = Resume(end.t, end.y, dt, MethodState(end.carry, end.cache), ())
    return Outcome(
        end.t, end.y, resume, result, jnp.int32(n), jnp.int32(0), counts, saved, None, (), jnp.asarray(False)
    )


def _traced(step: Step) -> tuple[Array, dict[str, Array]]:
    """Of one step: whether it could be computed, and its work as far as that is not known while tracing."""
    return jnp.asarray(step.ok), {k: v for k, v in step.counts.items() if not isinstance(v, int)}


def _counts(job: Job, n: int, state: MethodState, counted: dict[str, Array]) -> dict[str, Array]:
    """The work of n steps, that of the start and of projections included."""
    known: dict[str, int] = {}

    def step():
        counts = job.method.step(job.problem, job.t0, job.y0, job.t1 - job.t0, state).counts
        known.update({k: v for k, v in counts.items() if isinstance(v, int)})

    jax.eval_shape(step)
    first = job.method.init_counts()
    restarts = n * first.get("field_evaluations", 0) if job.projection is not None else 0
    names = dict.fromkeys([*first, *known, *counted], 0)
    totals = {k: first.get(k, 0) + n * known.get(k, 0) + counted.get(k, 0) for k in names}
    return {k: jnp.asarray(v + restarts * (k == "field_evaluations"), jnp.int32) for k, v in totals.items()}


def _stacked(first: PyTree, rows: PyTree) -> Rows:
    """Rows 0..N and a spare one."""
    return stacked_rows(jax.tree.map(lambda a, b: jnp.concatenate([a[None], b, b[-1:]]), first, rows))


def _scan(one, start: Point, n: int, checkpoint: bool):
    """`lax.scan` over 0..n-1, in two levels where reverse mode must not keep every step."""
    size = math.isqrt(n)
    if not checkpoint or size < 2:
        return jax.lax.scan(one, start, jnp.arange(n))
    blocks = n // size
    inner = jax.checkpoint(partial(jax.lax.scan, one))
    point, rows = jax.lax.scan(inner, start, jnp.arange(blocks * size).reshape(blocks, size))
    rows = jax.tree.map(lambda x: x.reshape(blocks * size, *x.shape[2:]), rows)
    if blocks * size < n:
        point, rest = inner(point, jnp.arange(blocks * size, n))
        rows = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), rows, rest)
    return point, rows
