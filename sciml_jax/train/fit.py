"""The one training loop."""

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from ..core.store import open_folder, sweep
from .batches import as_source
from .callbacks import Callback, check_callbacks
from .checkpoint import Checkpoint
from .history import History
from .identity import fingerprint_codes, identify
from .loop import place, shape_of_loss
from .opening import open_stage
from .params import split
from .plan import Outcome, Plan
from .problem import check_objective
from .progress import open_bar
from .runner import Run
from .stages import AbstractStage, adam
from .validation import as_validation


@dataclass(frozen=True)
class FitResult:
    """What `fit` returns.

    - `model`: the best model on validation, or the last one that is finite, in the dtypes it was given in.
    - `history`: a `History`: loss and terms at every step, stage boundaries, validation losses.
    - `result`: why the run ended: `"completed"`, `"early_stopped"`, `"stopped"`, `"non_finite"` or `"interrupted"`.
    - `reason`: the same in words, with the term, the point or the row of the data where a loss was not finite.
    - `loss`: the training loss after the last step, on the next batch; NaN where the run did not come to its end.
    - `opt_state`: the state of the last stage's optimiser.
    - `step`: steps done in all stages.
    """

    model: PyTree
    history: History
    result: Outcome
    reason: str
    loss: float
    opt_state: PyTree
    step: int

    def __repr__(self) -> str:
        return f"FitResult(result={str(self.result)!r}, step={self.step}, loss={self.loss:.6g}, reason={self.reason!r})"


def fit(
    model: PyTree,
    objective: Any,
    *,
    stages: AbstractStage | Iterable[AbstractStage],
    data: Any = None,
    validate: Any = None,
    key: PRNGKeyArray,
    progress: bool = True,
    checkpoint: str | os.PathLike | Checkpoint | None = None,
    callbacks: Callback | Iterable[Callback] = (),
) -> FitResult:
    r"""Train a model: minimise $\mathbb E\, \mathcal L(\mathrm{model}, \mathrm{batch}, \mathrm{key})$ over its arrays.

    Every floating-point or complex array in the model trains, unless it is `Frozen`. Steps run in compiled pieces of
    about a quarter of a second; validation, callbacks, the bar, checkpoints and an interrupt come between two of them.

    **Arguments:**

    - `model`: any pytree, mostly an Equinox module.
    - `objective`: `objective(model, batch, key)` returns a scalar loss, `(loss, terms)` with a dict of named scalars,
      or a dict of named `Residuals`. Ready ones: `trajectory`, `multiple_shooting`, `collocation`, `nll`.
    - `stages`: optimisers with their lengths, one after the other: `adam`, `adamw`, `sgd`, `optax_stage`, `lbfgs`.
    - `data`: `None`; a pytree of arrays, given to the objective whole; `Batches(arrays, batch_size)`; or a function
      `key -> batch`, called under jit. Default `None`.
    - `validate`: a function `model -> loss`, data, or a `Validation` with its period and patience. Default `None`.
    - `key`: a JAX PRNG key. All randomness comes from it and the number of the step.
    - `progress`: whether to show a bar. Default `True`.
    - `checkpoint`: a folder, or a `Checkpoint` with its period. Where the folder holds a run with the same arguments,
      it is resumed, and gives the numbers of a run that was never interrupted. A run with another initial model,
      data, key, terms or stages is refused: arrays are compared by SHA-256, to the last bit, a function as `data`
      cannot be. Another learning rate warns; so does another objective, as far as its code shows: bytecode, the
      values that it closes over and the globals of its module that it reads. `validate` and `callbacks` may change.
      Default `None`.
    - `callbacks`: functions of an `Info`, called between the pieces, or `Every(steps, function)`; one that returns
      `"stop"` ends the run. Default none.

    **Returns:** a `FitResult`. A keyboard interrupt ends the run with `"interrupted"` after writing a checkpoint; any
    other exception in a callback, a validation function or the objective is raised after that, with the result as its
    `.fit_result`.
    A loss that is not finite ends the run with `"non_finite"`, a warning and the term named; the model is the last one
    with a finite loss.

    **Raises:** `ValueError` and `TypeError` for arguments that cannot work, before the first step; `RuntimeError` that
    names the step where a check inside the objective fails, such as that of a solve without `throw=False`.

    **Cost:** each stage compiles once; learning rates, other floats of a stage and numbers of steps can change without
    recompiling, in a later call as well. Memory: three copies of the parameters and the state of the optimiser. With
    `checkpoint`, the data and the model are hashed once a call, at about a gigabyte a second.

    >>> import jax, jax.numpy as jnp
    >>> from sciml_jax import nn, train
    >>> x = jnp.linspace(-1.0, 1.0, 20)[:, None]
    >>> def objective(model, batch, key):
    ...     x, y = batch
    ...     return jnp.mean((jax.vmap(model)(x) - y) ** 2)
    >>> net = nn.MLP(1, 1, width=8, depth=1, key=jax.random.key(0))
    >>> stages = [train.adam(200, 1e-2), train.lbfgs(100)]
    >>> result = train.fit(net, objective, stages=stages, data=(x, x**2), key=jax.random.key(1), progress=False)
    >>> result.loss < 1e-4, [span.name for span in result.history.stages]
    (True, ['adam', 'lbfgs'])
    """
    plan = _plan(model, objective, stages, data, validate, key, checkpoint, check_callbacks(callbacks))
    run = Run(plan)
    bar = run.bar = open_bar(progress, run.at.total, plan.total_steps)
    try:
        outcome, reason = run.train()
    except KeyboardInterrupt:
        outcome, reason = Outcome.interrupted, f"interrupted at step {run.at.total}{_save(run)}"
    except Exception as error:
        reason = f"{type(error).__name__}: {error}{_save(run)}"
        error.fit_result = _result(run, Outcome.interrupted, reason)  # type: ignore[attr-defined]
        raise
    finally:
        bar.close()
    if outcome is Outcome.non_finite:
        warnings.warn(f"fit stopped: {reason}", stacklevel=2)
    return _result(run, outcome, reason)


def _save(run: Run) -> str:
    """A checkpoint of a run that was cut off; a disk that is full must not cost the result as well."""
    try:
        run.save()
    except OSError as error:
        return f" (and the checkpoint could not be written: {error})"
    return ""


def _result(run: Run, outcome: Outcome, reason: str) -> FitResult:
    opt_state = run.at.state.opt_state
    return FitResult(run.model(), run.history(), outcome, reason, run.final_loss, opt_state, run.at.total)


def _plan(model, objective, stages, data, validate, key, checkpoint, callbacks) -> Plan:
    check_objective(objective)
    stages = _check_stages(stages)
    _check_key(key)
    params, parts = split(model)
    if not jax.tree.leaves(params):
        raise ValueError(
            "model has no array to train: it needs at least one floating-point array that is not Frozen (Python floats "
            f"are constants: wrap them in jnp.asarray). Its leaves: {_leaves(model)}"
        )
    source, validation = as_source(data), as_validation(validate)
    if isinstance(checkpoint, str | os.PathLike):
        checkpoint = Checkpoint(checkpoint)
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        raise TypeError(f"checkpoint must be None, a folder or train.Checkpoint(...); got {type(checkpoint).__name__}")
    # before the tracing: what an objective collects then is no part of it
    codes = fingerprint_codes(objective, model, source) if checkpoint is not None else {}
    # traced once in the user's precision: what the objective returns is checked here, and the names of the terms known
    opened = open_stage(objective, adam(1), 0, source, key, params, parts, ())
    _, shapes = shape_of_loss(opened.setup, params, place(opened.stage, opened.setup.source, 0))
    terms = tuple(sorted(shapes))
    folder, identity = None, {}
    if checkpoint is not None:
        folder = open_folder(checkpoint.path, "checkpoint")
        sweep(folder)
        identity = identify(model, stages, terms, source, key, codes)
    return Plan(
        objective, stages, source, validation, key, checkpoint, folder, callbacks, params, parts, terms, identity
    )


def _check_stages(stages: Any) -> tuple[AbstractStage, ...]:
    example = "stages=[train.adam(2000, 1e-3), train.lbfgs(500)]"
    if isinstance(stages, AbstractStage):
        return (stages,)
    try:
        stages = tuple(stages)
    except TypeError as error:
        raise TypeError(f"stages must be a list of stages, as in {example}; got {type(stages).__name__}") from error
    if not stages:
        raise ValueError(f"stages is empty: there is nothing to run. Give at least one, as in {example}")
    for i, stage in enumerate(stages):
        if not isinstance(stage, AbstractStage):
            cure = "wrap an optax transformation in train.optax_stage(transformation, steps)"
            raise TypeError(f"stages[{i}] is {type(stage).__name__} and not a stage, as in {example}; {cure}")
    return stages


def _check_key(key: Any) -> None:
    cure = "pass key=jax.random.key(0)"
    if isinstance(key, jax.core.Tracer):
        raise TypeError(f"fit is a loop on the host and cannot run under jit, vmap or grad; {cure} and call it outside")
    if not eqx.is_array(key):
        raise TypeError(f"key must be a JAX PRNG key; got {type(key).__name__} {key!r}: {cure}")
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not typed and (key.dtype != jnp.uint32 or key.ndim != 1):
        raise TypeError(f"key must be a JAX PRNG key; got an array of dtype {key.dtype} and shape {key.shape}: {cure}")
    if typed and key.shape != ():
        raise ValueError(f"key must be one key; got an array of keys of shape {key.shape}: pass one of them")


def _leaves(model: PyTree) -> str:
    def kind(x: Any) -> str:
        return f"{x.dtype}{list(x.shape)}" if eqx.is_array(x) else type(x).__name__

    found = jax.tree.leaves_with_path(model)
    leaves = [f"{jax.tree_util.keystr(path) or 'the model itself'}: {kind(x)}" for path, x in found[:8]]
    return ", ".join(leaves) + (", ..." if len(found) > 8 else "") if leaves else "none"
