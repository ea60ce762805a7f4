"""What the continuous adjoints share: the adjoint equation solved backwards, from one saved time to the one before."""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from ...core import RESULT, read_row, trees
from ..driver import drive
from ..job import Job, Outcome
from ..problem import State, Time
from ..saving import Final, Times
from ..step_size import EqualSteps, GivenSteps
from ..stochastic import Stochastic
from ..structured import StructuredField
from .augmented import Augmented, augmented
from .gradient import Gradient
from .leaves import Leaves, filled, kept_arrays, perturbed
from .pull_saves import add, vjp
from .trajectory import Trajectory


class ContinuousAdjoint(Gradient):
    """Reverse-mode derivatives of the flow: the adjoint equation is solved backwards in time."""

    @abstractmethod
    def trajectory(self, job: Job, outcome: Outcome) -> Trajectory | None:
        """The solution as a function of time; `None` where it is solved backwards with its adjoint."""

    @property
    def in_state(self) -> bool:
        """Whether the integrals for parameters are part of the backward state."""
        return True

    @property
    def seminorm(self) -> bool:
        """Whether the error control leaves these integrals out."""
        return True

    def keeping(self, job: Job) -> Job:
        """The job of the forward pass of a gradient."""
        return job

    def check(self, job: Job) -> None:
        """Raises for what the adjoint equation does not see."""
        name, noisy = type(self).__name__, isinstance(job.problem.field, Stochastic)
        refused = {
            "events": bool(job.events),
            "projection": job.projection is not None,
            "state": job.resume is not None,
            "a mass matrix": job.problem.mass is not None,
            "a structured field": isinstance(job.problem.field, StructuredField) and not noisy,
            "equal steps (steps=)": isinstance(job.controller, EqualSteps),
            "a prescribed grid (sj.GivenSteps)": isinstance(job.controller, GivenSteps),
        }
        refused |= {f"save=sj.{type(s).__name__}()": not isinstance(s, Final | Times) for s in job.saves}
        names = [name for name, found in refused.items() if found]
        if names:
            raise ValueError(
                f"{name}() cannot differentiate a solve with {' and '.join(names)}, which the continuous adjoint "
                "equation does not see: use Recorded()"
            )

    def solve(self, job: Job) -> Outcome:
        self.check(job)
        leaves, n = Leaves(job), len(job.saves)

        @jax.custom_vjp
        def solve(arrays):
            return drive(leaves.unflatten(arrays))[0]

        def forward(arrays):
            values, flags = perturbed(arrays)
            outcome = drive(self.keeping(leaves.unflatten(values)))[0]
            return outcome._replace(saved=outcome.saved[:n]), (values, flags, outcome)

        def backward(kept, cotangent):
            values, flags, outcome = kept_arrays(kept)
            self.check_derivatives(leaves, job, flags.flags)
            return (_pull_back(self, leaves, values, flags.flags, outcome, filled(cotangent)),)

        solve.defvjp(forward, backward, symbolic_zeros=True)
        return solve(leaves.flatten(job))

    def check_derivatives(self, leaves: Leaves, job: Job, flags: tuple[bool, ...]) -> None:
        """Raises where derivatives are asked for that there are not."""


class Sweep(NamedTuple):
    """What the sweep over saved times carries: the backward state, integrals that are no part of it, their time, the
    next step, and success."""

    state: Augmented
    sums: list[Array]
    t: Time
    dt: Time
    ok: Any


def _pull_back(gradient: ContinuousAdjoint, leaves: Leaves, values, flags, outcome: Outcome, ct: Outcome) -> list:
    job = leaves.unflatten(values)
    parts = lambda j: (j.problem.field, j.problem.args, [(s.function, s.aux) for s in j.saves])  # noqa: E731
    places = [i for i in leaves.places(parts) if flags[i]]

    def rebuild(moving) -> Job:
        new = list(values)
        for place, value in zip(places, moving, strict=True):
            new[place] = value
        return leaves.unflatten(new)

    moving = [values[i] for i in places]
    trajectory = gradient.trajectory(job, outcome)
    backward = augmented(job, rebuild, moving, trajectory, gradient.in_state, gradient.seminorm)
    ts, which, row = _requests(job, outcome.t)
    a1 = add(ct.y, ct.resume.y)
    d_t1 = _along(job, outcome.t, outcome.y, a1)
    zeros = [jnp.zeros_like(x) for x in moving]
    first = Augmented(outcome.y if trajectory is None else (), a1, zeros if gradient.in_state else [])
    direction = jnp.sign(job.t0 - job.t1)
    sums = [] if gradient.in_state else zeros
    start = Sweep(first, sums, outcome.t, direction * jnp.abs(outcome.resume.dt), outcome.result == RESULT.successful)

    def to(sweep: Sweep, t: Time) -> Sweep:
        """The sweep solved on to time t."""
        back = eqx.tree_at(
            lambda j: (j.t0, j.t1, j.y0, j.dt0), backward, (sweep.t, t, sweep.state, sweep.dt), is_leaf=_is_none
        )
        out = drive(back)[0]
        sums = sweep.sums if gradient.in_state else add(sweep.sums, out.saved[0][0])
        return Sweep(out.y, sums, t, out.resume.dt, sweep.ok & (out.result == RESULT.successful))

    def visit(sweep: Sweep, request):
        t, save, k = request
        sweep = to(sweep, t)
        visits = [_visit(job, rebuild, moving, trajectory, j, outcome, ct, t, k, sweep) for j in _times(job)]
        sweep, d_t = jax.lax.switch(save, visits)
        return sweep, d_t

    if ts.shape[0]:
        sweep, d_ts = jax.lax.scan(visit, start, (ts, which, row), reverse=True)
    else:
        sweep, d_ts = start, ts
    sweep = to(sweep, job.t0)
    if trajectory is None:
        sweep = sweep._replace(ok=sweep.ok & _near(sweep.state.y, job.y0, outcome.y))
    d_t0 = -_along(job, job.t0, job.y0, sweep.state.a)
    out: list[Any] = [None] * len(flags)

    def put(select, cotangent):
        for i, c in zip(leaves.places(select), jax.tree.leaves(cotangent), strict=True):
            out[i] = jnp.where(sweep.ok, c, jnp.nan) if flags[i] else None

    put(lambda j: j.t0, d_t0)
    put(lambda j: j.t1, d_t1 + ct.t + ct.resume.t)
    put(lambda j: j.y0, sweep.state.a)
    for position, j in enumerate(_times(job)):
        mine = jnp.where(which == position, d_ts, 0)
        n = job.saves[j].ts.shape[0]  # type: ignore[attr-defined]
        put(lambda x, j=j: x.saves[j].ts, jnp.zeros((n,), ts.dtype).at[row].add(mine))
    for place, cotangent in zip(places, sweep.state.moving or sweep.sums, strict=True):
        out[place] = jnp.where(sweep.ok, cotangent, jnp.nan)
    return out


def _is_none(x) -> bool:
    return x is None


def _times(job: Job) -> list[int]:
    """Which of the requests are for saved times."""
    return [k for k, save in enumerate(job.saves) if isinstance(save, Times)]


def _requests(job: Job, t_end: Time) -> tuple[Array, Int[Array, " n"], Int[Array, " n"]]:
    """All saved times in the direction of the solve, with the position of their request and their row in it."""
    saves = [job.saves[k].ts for k in _times(job)]  # type: ignore[attr-defined]
    if not saves:
        return jnp.zeros((0,), t_end.dtype), jnp.zeros((0,), jnp.int32), jnp.zeros((0,), jnp.int32)
    ts = jnp.concatenate(saves)
    which = jnp.concatenate([jnp.full(s.shape, k, jnp.int32) for k, s in enumerate(saves)])
    row = jnp.concatenate([jnp.arange(s.shape[0], dtype=jnp.int32) for s in saves])
    order = jnp.argsort(jnp.where(job.t1 < job.t0, -ts, ts))
    return ts[order], which[order], row[order]


def _visit(job: Job, rebuild, moving, trajectory, j: int, outcome: Outcome, ct: Outcome, t: Time, k, sweep: Sweep):
    """Adds the cotangent of one saved row to the adjoint there; a swept state restarts from the one that was saved."""

    def apply() -> tuple[Sweep, Time]:
        save, state = job.saves[j], sweep.state
        ct_row = read_row(ct.saved[j][1], k)
        # a time equal to t1 is filled in from the final state after the solve: its row has no cotangent of its own
        y, near = state.y if trajectory is None else trajectory(t), jnp.asarray(True)
        if save.function is None:
            inside = k < outcome.saved[j][0][0]
            saved = trees.select(inside, read_row(outcome.saved[j][1], k)[0], y)
            y, near = saved, near if trajectory is not None else _near(y, saved, outcome.y)

        def value(m, t, y):
            new = rebuild(m)
            return new.saves[j].value(new.problem, t, y)

        d_moving, d_t, d_y = vjp(value, moving, t, y)[1](ct_row)
        in_state = len(state.moving) == len(moving)
        state = Augmented(
            y if trajectory is None else (),
            add(state.a, d_y),
            add(state.moving, d_moving) if in_state else [],
        )
        sums = sweep.sums if in_state else add(sweep.sums, d_moving)
        return sweep._replace(state=state, sums=sums, ok=sweep.ok & near), d_t + _along(job, t, y, d_y)

    return apply


def _near(y: State, known: State, last: State) -> Bool[Array, ""]:
    """Whether a state that was swept back is near the one it came from, to a tenth of the larger of this and the last.

    Farther away the sweep has been unstable, and what it says of derivatives is noise.
    """
    size = jnp.maximum(trees.mean_square(known), trees.mean_square(last))
    return trees.mean_square(trees.subtract(y, known)) <= 0.01 * size


def _along(job: Job, t: Time, y: State, a: State) -> Time:
    """The adjoint along the flow, $a^T f(t, y)$: the derivative with respect to the time of a value."""
    products = jax.tree.map(lambda u, v: jnp.real(jnp.sum(u * v)), a, job.problem.evaluate(t, y))
    return sum(jax.tree.leaves(products), jnp.zeros_like(t))
