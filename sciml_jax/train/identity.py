"""What a checkpoint belongs to, and whether that is the run at hand."""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from ..core.frozen import is_frozen
from .serialize import pack_array
from .stages import AbstractStage


def identify(
    model: PyTree, stages: tuple[AbstractStage, ...], terms: tuple[str, ...], data: str, key: Any
) -> dict[str, Any]:
    """What a checkpoint belongs to: model, stages, data and key, as JSON."""
    key_data, how = pack_array(key)
    identity = {
        "model": _structure(model),
        "frozen": _digest(model),
        "stages": [_stage_identity(stage) for stage in stages],
        "terms": list(terms),
        "data": data,
        "key": {"data": key_data.tolist(), **how},
    }
    return json.loads(json.dumps(identity))  # as it will be read back: tuples are lists there


def compare(stored: dict[str, Any], given: dict[str, Any], stage: int, stage_step: int, folder: Path) -> None:
    """`ValueError` where a checkpoint belongs to another run; a warning where only numbers of a stage differ.

    Stages that have not begun may be other ones, and the current one may be longer.
    """
    cure = "give another folder to start anew, or the arguments of the run that wrote it to go on with it"
    start = f"checkpoint={str(folder)!r} belongs to another run"
    for name, was in zip(("model", "terms", "data", "key"), ("model", "objective", "data", "key"), strict=True):
        if stored[name] != given[name]:
            raise ValueError(f"{start}, with another {was}: {_difference(stored[name], given[name])}; {cure}")
    if stored["frozen"] != given["frozen"]:
        raise ValueError(f"{start}: the arrays of the model that do not train have other values; {cure}")
    reached = stored["stages"][: stage + 1]
    for i, was in enumerate(reached):
        now = given["stages"][i] if i < len(given["stages"]) else None
        if now is None or (was["name"], was["fixed"]) != (now["name"], now["fixed"]):
            raise ValueError(f"{start}, with another stage {i}: {_difference(was, now)}; {cure}")
        if was["numbers"] != now["numbers"]:
            warnings.warn(
                f"stage {i} ({was['name']}) goes on with other numbers than those of the checkpoint in "
                f"{str(folder)!r}: {_difference(was['numbers'], now['numbers'])}",
                stacklevel=2,
            )
    if stage_step > given["stages"][stage]["steps"]:
        raise ValueError(
            f"{start}: its stage {stage} has done {stage_step} steps, more than the "
            f"{given['stages'][stage]['steps']} asked for; {cure}"
        )


def _structure(model: PyTree) -> list[list[Any]]:
    leaves = jax.tree.leaves_with_path(model, is_leaf=is_frozen)
    rows = [(path, x.array if is_frozen(x) else x, is_frozen(x)) for path, x in leaves]
    return [
        [jax.tree_util.keystr(path), str(x.dtype), list(x.shape), "frozen" if frozen else "array"]
        for path, x, frozen in rows
        if eqx.is_array(x)
    ]


def _digest(model: PyTree) -> str:
    total = hashlib.sha256()
    for x in jax.tree.leaves(model, is_leaf=is_frozen):
        x = x.array if is_frozen(x) else None if eqx.is_inexact_array(x) else x
        if eqx.is_array(x):
            total.update(np.ascontiguousarray(pack_array(x)[0]).tobytes())
    return total.hexdigest()


def _stage_identity(stage: AbstractStage) -> dict[str, Any]:
    fixed, numbers = {}, {}
    for path, x in jax.tree.leaves_with_path(stage):
        name = jax.tree_util.keystr(path)
        if name == ".steps":
            continue
        if isinstance(x, float):
            numbers[name] = x
        elif eqx.is_array(x):
            fixed[name] = [str(x.dtype), list(x.shape)]
        else:
            qualname = f"{getattr(x, '__module__', '')}.{getattr(x, '__qualname__', type(x).__qualname__)}"
            fixed[name] = x if isinstance(x, int | str | bool) else qualname
    name = f"{type(stage).__module__}.{type(stage).__qualname__}"
    return {"name": stage.name, "class": name, "steps": int(stage.steps), "fixed": fixed, "numbers": numbers}


def _difference(was: Any, now: Any) -> str:
    """The first place where two JSON values differ, in words."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name in sorted(set(was) | set(now)):
            if was.get(name) != now.get(name):
                return f"{name}: {_difference(was.get(name), now.get(name))}"
    if isinstance(was, list) and isinstance(now, list):
        for a, b in zip(was, now, strict=False):
            if a != b:
                return _difference(a, b)
        if len(was) != len(now):
            return f"it has {len(was)} entries, this one {len(now)}"
    return f"it has {was!r}, this one {now!r}"
