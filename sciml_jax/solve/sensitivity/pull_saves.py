"""Cotangents of saved values, pulled back to the step that holds them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from ...core import empty_rows, read_row, when, while_loop, write_row
from ..job import Job
from ..problem import State, Time
from ..saving import Dense, Final, Save, Steps, Times
from .leaves import is_inexact


def vjp(function: Callable, *primals: PyTree) -> tuple[PyTree, Callable]:
    """`jax.vjp` for functions with any outputs: cotangents are trees with `None` for what is no inexact array."""

    def inexact(*xs):
        out = function(*xs)
        return [x for x in jax.tree.leaves(out) if is_inexact(x)], out

    _, pull, out = jax.vjp(inexact, *primals, has_aux=True)
    return out, lambda cotangent: pull(jax.tree.leaves(cotangent))


def inexact_zeros(tree: PyTree) -> PyTree:
    """Zero cotangents of a tree: `None` for what is no inexact array."""
    return jax.tree.map(lambda x: jnp.zeros_like(x) if is_inexact(x) else None, tree)


def add(x: PyTree, y: PyTree) -> PyTree:
    """The sum of two cotangent trees."""
    return jax.tree.map(lambda a, b: a + b, x, y)


class Ends(NamedTuple):
    """Cotangents of what a step consists of: its interpolant and times, its end, and everything the job closes over."""

    moving: list[Array]
    t_left: Time
    t_right: Time
    dense: PyTree
    t_end: Time
    y_end: State


class StepBack(NamedTuple):
    """A step of the backward pass as savers see it; `job` rebuilds the job from its moving leaves."""

    step: Int[Array, ""]
    job: Callable[[list[Array]], Job]
    moving: list[Array]
    t_left: Time
    t_right: Time
    dense: PyTree
    t_end: Time
    y_end: State
    on: Bool[Array, ""]
    direction: Time


def plain(save: Save) -> bool:
    """Whether the state itself is saved, so that nothing else takes part in the row."""
    return save.function is None and save.aux is None


def start(save: Save, counters, cotangent_rows, wants_times: bool) -> tuple[Any, Any]:
    """Counters and buffers of a saver's backward pass."""
    if isinstance(save, Times):
        n = save.ts.shape[0]
        return counters[0] - 1, empty_rows(n, jnp.zeros((), save.ts.dtype)) if wants_times else ()
    return (), ()


def pull(save: Save, index: int, back: StepBack, rows, ends: Ends, counter, buffer) -> tuple[Ends, Any, Any]:
    """Adds to `ends` the cotangents of everything that `save` kept of this step."""
    match save:
        case Final():
            return ends, counter, buffer
        case Steps():
            return _pull_steps(index, save, back, rows, ends), counter, buffer
        case Dense():
            return _pull_dense(back, rows, ends), counter, buffer
        case Times():
            return _pull_times(index, save, back, rows, ends, counter, buffer)
    raise TypeError(f"Recorded() cannot differentiate save={type(save).__name__}; use sj.Times, sj.Steps or sj.Dense")


def _pull_steps(index: int, save: Save, back: StepBack, rows, ends: Ends) -> Ends:
    ct_t, ct_value = read_row(rows, back.step + 1)
    if plain(save):
        return ends._replace(t_end=ends.t_end + ct_t, y_end=add(ends.y_end, ct_value[0]))

    def value(moving, t, y):
        job = back.job(moving)
        return job.saves[index].value(job.problem, t, y)

    moving, t, y = vjp(value, back.moving, back.t_end, back.y_end)[1](ct_value)
    return ends._replace(moving=add(ends.moving, moving), t_end=ends.t_end + ct_t + t, y_end=add(ends.y_end, y))


def _pull_dense(back: StepBack, rows, ends: Ends) -> Ends:
    ct_left, ct_right, ct_prepared = read_row(rows, back.step)
    ends = ends._replace(t_left=ends.t_left + ct_left, t_right=ends.t_right + ct_right)
    return pull_prepared(back, ct_prepared, ends)


def pull_prepared(back: StepBack, ct_prepared, ends: Ends) -> Ends:
    """From the completed dense data to the raw ones."""

    def prepare(moving, t_left, t_right, dense):
        job = back.job(moving)
        return job.method.prepare(job.problem, t_left, t_right - t_left, dense)

    if not back.job(back.moving).method.prepares:
        return ends._replace(dense=add(ends.dense, ct_prepared))
    moving, left, right, dense = vjp(prepare, back.moving, back.t_left, back.t_right, back.dense)[1](ct_prepared)
    dense = jax.tree.map(lambda x, d: d if is_inexact(x) else None, back.dense, dense)
    return ends._replace(
        moving=add(ends.moving, moving),
        t_left=ends.t_left + left,
        t_right=ends.t_right + right,
        dense=add(ends.dense, dense),
    )


def _pull_times(index: int, save: Times, back: StepBack, rows, ends: Ends, k, buffer):
    job = back.job(back.moving)

    def inside(k):
        return back.on & (k >= 0) & (back.direction * (save.ts[jnp.maximum(k, 0)] - back.t_left) >= 0)

    def pull_rows(k, ends: Ends, buffer, prepared, on):
        """All rows of this step; `ends.dense` is here the cotangent of the prepared data."""

        def row(moving, t_left, t_right, prepared, t):
            job = back.job(moving)
            times: Any = job.saves[index]
            return times.row(job.problem, job.method, prepared, t_left, t_right, t)

        def one(state, buffer, on_row):
            k, moving, left, right, dense = state
            t = save.ts[jnp.maximum(k, 0)]
            ct = read_row(rows, jnp.maximum(k, 0))
            if plain(save):  # nothing the job closes over takes part: spare its large zero cotangents
                _, pull_row = vjp(lambda *xs: row(back.moving, *xs), back.t_left, back.t_right, prepared, t)
                d_left, d_right, d_dense, d_t = pull_row(ct)
            else:
                _, pull_row = vjp(row, back.moving, back.t_left, back.t_right, prepared, t)
                d_moving, d_left, d_right, d_dense, d_t = pull_row(ct)
                moving = add(moving, d_moving)
            d_dense = jax.tree.map(lambda x, d: d if is_inexact(x) else None, prepared, d_dense)
            if not isinstance(buffer, tuple):
                buffer = write_row(buffer, d_t, k, on_row)
            return (k - 1, moving, left + d_left, right + d_right, add(dense, d_dense)), buffer

        carried = [] if plain(save) else ends.moving
        state = (k, carried, ends.t_left, ends.t_right, ends.dense)
        (k, moving, left, right, dense), buffer = while_loop(lambda s: on & inside(s[0]), one, state, buffer)
        ends = ends._replace(t_left=left, t_right=right, dense=dense)
        return k, ends if plain(save) else ends._replace(moving=moving), buffer

    if not job.method.prepares:
        k, ends, buffer = pull_rows(k, ends, buffer, back.dense, back.on)
        return ends, k, buffer

    def prepared_rows(state, buffer, on):
        k, ends = state
        problem, method = job.problem, job.method
        prepared = method.prepare(problem, back.t_left, back.t_right - back.t_left, back.dense)
        inner = ends._replace(dense=inexact_zeros(prepared))
        k, inner, buffer = pull_rows(k, inner, buffer, prepared, on)
        outer = inner._replace(dense=ends.dense)
        return (k, pull_prepared(back, inner.dense, outer)), buffer

    (k, ends), buffer = when(inside(k), prepared_rows, (k, ends), buffer)
    return ends, k, buffer
