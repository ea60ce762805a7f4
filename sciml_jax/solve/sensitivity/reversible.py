"""The reversible gradient: exact for the computed solution, in constant memory, by undoing every step."""

import jax.numpy as jnp
from jaxtyping import PyTree

from ...core import empty_rows, write_row
from .. import fixed
from ..driver import drive
from ..job import Job, Outcome, Resume
from ..method import MethodState
from ..problem import State, Time
from ..saving import StepView
from .backward import pulled_back
from .gradient import Gradient
from .record import Record, Recorder, recorded, times


class Reversible(Gradient):
    r"""Reverse-mode derivatives, exact for the computed solution, with no states kept: the backward pass undoes the
    steps of a reversible method, from the last one on.

    For `sj.ReversibleHeun` (with noise too: the noise is drawn again), `sj.ALF`, the symmetric symplectic methods and
    any explicit method in a `sj.ReversibleCoupling`. Saved values, dense output and auxiliary outputs take part.
    Events, `step_to` and projections are refused: what they do to the state cannot be undone.

    Undoing is exact but for rounding, which grows backwards like a perturbation of the flow: where solutions contract
    by many decades (stiff problems, long spans of a decaying field), use `Recorded()`.

    Works under `vmap`, `jit`, `scan`. Cost: one evaluation of the method's step more than its derivative needs. Memory:
    the time of every step (8 bytes in float64) beside a few states; room is for 4,096 steps, or `max_steps`, if given.

    Source: J. Zhuang et al., MALI, ICLR 2021, arXiv:2102.04668; P. Kidger, J. Foster, X. Li & T. Lyons, NeurIPS 2021,
    algorithm 2, arXiv:2105.13493.

    >>> import jax, sciml_jax as sj
    >>> options = {"method": sj.ReversibleHeun(), "gradient": sj.Reversible(), "steps": 1000}
    >>> end = lambda k: sj.solve_ode(lambda t, y, k: -k * y, (0.0, 1.0), 1.0, k, **options).y
    >>> abs(float(jax.grad(end)(1.0)) + 0.36787944) < 1e-4
    True
    """

    def solve(self, job: Job) -> Outcome:
        _check(job)
        if fixed.applies(job):
            return pulled_back(job, Undoing(), lambda job: fixed.march(job)[0], _march)
        return pulled_back(job, Undoing(), lambda job: drive(job)[0], _drive)


def _check(job: Job) -> None:
    name = type(job.method).__name__
    if not job.method.reversible:
        raise ValueError(
            f"Reversible() undoes steps, and those of {name} cannot be undone: give method=sj.ReversibleHeun(), or "
            f"method=sj.ReversibleCoupling(sj.{name}()) for an explicit Runge-Kutta method"
        )
    refused = {"events": job.events, "step_to": job.step_to is not None, "projection": job.projection is not None}
    names = [name for name, found in refused.items() if found]
    if names:
        raise ValueError(f"Reversible() cannot undo what {' and '.join(names)} do to the state: use Recorded()")


class Undoing(Recorder):
    """Keeps the accepted times alone; the start of a step is found by undoing it."""

    def init(self, job: Job, t: Time, y: State, carry: PyTree, dt: Time) -> tuple[PyTree, PyTree]:
        return dt, write_row(empty_rows(job.max_steps + 1, (t,)), (t,), jnp.int32(0), True)

    def update(self, step, view: StepView, code, carry, counters, buffers):
        return counters, write_row(buffers, (view.t_next,), step + 1, view.on)

    def begin(self, job: Job, end: Resume) -> tuple[PyTree, PyTree]:
        """State and carry after the last step; no buffers."""
        return (end.y, end.method.carry), ()

    def before(self, job: Job, record: Record, end: Resume, i, place, buffers, on):
        t, t_right, _, _ = times(record, i)
        y, carry = place
        start = job.method.undo(job.problem, t, y, t_right - t, MethodState(carry, end.method.cache))
        return start, start, buffers


def _drive(job: Job) -> tuple[Outcome, Record]:
    outcome, (dt, grid, _) = recorded(job, Undoing())
    return outcome, Record(jnp.int32(0), dt, grid, ())


def _march(job: Job) -> tuple[Outcome, Record]:
    outcome, grid = fixed.march(job, timed=True)
    assert grid is not None
    return outcome, Record(jnp.int32(0), outcome.resume.dt, grid, ())
