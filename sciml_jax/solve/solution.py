"""What a solve returns."""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Int, PyTree

from ..core import RESULT, Rows, read_row, succeeded, tally
from .events import EventLog
from .job import Job, Outcome
from .method import Method
from .problem import State, Time
from .saving import Dense, Save, Steps, Times


class DenseSolution(eqx.Module):
    """A continuous solution: the interpolants of all steps, right-continuous at jumps."""

    method: Method
    steps: Rows  # of (t_left, t_right, dense data)
    n: Int[Array, ""]
    t0: Time
    t1: Time
    y0: State
    y1: State

    def __call__(self, t: ArrayLike) -> State:
        """The state at time(s) t of any shape, which lead in the result; NaN outside the span that was solved."""
        t = jnp.asarray(t, self.t0.dtype)
        if t.ndim:
            flat = jax.vmap(self)(t.reshape(-1))
            return jax.tree.map(lambda x: x.reshape(t.shape + x.shape[1:]), flat)
        direction = jnp.where(self.t1 < self.t0, -1.0, 1.0).astype(t.dtype)
        t_left = jax.lax.stop_gradient(self.steps.all()[0])
        unused = jnp.arange(t_left.shape[0]) >= self.n
        starts = jnp.where(unused, jnp.inf, direction * t_left)
        row = jnp.searchsorted(starts, direction * jax.lax.stop_gradient(t), side="right") - 1
        left, right, data = read_row(self.steps, jnp.maximum(row, 0))
        inside = (direction * (t - self.t0) >= 0) & (direction * (t - self.t1) <= 0)
        value = self.method.interpolate(data, left, right, t)

        def leaf(x, y0, y1):
            # a span of no length has no steps; the last state belongs to t1 also after a jump there
            x = jnp.where(self.n == 0, y0, jnp.where(t == self.t1, y1, x))
            return jnp.where(inside, x, jnp.nan)

        return jax.tree.map(leaf, value, self.y0, self.y1)


class Solution(eqx.Module):
    """The solution of an ordinary differential equation.

    - `t`, `y`: what `save=` asked for. The final time and state where it was `None` or `Dense`; a leading axis of
      times for an array of times or `Steps`; dictionaries where `save=` was one.
    - `n`: how many entries along the time axis hold something; the others repeat the last.
    - `aux`: auxiliary outputs of the field at the same places (`has_aux=True`).
    - `stats`: work, as integers: `accepted`, `rejected`, `steps`, `field_evaluations`, ...
    - `result`: a `RESULT`. `event`: the log of events, or `None`.
    - `state`: give it to `solve_ode(state=...)` to go on; `None` in an ensemble.
    - Called with times, after `save=sj.Dense()`: the state there.
    """

    t: Any
    y: Any
    n: Any
    aux: Any
    stats: dict[str, Int[Array, ""]]
    result: RESULT
    event: EventLog | None
    state: Any  # a Resume; None in an ensemble
    dense: DenseSolution | None

    def __repr__(self) -> str:
        """Shapes instead of numbers; of many solves how many ended how."""
        codes = jax.tree.leaves(self.result)
        many = [x for x in codes if isinstance(x, np.ndarray | jax.Array) and np.ndim(x)]
        here = all(not isinstance(x, jax.core.Tracer) and getattr(x, "is_fully_addressable", True) for x in many)
        return eqx.tree_pformat(replace(self, result=tally(self.result)) if many and here else self)

    def __call__(self, t: ArrayLike) -> State:
        """The state at time(s) `t` of any shape, which lead in the result; differentiable, in `t` too.

        Cost: a binary search and one interpolant a time. Raises `TypeError` unless the solve had `save=sj.Dense()`
        and `ValueError` for times outside its span (NaN under `jit`).
        """
        if self.dense is None:
            raise TypeError("this solution is not dense: solve with save=sj.Dense() to call it at any time")
        _refuse_outside(self.dense, t)
        return self.dense(t)

    @property
    def success(self) -> Bool[Array, ""]:
        """Whether the solve reached t1 or a terminating event."""
        return succeeded(self.result)


def _refuse_outside(dense: DenseSolution, t: ArrayLike) -> None:
    if np.ndim(dense.t0):
        raise ValueError(
            f"this solution holds a batch of shape {np.shape(dense.t0)}, made by vmap: call it under vmap too, "
            "jax.vmap(lambda s: s(t))(sol)"
        )
    if any(isinstance(x, jax.core.Tracer) for x in (dense.t0, dense.t1, t)):
        return
    t0, t1 = float(dense.t0), float(dense.t1)
    times = np.asarray(t)
    if times.size and (np.min(times) < min(t0, t1) or np.max(times) > max(t0, t1)):
        raise ValueError(
            f"sol(t) was asked at times from {np.min(times)} to {np.max(times)}, but the solve covers {t0} to {t1}"
        )


def assemble(job: Job, outcome: Outcome, names: tuple[str, ...] | None) -> Solution:
    """The solution from the driver's raw outputs."""
    kept = [_kept(job, outcome, save, *saved) for save, saved in zip(job.saves, outcome.saved, strict=True)]
    parts = list(zip(*kept, strict=True))
    t, y, aux, n = [p[0] for p in parts] if names is None else [dict(zip(names, p, strict=True)) for p in parts]
    dense = [_dense(job, outcome, *s) for v, s in zip(job.saves, outcome.saved, strict=True) if isinstance(v, Dense)]
    stats = {
        "accepted": outcome.accepted,
        "rejected": outcome.rejected,
        "steps": outcome.accepted + outcome.rejected,
        **outcome.counts,
    }
    log = None
    if outcome.events is not None:
        event_t, index, event_y = jax.tree.map(lambda x: x[:-1], outcome.events.all())
        log = EventLog(event_t, index, event_y, jnp.minimum(outcome.n_events, job.max_events))
    return Solution(t, y, n, aux, stats, outcome.result, log, outcome.resume, dense[0] if dense else None)


def _kept(job: Job, outcome: Outcome, save: Save, counters, rows) -> tuple[Any, Any, Any, Any]:
    """Times, values, auxiliary outputs and their number, in the order of the request."""
    t_end = outcome.t
    last, last_aux = save.value(job.problem, t_end, outcome.y)
    if isinstance(save, Times):
        reached = job.direction * (save.ts - t_end) <= 0
        k, n = counters[0], jnp.sum(reached)
        values, aux = _padded(rows.all(), (last, last_aux), k)
        out = (jnp.where(reached, save.ts, t_end), values, aux)
        if save.order is not None:
            back = jnp.argsort(save.order)
            out = jax.tree.map(lambda x: x[back], out)
        return out[0], out[1], out[2], n
    if isinstance(save, Steps):
        (t, (values, aux)), n = rows.all(), counters + 1
        t, values, aux = _padded((t, values, aux), (t_end, last, last_aux), n)
        return t, values, aux, n
    return t_end, last, last_aux, counters if isinstance(save, Dense) else jnp.int32(1)


def _padded(rows: PyTree, last: PyTree, n: Int[Array, ""]) -> PyTree:
    """Rows without the spare one, `last` from row n on."""

    def leaf(x, end):
        unused = jnp.arange(x.shape[0] - 1) >= n
        return jnp.where(unused.reshape(-1, *(1,) * (x.ndim - 1)), end, x[:-1])

    return jax.tree.map(leaf, rows, last)


def _dense(job: Job, outcome: Outcome, n, rows) -> DenseSolution:
    return DenseSolution(job.method, rows, n, job.t0, outcome.t, job.y0, outcome.y)
