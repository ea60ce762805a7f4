"""Models and runs on disk: save and load a model, write and find the state of a run."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from ..core import store
from .history import History, StageSpan
from .serialize import from_config, pack_array, to_config, unpack_array

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """Where and how often `fit` writes its state.

    A checkpoint is also written before the first step, after every stage, at the end and on an interrupt.

    **Arguments:** `path`, a folder; `seconds`, write when so many have passed since the last one, default 30; `steps`,
    write after every so many steps as well, default never; `keep`, how many snapshots to keep, default 2.

    **Raises:** `ValueError` for numbers out of range.

    >>> from sciml_jax.train import Checkpoint
    >>> Checkpoint("run", steps=1000).keep
    2
    """

    path: str | os.PathLike
    seconds: float = 30.0
    steps: int | None = None
    keep: int = 2

    def __post_init__(self):
        if not self.seconds >= 0:
            raise ValueError(f"Checkpoint: seconds must not be negative; got {self.seconds!r}")
        if self.steps is not None and (not isinstance(self.steps, int) or self.steps < 1):
            raise ValueError(f"Checkpoint: steps must be None or an integer of at least 1; got {self.steps!r}")
        if not isinstance(self.keep, int) or self.keep < 1:
            raise ValueError(f"Checkpoint: keep must be an integer of at least 1; got {self.keep!r}")


def save_model(path: str | os.PathLike, model: PyTree) -> None:
    """Write a model into a folder: its configuration as JSON, its arrays as npz; nothing is pickled.

    Writing is atomic: a model that was there before is replaced once the new one is whole.

    **Arguments:** `path`, a folder, made where it is missing; `model`, any pytree. Where it holds classes or functions
    that have no name (see `register`), `load_model` will need `like=`.

    **Raises:** `ValueError` for a folder that cannot be written.

    >>> import tempfile, jax, jax.numpy as jnp
    >>> from sciml_jax import nn, train
    >>> net = nn.MLP(1, 1, 8, 2, key=jax.random.key(0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     train.save_model(folder, net)
    ...     again = train.load_model(folder)
    >>> bool(net(jnp.ones(1)) == again(jnp.ones(1)))
    True
    """
    folder = store.open_folder(path, "path")
    store.write(folder, {"model": _model_document(model)})


def load_model(path: str | os.PathLike, *, like: PyTree | None = None) -> PyTree:
    """The model in a folder that `save_model` or `fit(checkpoint=)` wrote.

    Models of the project's and Equinox's classes, and of registered ones, are rebuilt from their configuration. For
    all others `like` gives the structure: a model made as the saved one was (its values don't matter).

    **Arguments:** `path`, the folder; `like`, default `None`.

    **Raises:** `FileNotFoundError` where there is no model; `ValueError` where it needs `like`, or `like` has another
    structure, or it names something that may not be imported.

    See `save_model` for an example.
    """
    folder = Path(path)
    stored = store.read_newest(folder, lambda snapshot: store.read(snapshot, "model"))
    if stored is None:
        raise FileNotFoundError(f"there is no model in {str(path)!r}: save_model and fit(checkpoint=) write one")
    document, arrays = stored
    _check_format(document, path)
    _warn_narrowed(arrays, path)
    return from_config(document, arrays, like)


@dataclass(frozen=True)
class Snapshot:
    """The state of a run: everything that the next step depends on."""

    stage: int
    stage_step: int
    finished: bool
    """Whether the stage converged before its last step."""
    leaves: list[Any]
    """The leaves of the training state."""
    best: dict[str, Any]
    """`loss`, `step` and `since` of the best validation."""
    best_leaves: list[Any]
    history: History


def write_run(folder: Path, keep: int, model: PyTree, identity: dict[str, Any], snapshot: Snapshot) -> None:
    """Write the state of a run, with the model that `fit` would return now."""
    arrays: dict[str, np.ndarray] = {}

    def pack(name: str, leaves: list[Any]) -> list[dict[str, Any]]:
        hows = []
        for i, x in enumerate(leaves):
            arrays[f"{name}{i}"], how = pack_array(x)
            hows.append(how)
        return hows

    history = snapshot.history
    arrays |= {
        "loss": history.loss,
        "validation_step": history.validation_step,
        "validation_loss": history.validation_loss,
    }
    arrays |= {f"term{i}": values for i, values in enumerate(history.terms.values())}
    document = {
        "format": FORMAT,
        "identity": identity,
        "stage": snapshot.stage,
        "stage_step": snapshot.stage_step,
        "finished": snapshot.finished,
        "state": pack("state", snapshot.leaves),
        "best": snapshot.best,
        "best_leaves": pack("best", snapshot.best_leaves),
        "spans": [[s.name, s.start, s.stop] for s in history.stages],
        "terms": list(history.terms),
    }
    store.write(folder, {"model": _model_document(model), "state": (document, arrays)}, keep)


def read_run(folder: Path) -> tuple[dict[str, Any], Snapshot] | None:
    """The newest state of a run in a folder, and what it belongs to; `None` where there is none."""
    try:
        stored = store.read_newest(folder, lambda path: store.read(path, "state"))
    except FileNotFoundError as error:
        raise ValueError(
            f"checkpoint={str(folder)!r} holds a model and no state of a run (save_model wrote it): give another folder"
        ) from error
    if stored is None:
        return None
    document, arrays = stored
    _check_format(document, folder)

    def unpack(name: str, hows: list[dict[str, Any]]) -> list[Any]:
        return [unpack_array(arrays[f"{name}{i}"], {**how, "numpy": "key" not in how}) for i, how in enumerate(hows)]

    history = History(
        arrays["loss"],
        {name: arrays[f"term{i}"] for i, name in enumerate(document["terms"])},
        tuple(StageSpan(*span) for span in document["spans"]),
        arrays["validation_step"],
        arrays["validation_loss"],
    )
    leaves, best_leaves = unpack("state", document["state"]), unpack("best", document["best_leaves"])
    where = document["stage"], document["stage_step"], document["finished"]
    snapshot = Snapshot(*where, leaves, document["best"], best_leaves, history)
    return document["identity"], snapshot


def _model_document(model: PyTree) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    document, arrays = to_config(model)
    return {"format": FORMAT, **document}, arrays


def _check_format(document: dict[str, Any], path: Any) -> None:
    if document.get("format") != FORMAT:
        raise ValueError(
            f"{str(path)!r} was written in format {document.get('format')}, this version reads {FORMAT}: "
            "load it with the version that wrote it"
        )


def _warn_narrowed(arrays: dict[str, np.ndarray], path: Any) -> None:
    wide = sorted({x.dtype.name for x in arrays.values()} & {"float64", "complex128", "int64"})
    if wide and not jax.config.read("jax_enable_x64"):
        warnings.warn(
            f"the model in {str(path)!r} holds {', '.join(wide)}, which become 32-bit: JAX's 64-bit mode is off "
            "(jax.config.update('jax_enable_x64', True))",
            stacklevel=3,
        )
