"""The equation that `Backsolve` solves: the solution backwards in time, its adjoint, and the integrals."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, PyTree

from ...core import trees
from ..job import Job
from ..problem import Problem, State, Time
from ..saving import Final
from ..step_size import ConstantSteps
from ..stochastic import Stochastic
from ..stochastic.forms import OPERATOR
from ..stochastic.method import drift_in
from .integral import Integral
from .pull_saves import inexact_zeros
from .trajectory import Trajectory


class Augmented(NamedTuple):
    """The backward state: the solution (unless it is known), its adjoint, and integrals for the parameters."""

    y: State
    a: State
    moving: list[Array]


def _field(
    job: Job, rebuild: Callable[[list[Array]], Job], moving: list[Array], known: Trajectory | None, integrals: bool
):
    field = job.problem.field
    stratonovich = frozenset({"stratonovich"})

    def pulled(function: Callable, t: Time, state: Augmented) -> Augmented:
        """The rates of the backward state for the rate `function(moving, y)` of y."""
        y, against = state.y if known is None else known(t), jax.tree.map(jnp.negative, state.a)
        if integrals:
            dy, pull = jax.vjp(function, moving, y)
            d_moving, d_y = pull(against)
        else:
            dy, pull = jax.vjp(lambda y: function(moving, y), y)
            d_moving, (d_y,) = [], pull(against)
        return Augmented(dy if known is None else (), d_y, d_moving)

    def drift(t: Time, state: Augmented, args: PyTree) -> Augmented:
        return pulled(lambda m, y: drift_in(rebuild(m).problem, stratonovich)(t, y), t, state)

    if not isinstance(field, Stochastic):
        return drift

    def diffusion(t: Time, state: Augmented, args: PyTree) -> lx.FunctionLinearOperator:
        def change(w: State) -> Augmented:
            def along(m: list[Array], y: State) -> State:
                problem = rebuild(m).problem
                noise: Stochastic = problem.field  # type: ignore[assignment]
                return noise.apply(noise.spread(t, y, problem.args), w)

            return pulled(along, t, state)

        return lx.FunctionLinearOperator(change, jax.eval_shape(lambda: field.increment(t, t)))

    return Stochastic(drift, diffusion, "general", "stratonovich", field.path, form=OPERATOR)


def augmented(
    job: Job, rebuild: Callable, moving: list[Array], known: Trajectory | None, integrals: bool, seminorm: bool
) -> Job:
    """The job of the backward solve: of y, unless it is `known`, of its adjoint, and of the integrals for `moving`,
    which are summed up by quadrature where they are no part of the state."""
    problem = job.problem

    def norm(error: Augmented):
        parts = [problem.norm(error.a)]
        if known is None:
            parts.append(problem.norm(error.y))
        if not seminorm and error.moving:
            parts.append(trees.rms_norm(error.moving))
        return jnp.max(jnp.stack(parts))

    def tolerance(x):
        tree = trees.broadcast_prefix(x, job.y0, "tolerance")
        scalar = jnp.min(jnp.stack([jnp.min(leaf) for leaf in jax.tree.leaves(x)]))
        return Augmented(tree if known is None else (), tree, [scalar] * (len(moving) if integrals else 0))

    def rate(t: Time, state: Augmented) -> list[Array]:
        assert known is not None
        y = known(t)
        return jax.vjp(lambda m: rebuild(m).problem.evaluate(t, y), moving)[1](jax.tree.map(jnp.negative, state.a))[0]

    controller = ConstantSteps() if not job.controller.adaptive else job.controller
    start = Augmented(job.y0 if known is None else (), inexact_zeros(job.y0), moving if integrals else [])
    field = _field(job, rebuild, moving, known, integrals)
    back = Problem(field, (), tolerance(problem.rtol), tolerance(problem.atol), norm)
    return Job(
        memory=None,
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
        saves=(Final(),) if integrals or known is None else (Integral(rate, known.start_before),),
        events=(),
        projection=None,
        resume=None,
        consistent=None,
        residual=None,
        progress=None,
        max_steps=job.max_steps,
        recorded_steps=job.recorded_steps,
        max_events=job.max_events,
    )
