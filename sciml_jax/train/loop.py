"""The compiled part of training: many steps of one stage in one call, stopped by what is not finite."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ..core.entry import call_jitted
from ..core.trees import all_finite, select
from .batches import Source
from .params import Params, Parts, to_double
from .problem import Problem, evaluate
from .serialize import is_key
from .stages import AbstractStage

CAPACITY = 256
"""The most steps in one call; fewer are run by passing a smaller count, without recompiling."""

Rows = dict[str, Any]
"""`{"loss": (CAPACITY,), "terms": {name: (CAPACITY,)}}`."""

RUNNING, LOSS_NOT_FINITE, UPDATE_NOT_FINITE, DONE = range(4)


class Setup(eqx.Module):
    """What stays the same during a stage."""

    objective: Any
    parts: Parts
    stage: AbstractStage
    source: Source
    key: PRNGKeyArray
    terms: tuple[str, ...]
    double: bool

    def problem(self, draw: Int[Array, ""] | np.int32, cursor: PyTree) -> Problem:
        """The problem of one draw: its batch and its key."""
        batch_key, objective_key = jax.random.split(self.key)
        batch = self.source.draw(batch_key, cursor)
        batch = to_double(batch) if self.double else batch
        key = jax.random.fold_in(objective_key, draw)
        return Problem(self.objective, self.parts, batch, key, self.terms, self.double)


class TrainState(eqx.Module):
    """Parameters, those one step before (the last with a loss known to be finite), and the optimiser's state."""

    params: Params
    previous: Params
    opt_state: PyTree


class Place(eqx.Module):
    """The step within the stage, the number of the draw, and where the source of batches stands."""

    step: Int[Array, ""] | np.int32
    draw: Int[Array, ""] | np.int32
    cursor: PyTree


def place(stage: AbstractStage, source: Source, step: int) -> Place:
    """Where a stage stands after `step` steps: computed from the number alone, so that resuming is exact."""
    draw = 0 if stage.resample is None else step // stage.resample
    return Place(np.int32(step), np.int32(draw), source.cursor(draw))


def init_state(setup: Setup, params: Params, previous: Params) -> TrainState:
    """The state at the start of a stage."""
    return call_jitted(_init, setup, params, previous)


def run_steps(setup: Setup, state: TrainState, at: Place, count: int) -> tuple[TrainState, Rows, Array, Array]:
    """Up to `count` steps. Returns the state, loss and terms a step, the number of rows, and why it ended."""
    return call_jitted(_run, setup, state, at, np.int32(count))


def evaluate_jitted(setup: Setup, params: Params, step: Place) -> tuple[Float[Array, ""], dict[str, Array]]:
    """Loss and terms at some parameters, on the batch of a place; nothing is trained."""
    return call_jitted(_evaluate, setup, params, step)


def shape_of_loss(
    setup: Setup, params: Params, at: Place
) -> tuple[jax.ShapeDtypeStruct, dict[str, jax.ShapeDtypeStruct]]:
    """Shapes and dtypes of loss and terms: the objective is traced, not run."""
    return eqx.filter_eval_shape(_evaluate, setup, params, at)


def shape_of_state(setup: Setup, params: Params) -> TrainState:
    """Shapes and dtypes of the state of a stage: what a checkpoint is filled into."""
    return eqx.filter_eval_shape(_init, setup, params, params)


def _init(setup: Setup, params: Params, previous: Params) -> TrainState:
    problem = setup.problem(jnp.int32(0), jax.tree.map(jnp.asarray, setup.source.cursor(0)))
    state = TrainState(params, previous, setup.stage.init(problem, params))
    # without weak types: the state that a run returns has none, and the run would be compiled a second time for it
    return jax.tree.map(lambda x: x if is_key(x) else jax.lax.convert_element_type(x, x.dtype), state)


def _evaluate(setup: Setup, params: Params, at: Place):
    problem = setup.problem(at.draw, at.cursor)
    return evaluate(problem.objective, problem.model(params), problem.batch, problem.key)


def _run(setup: Setup, state: TrainState, at: Place, count: Int[Array, ""]):
    stage = setup.stage
    # one batch for the whole stage: drawn once, outside the loop
    fixed = setup.problem(at.draw, at.cursor) if stage.resample is None else None

    def body(carry):
        state, at, rows, i, _ = carry
        problem = setup.problem(at.draw, at.cursor) if fixed is None else fixed
        fresh = at.step == 0 if stage.resample is None else at.step % stage.resample == 0
        out = stage.step(problem, state.params, state.opt_state, fresh)
        row = {"loss": out.loss, "terms": out.terms}
        rows = jax.tree.map(lambda buffer, x: buffer.at[i].set(x.astype(buffer.dtype)), rows, row)
        loss_ok = jnp.isfinite(out.loss)
        ok = loss_ok & all_finite(out.params)
        new = TrainState(_like(out.params, state.params, stage), state.params, _like(out.state, state.opt_state, stage))
        code = jnp.where(ok, jnp.where(out.done, DONE, RUNNING), jnp.where(loss_ok, UPDATE_NOT_FINITE, LOSS_NOT_FINITE))
        return select(ok, new, state), _next(at, setup), rows, i + 1, code.astype(jnp.int32)

    rows = {"loss": jnp.zeros(CAPACITY), "terms": {name: jnp.zeros(CAPACITY) for name in setup.terms}}
    carry = (state, jax.tree.map(jnp.asarray, at), rows, jnp.int32(0), jnp.int32(RUNNING))
    state, _, rows, n, code = jax.lax.while_loop(lambda c: (c[3] < count) & (c[4] == RUNNING), body, carry)
    return state, rows, n, code


def _next(at: Place, setup: Setup) -> Place:
    every = setup.stage.resample
    if every is None:
        return Place(at.step + 1, at.draw, at.cursor)
    redraw = (at.step + 1) % every == 0
    cursor = select(redraw, setup.source.advance(at.cursor), at.cursor)
    return Place(at.step + 1, at.draw + redraw.astype(jnp.int32), cursor)


def _like(new: PyTree, old: PyTree, stage: AbstractStage) -> PyTree:
    """`new` in the dtypes of `old`: a step must return what it was given, and optax may widen a leaf."""
    if jax.tree.structure(new) != jax.tree.structure(old):
        raise TypeError(
            f"stage {stage.name!r}: step returned another structure than it was given, {jax.tree.structure(new)} "
            f"instead of {jax.tree.structure(old)}"
        )
    return jax.tree.map(lambda n, o: n if n.dtype == o.dtype else n.astype(o.dtype), new, old)
