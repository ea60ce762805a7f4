"""What a stage runs with: its key, its batches and its precision."""

import contextlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from .batches import Batches, Source, Whole
from .loop import Setup, place, shape_of_loss
from .params import Params, Parts, cast_params
from .stages import AbstractStage


@dataclass(frozen=True)
class OpenStage:
    """A stage, and what is constant while it runs. Everything about it is to be called inside `context()`."""

    stage: AbstractStage
    setup: Setup
    wide: bool

    def context(self) -> contextlib.AbstractContextManager:
        """JAX's 64-bit mode for a stage in float64, nothing for the others."""
        return jax.enable_x64(True) if self.wide else contextlib.nullcontext()


def open_stage(
    objective: Callable,
    stage: AbstractStage,
    index: int,
    source: Source,
    key: PRNGKeyArray,
    params: Params,
    parts: Parts,
    terms: tuple[str, ...],
) -> OpenStage:
    """A stage ready to run; warns where it cannot run in float64 as it should."""
    if stage.resample is None and isinstance(source, Batches):
        source = Whole(source.arrays)  # one batch for the whole stage: all rows

    def opened(wide: bool) -> OpenStage:
        with jax.enable_x64(True) if wide else contextlib.nullcontext():
            # once a stage, not once a call; inside the context, so that NumPy's float64 stays float64 there
            device = jax.tree.map(lambda x: jnp.asarray(x) if eqx.is_array(x) else x, source)
            # the number of steps is a count, not a constant of the program
            bare = eqx.tree_at(lambda s: s.steps, stage, 0)
            setup = Setup(objective, parts, bare, device, jax.random.fold_in(key, index), terms, wide)
        return OpenStage(stage, setup, wide)

    narrow = any(name not in ("float64", "complex128") for name in parts.dtypes)
    if not stage.float64 or (not narrow and jax.config.read("jax_enable_x64")):
        return opened(False)
    wide = opened(True)
    return wide if _can_widen(wide, params, parts) else opened(False)


def _can_widen(wide: OpenStage, params: Params, parts: Parts) -> bool:
    name = wide.stage.name
    data = "give float32 arrays that the objective closes over through data=, and fix no dtypes in it"
    with wide.context():
        try:
            setup = wide.setup
            loss, _ = shape_of_loss(setup, cast_params(params, parts, True), place(wide.stage, setup.source, 0))
        except Exception as error:  # whatever JAX or the objective raises for dtypes that don't meet
            message = str(error).strip().splitlines()[0] if str(error).strip() else ""
            warnings.warn(
                f"stage {name!r} runs in the dtypes of the model and not in float64, because the objective cannot be "
                f"traced there ({type(error).__name__}: {message}); {data}, or pass float64=False to the stage",
                stacklevel=2,
            )
            return False
    if loss.dtype != jnp.float64:
        warnings.warn(
            f"stage {name!r} runs in float64 but the objective returns {loss.dtype}: something in it rounds, and the "
            f"line search will see that; {data}",
            stacklevel=2,
        )
    return True
