"""The continuous adjoint: the adjoint equation solved backwards in time, in constant memory."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from ...core import RESULT, read_row, trees
from ..driver import drive
from ..job import Job, Outcome
from ..problem import Problem, State, Time
from ..saving import Final, Times
from ..step_size import ConstantSteps, EqualSteps, GivenSteps
from ..structured import StructuredField
from .gradient import Gradient
from .leaves import Leaves, filled, perturbed
from .pull_saves import add, inexact_zeros, vjp


class Backsolve(Gradient):
    r"""Reverse-mode derivatives by the continuous adjoint (differentiate, then discretise), in constant memory:

    $$\dot a = -a^\top \partial_y f, \qquad \frac{dL}{d\theta} = -\int_{t_1}^{t_0} a^\top \partial_\theta f\, dt$$

    solved backwards together with y, with the method and tolerances of the solve; the error control leaves the
    integrals for θ out (seminorm), which saves up to half the steps. The gradient is that of the exact flow, not of the
    computed solution: it carries the error of the tolerance, and that of running y backwards. Where the solution decays
    fast (stiff problems, long spans) running it backwards is unstable: methods that damp such decay are refused, so
    stabilised ones are, and implicit ones but for `sj.Trapezoid` and the Gauss methods. Use `Recorded()` there.

    For the final state and saved times, functions and auxiliary outputs of them included. Events, `sj.Steps`,
    `sj.Dense`, projections, geometric methods and prescribed grids are refused: the adjoint equation does not see them.
    A backward solve that fails, or misses a state that it comes from by more than a tenth, gives NaN.

    Cost: about one more solve of a system twice as large. Memory: independent of the number of steps.

    Source: L. S. Pontryagin et al., 1962; R. T. Q. Chen, Y. Rubanova, J. Bettencourt & D. Duvenaud, NeurIPS 2018,
    arXiv:1806.07366; seminorm: P. Kidger, R. T. Q. Chen & T. Lyons, ICML 2021, arXiv:2009.09457.

    >>> import jax, sciml_jax as sj
    >>> end = lambda k: sj.solve_ode(lambda t, y, k: -k * y, (0.0, 1.0), 1.0, k, gradient=sj.Backsolve()).y
    >>> abs(float(jax.grad(end)(1.0)) + 0.36787944) < 1e-5
    True
    """

    seminorm: bool = eqx.field(default=True, static=True)

    def solve(self, job: Job) -> Outcome:
        _check(job)
        leaves = Leaves(job)

        @jax.custom_vjp
        def solve(arrays):
            return drive(leaves.unflatten(arrays))[0]

        def forward(arrays):
            values, flags = perturbed(arrays)
            outcome = drive(leaves.unflatten(values))[0]
            return outcome, (values, flags, outcome)

        def backward(kept, cotangent):
            values, flags, outcome = kept
            return (_pull_back(leaves, values, flags.flags, outcome, filled(cotangent), self.seminorm),)

        solve.defvjp(forward, backward, symbolic_zeros=True)
        return solve(leaves.flatten(job))


def _check(job: Job) -> None:
    refused = {
        "events": bool(job.events),
        "projection": job.projection is not None,
        "state": job.resume is not None,
        "a mass matrix": job.problem.mass is not None,
        "a structured field": isinstance(job.problem.field, StructuredField),
        "a prescribed grid (steps=, sj.GivenSteps)": isinstance(job.controller, EqualSteps | GivenSteps),
    }
    refused |= {f"save=sj.{type(s).__name__}()": not isinstance(s, Final | Times) for s in job.saves}
    names = [name for name, found in refused.items() if found]
    if names:
        raise ValueError(
            f"Backsolve() cannot differentiate a solve with {' and '.join(names)}, which the continuous adjoint "
            "equation does not see: use Recorded()"
        )
    if job.method.damps:
        raise ValueError(
            "Backsolve() runs the solution backwards in time, where the fast decay that "
            f"{type(job.method).__name__} is made for is unbounded growth: use Recorded(), or Forward()"
        )


class Augmented(NamedTuple):
    """The backward state: the solution, its adjoint, and the integrals for the parameters."""

    y: State
    a: State
    moving: list[Array]


class Sweep(NamedTuple):
    """What the sweep over saved times carries: the augmented state and its time, the next step, and success."""

    state: Augmented
    t: Time
    dt: Time
    ok: Any


def _pull_back(leaves: Leaves, values, flags, outcome: Outcome, ct: Outcome, seminorm: bool) -> list:
    job = leaves.unflatten(values)
    parts = lambda j: (j.problem.field, j.problem.args, [(s.function, s.aux) for s in j.saves])  # noqa: E731
    places = [i for i in leaves.places(parts) if flags[i]]

    def rebuild(moving) -> Job:
        new = list(values)
        for place, value in zip(places, moving, strict=True):
            new[place] = value
        return leaves.unflatten(new)

    moving = [values[i] for i in places]
    augmented = _augmented(job, rebuild, moving, seminorm)
    ts, which, row = _requests(job, outcome.t)
    a1 = add(ct.y, ct.resume.y)
    d_t1 = _along(job, outcome.t, outcome.y, a1)
    first = Augmented(outcome.y, a1, [jnp.zeros_like(x) for x in moving])
    direction = jnp.sign(job.t0 - job.t1)
    start = Sweep(first, outcome.t, direction * jnp.abs(outcome.resume.dt), outcome.result == RESULT.successful)

    def to(sweep: Sweep, t: Time) -> Sweep:
        """The sweep solved on to time t."""
        back = eqx.tree_at(
            lambda j: (j.t0, j.t1, j.y0, j.dt0), augmented, (sweep.t, t, sweep.state, sweep.dt), is_leaf=_is_none
        )
        out = drive(back)[0]
        return Sweep(out.y, t, out.resume.dt, sweep.ok & (out.result == RESULT.successful))

    def visit(sweep: Sweep, request):
        t, save, k = request
        sweep = to(sweep, t)
        visits = [_visit(job, rebuild, moving, j, outcome, ct, t, k, sweep.state) for j in _times(job)]
        state, d_t, near = jax.lax.switch(save, visits)
        return sweep._replace(state=state, ok=sweep.ok & near), d_t

    if ts.shape[0]:
        sweep, d_ts = jax.lax.scan(visit, start, (ts, which, row), reverse=True)
    else:
        sweep, d_ts = start, ts
    sweep = to(sweep, job.t0)
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
    for place, cotangent in zip(places, sweep.state.moving, strict=True):
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


def _visit(job: Job, rebuild, moving, j: int, outcome: Outcome, ct: Outcome, t: Time, k, state: Augmented):
    """Adds the cotangent of one saved row to the adjoint there; where the state was saved, y restarts from it."""

    def apply():
        save = job.saves[j]
        ct_row = read_row(ct.saved[j][1], k)
        # a time equal to t1 is filled in from the final state after the solve: its row has no cotangent of its own
        y, near = state.y, jnp.asarray(True)
        if save.function is None:
            inside = k < outcome.saved[j][0][0]
            y = trees.select(inside, read_row(outcome.saved[j][1], k)[0], y)
            near = _near(state.y, y, outcome.y)

        def value(m, t, y):
            new = rebuild(m)
            return new.saves[j].value(new.problem, t, y)

        d_moving, d_t, d_y = vjp(value, moving, t, y)[1](ct_row)
        return Augmented(y, add(state.a, d_y), add(state.moving, d_moving)), d_t + _along(job, t, y, d_y), near

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


def _augmented(job: Job, rebuild, moving, seminorm: bool) -> Job:
    """The job of the backward solve."""
    problem = job.problem

    def field(t, state: Augmented, args):
        def forward(m, y):
            return rebuild(m).problem.evaluate(t, y)

        dy, pull = jax.vjp(forward, moving, state.y)
        d_moving, d_y = pull(jax.tree.map(jnp.negative, state.a))
        return Augmented(dy, d_y, d_moving)

    def norm(error: Augmented):
        parts = [problem.norm(error.y), problem.norm(error.a)]
        if not seminorm and moving:
            parts.append(trees.rms_norm(error.moving))
        return jnp.max(jnp.stack(parts))

    def tolerance(x):
        tree = trees.broadcast_prefix(x, job.y0, "tolerance")
        scalar = jnp.min(jnp.stack([jnp.min(leaf) for leaf in jax.tree.leaves(x)]))
        return Augmented(tree, tree, [scalar] * len(moving))

    controller = ConstantSteps() if not job.controller.adaptive else job.controller
    start = Augmented(job.y0, inexact_zeros(job.y0), moving)
    back = Problem(field, (), tolerance(problem.rtol), tolerance(problem.atol), norm)
    return Job(
        problem=back,
        method=job.method,
        controller=controller,
        t0=job.t1,
        t1=job.t0,
        y0=start,
        dt0=job.t0 - job.t1,
        dt_min=job.dt_min,
        dt_max=job.dt_max,
        step_to=job.step_to,
        saves=(Final(),),
        events=(),
        projection=None,
        resume=None,
        consistent=None,
        residual=None,
        progress=None,
        max_steps=job.max_steps,
        max_events=job.max_events,
    )
