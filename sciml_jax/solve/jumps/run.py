"""The loop of jump processes: one for all methods."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from ...core import RESULT, either, while_loop
from ..job import Job, Outcome, Resume
from ..method import MethodState
from ..noise.threefry import Words
from ..problem import Time
from ..saving import Dense, Steps, StepView, Times
from .method import JumpMethod
from .network import Many, Network

# what negative and NaN rates end with: there is no number to go on with


class Loop(NamedTuple):
    """What the loop carries. Time is `t` and a rest below its rounding, so that many short waits add up."""

    t: Time
    rest: Time
    x: Many
    state: PyTree
    accepted: Int[Array, ""]
    rejected: Int[Array, ""]
    result: RESULT
    saves: tuple[Any, ...]


def run(job: Job, method: JumpMethod, network: Network, words: Words) -> Outcome:
    """Jumps from t0 to t1.

    A jump that exceeds `max_steps` or has no row to be saved in does not happen: what was asked for last stays true.
    """
    loop, rows = _start(job, method, network, words)

    def active(loop: Loop):
        return (loop.result == RESULT.successful) & (loop.t < job.t1)

    def body(loop: Loop, rows, on):
        n, left = loop.accepted + loop.rejected, (job.t1 - loop.t) - loop.rest
        step = method.step(network, words, n, loop.t, loop.x, left, loop.state)
        result = _result(job, loop, step.fires, step.ends, step.valid, n)
        goes = result == RESULT.successful
        wait = step.wait + loop.rest
        t = loop.t + wait
        rest = wait - (t - loop.t)
        t = jnp.where(step.ends, job.t1, jnp.minimum(t, job.t1))
        x, state = method.fire(network, loop.x, step.state, step.chosen, goes & step.fires)
        view = StepView(loop.t, t, t, network.array(x), network.array(loop.x), on & goes, jnp.ones_like(t))
        saves, rows = _save(job, view, step.fires, loop.saves, rows)
        new = Loop(
            t=jnp.where(goes, t, loop.t),
            rest=jnp.where(goes & ~step.ends, rest, 0),
            x=x,
            state=state,
            accepted=loop.accepted + (goes & step.fires),
            rejected=loop.rejected + (goes & ~step.fires & ~step.ends),
            result=result,
            saves=saves,
        )
        return new, rows

    loop, rows = while_loop(active, body, loop, rows)
    return _outcome(loop, network, rows)


def _start(job: Job, method: JumpMethod, network: Network, words: Words) -> tuple[Loop, tuple]:
    x, zero = network.apart(job.y0), jnp.int32(0)
    saves = [save.init(job.problem, job.method, job.t0, job.y0, job.y0) for save in job.saves]
    result = RESULT.successful
    for save in job.saves:
        if isinstance(save, Times):
            outside = jnp.any((save.ts < job.t0) | (save.ts > job.t1))
            result = either(outside, RESULT.save_outside_span, result)
    sound = jnp.isfinite(job.t0) & jnp.isfinite(job.t1) & (job.t0 <= job.t1) & jnp.all(jnp.isfinite(job.y0))
    result = either(sound, result, RESULT.non_finite)
    state = method.init(network, words, job.t0, x)
    counters = tuple(counters for counters, _ in saves)
    start = Loop(job.t0, jnp.zeros_like(job.t0), x, state, zero, zero, result, counters)
    return start, tuple(rows for _, rows in saves)


def _save(job: Job, view: StepView, fires: Bool[Array, ""], counters: tuple, rows: tuple) -> tuple[tuple, tuple]:
    out = []
    for save, counter, buffer in zip(job.saves, counters, rows, strict=True):
        seen = view._replace(on=view.on & fires) if isinstance(save, Steps) else view
        out.append(save.update(job.problem, job.method, seen, counter, buffer))
    return tuple(c for c, _ in out), tuple(b for _, b in out)


def _result(job: Job, loop: Loop, fires, ends, valid, n) -> RESULT:
    """Why the loop ends before this step, if it does: the first cause wins."""
    full = jnp.asarray(False)
    for save, counters in zip(job.saves, loop.saves, strict=True):
        if isinstance(save, Steps | Dense):
            full = full | (save.full(counters) & (fires if isinstance(save, Steps) else True))
    result = either(full, RESULT.save_capacity_reached, RESULT.successful)
    result = either(~ends & (n >= job.max_steps), RESULT.max_steps_reached, result)
    return either(valid, result, RESULT.bad_rates)


def _outcome(loop: Loop, network: Network, rows: tuple) -> Outcome:
    x = network.array(loop.x)
    attempts = loop.accepted + loop.rejected
    resume = Resume(loop.t, x, jnp.zeros_like(loop.t), MethodState((), ()), ())
    counts = {"rate_evaluations": attempts + 1}
    saved = tuple(zip(loop.saves, rows, strict=True))
    off = jnp.asarray(False)
    return Outcome(loop.t, x, resume, loop.result, loop.accepted, loop.rejected, counts, saved, None, jnp.int32(0), off)
