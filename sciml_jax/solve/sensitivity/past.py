"""Cotangents of what a delay equation remembers: of the steps that later ones look up, and of breaking points."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ...core import read_row, trees, while_loop, write_row
from ...core.rows import Rows
from ..delay import Taps
from ..job import Job
from ..problem import State, Time
from .leaves import is_inexact
from .pull_saves import Ends, add, vjp
from .record import Record

_TURNS = 60  # of the series for a step that looks into itself


class Moved(NamedTuple):
    """The part of the past that a step is differentiated by: times of breaking points, taps of the rows that it reads,
    and its own dense data as far as it looks into itself."""

    times: Float[Array, " k"]
    taps: dict[str, Array]
    dense: PyTree


class Owed(NamedTuple):
    """Cotangents that steps pulled back have left: of the times of breaking points, and of the step that comes next.

    Those of all steps are a buffer of their own, from which the next step's are read as soon as they are complete: XLA
    would copy it, were it read where it is written.
    """

    times: Float[Array, " k"]
    step: tuple[Time, Time, PyTree]


def start(job: Job, record: Record) -> tuple[Any, Any]:
    """Zero cotangents: an `Owed` and the buffer of all steps; nothing where nothing is remembered."""
    if job.memory is None:
        return (), ()
    _, (_, steps, breaks) = record.memory
    data = {key: jnp.zeros_like(x) if is_inexact(x) else None for key, x in steps.data.items()}
    rows = Rows(data, steps.tree, steps.leaves)
    return Owed(jnp.zeros_like(breaks.all()[0]), read_row(rows, jnp.int32(0))), rows


def moved(job: Job, record: Record, i, trace: Callable[[Any, Taps | None], Any]) -> tuple[Any, Callable]:
    """What `trace(moved, taps)`, step i, is differentiated by, and a function that makes its taps."""
    if job.memory is None:
        return (), lambda moved: None
    _, (_, steps, breaks) = record.memory
    times, counter = breaks.all()[0], Taps()
    dense = eqx.filter(read_row(steps, i)[2], is_inexact)
    jax.eval_shape(lambda: trace(Moved(times, {}, dense), counter))
    data = {key: x for key, x in steps.data.items() if is_inexact(x)}
    taps = {key: jnp.zeros((counter.used, *x.shape[1:]), x.dtype) for key, x in data.items()}
    return Moved(times, taps, dense), lambda moved: Taps(moved.taps)


def standing(job: Job, record: Record, i, t: Time, y: State, t_right: Time, moved: Any, taps: Any = None) -> Job:
    """The job as it stood before step i."""
    if job.memory is None:
        return job
    kept = read_row(record.memory[1][1], i)[2]
    dense = eqx.combine(moved.dense, kept)
    return job.memory.replay(job, i, t, y, record.memory, t_right, moved.times, taps, dense)


def pull(job: Job, record: Record, owed: Any, t: Time, t_next: Time, ends: Ends) -> Ends:
    """Adds to the ends of a step what later steps ask of it: of its interpolant, and of its end where that is a
    breaking point (the step before asks for it where this one has no length: an event that another brought about)."""
    if job.memory is None:
        return ends
    left, right, dense = owed.step
    counters, (_, _, breaks) = record.memory
    times = breaks.all()[0]
    here = (times == t_next) & (jnp.arange(times.shape[0]) < counters.breaks) & (t != t_next)
    return ends._replace(
        t_left=ends.t_left + left,
        t_right=ends.t_right + right,
        dense=add(ends.dense, dense),
        t_end=ends.t_end + jnp.sum(jnp.where(here, owed.times, 0)),
    )


def settled(back: Callable[[PyTree], tuple], ends: tuple, dense: PyTree, looks: bool) -> tuple:
    r"""Cotangents of a step's inputs from those of its end and its dense data, `back` being one pull through the step.

    Where the step looks into itself, $D = G(D, p)$: the cotangent of D is the limit of $x = \bar D + G_D^T x$, which
    converges as the repetitions of the step do.
    """
    if not looks:
        return back((ends, dense))
    shape = jax.eval_shape(back, (ends, dense))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shape)
    tolerance = jnp.finfo(jax.tree.leaves(dense)[0].dtype).eps ** 0.75

    def turn(carry, _, on):
        k, x, _, _ = carry
        out = back((ends, x))
        new = add(dense, out[-1].dense)
        still = trees.max_norm(trees.subtract(new, x)) <= tolerance * trees.max_norm(new)
        return (k + 1, new, out, still), ()

    carry = (jnp.int32(0), dense, zeros, jnp.asarray(False))
    return while_loop(lambda c: ~c[3] & (c[0] < _TURNS), turn, carry, ())[0][2]


def put(owed: Any, ct_rows: Any, d_moved: Any, places: Int[Array, " n"], i, on) -> tuple[Any, Any]:
    """The cotangents with those of the taps of step i, which belong to the rows in these places."""
    if not d_moved:
        return owed, ct_rows

    def one(k, rows: Rows) -> Rows:
        row = read_row(rows, places[k])
        more = rows.unpack({key: d_moved.taps[key][k] if key in d_moved.taps else None for key in rows.data})
        return write_row(rows, add(row, more), places[k], on)

    ct_rows = jax.lax.fori_loop(0, places.shape[0], one, ct_rows)
    return Owed(owed.times + d_moved.times, read_row(ct_rows, jnp.maximum(i - 1, 0))), ct_rows


def pull_stops(job: Job, stops: Callable[..., Job], moving: list[Array], moved: Any, owed: Any, d_stops: Any):
    """Cotangents of the moving leaves, `owed` with those of breaking points, and those of the user's stops, from those
    of all stops of the job `stops(moving, moved)`: constant lags carry breaking points on to them."""
    none = [jnp.zeros_like(x) for x in moving]
    if job.memory is None:
        return none, owed, d_stops
    if isinstance(d_stops, tuple):  # varying lags alone
        return none, owed, ()

    def step_to(moving, times):
        return stops(moving, moved._replace(times=times)).step_to

    d_moving, d_times = vjp(step_to, moving, moved.times)[1](d_stops)
    owed = owed._replace(times=owed.times + d_times)
    return d_moving, owed, () if job.step_to is None else d_stops[: job.step_to.shape[0]]


__all__ = ["Moved", "Owed", "moved", "pull", "pull_stops", "put", "settled", "standing", "start"]
