"""What a checkpoint belongs to, and whether that is the run at hand."""

import json
import warnings
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from ..core.frozen import is_frozen
from .batches import Sampler, Source, describe_source
from .fingerprint import hash_arrays, hash_code
from .serialize import pack_array
from .stages import AbstractStage

Codes = dict[str, dict[str, str]]


def fingerprint_codes(objective: Any, model: PyTree, source: Source) -> Codes:
    """Fingerprints of the objective, the code of the model and the function that draws the data, where one does."""
    codes = {"objective": hash_code(objective), "model code": hash_code(model, arrays=False)}
    return codes | ({"data function": hash_code(source.function)} if isinstance(source, Sampler) else {})


def identify(
    model: PyTree, stages: tuple[AbstractStage, ...], terms: tuple[str, ...], source: Source, key: Any, codes: Codes
) -> dict[str, Any]:
    """What a checkpoint belongs to: model, stages, data, key and code, as JSON. Cost: one pass over the data."""
    key_data, how = pack_array(key)
    fixed = jax.tree.map(
        lambda x: x.array if is_frozen(x) else None if eqx.is_inexact_array(x) else x, model, is_leaf=is_frozen
    )
    identity = {
        "model": _structure(model),
        "frozen": hash_arrays(fixed),
        "initial": hash_arrays(model),
        "stages": [_stage_identity(stage) for stage in stages],
        "terms": list(terms),
        "data": describe_source(source),
        "content": None if isinstance(source, Sampler) else hash_arrays(source.arrays),
        "key": {"data": key_data.tolist(), **how},
        "codes": codes,
    }
    return json.loads(json.dumps(identity))  # as it will be read back: tuples are lists there


def compare(stored: dict[str, Any], given: dict[str, Any], stage: int, stage_step: int, folder: Path) -> None:
    """`ValueError` where a checkpoint belongs to another run; a warning where numbers of a stage or code differ.

    Stages that have not begun may be other ones, and the current one may be longer.
    """
    cure = "give another folder, or delete this one, to start anew; or the arguments of the run that wrote it to go on"
    start = f"checkpoint={str(folder)!r} belongs to another run"
    if "content" not in stored:
        raise ValueError(
            f"checkpoint={str(folder)!r} was written by an older version, which did not note the values of the data "
            "and of the initial model: whether it is this run cannot be told. Give another folder, or delete this one; "
            "train.load_model reads the model in it"
        )
    for name, was in zip(("model", "terms", "data", "key"), ("model", "objective", "data", "key"), strict=True):
        if stored[name] != given[name]:
            raise ValueError(f"{start}, with another {was}: {_difference(stored[name], given[name])}; {cure}")
    if stored["content"] != given["content"]:
        raise ValueError(f"{start}: the data have other values, in the same shapes; {cure}")
    if stored["frozen"] != given["frozen"]:
        raise ValueError(f"{start}: the arrays of the model that do not train have other values; {cure}")
    if stored["initial"] != given["initial"]:
        raise ValueError(
            f"{start}: the initial model has other values, in the same shapes (the run goes on from the checkpoint by "
            f"itself: pass the model that it began with); {cure}"
        )
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
    for name, was in stored["codes"].items():
        now = given["codes"][name]
        # another Python compiles the same lines to other bytecode
        if was != now and was["python"] == now["python"]:
            warnings.warn(
                f"checkpoint={str(folder)!r} was written with another {name}, and the run goes on with this one: its "
                "code, or a value that it holds, is not the same. Where that is more than tidying up, give another "
                "folder, or delete this one, to start anew",
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
