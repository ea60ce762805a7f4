"""A sweep on disk: results as Zarr arrays, and how far it has come, so that a killed one goes on where it was."""

import hashlib
import os
import time
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from ...core import store
from ..memory import empty
from .points import Points
from .reduction import Reducer

_BETWEEN_S = 2.0  # a kill costs at most so many seconds of work
_SAMPLES = 64  # rows by which generated points are told from others
_PROGRESS, _DATA = "progress", "results.zarr"


def named(tree: PyTree, whole: str) -> list[tuple[str, Any]]:
    """Every leaf with a name: its path, or `whole` where the tree is a leaf."""
    leaves = jax.tree.leaves_with_path(tree)
    return [(jax.tree_util.keystr(path, simple=True, separator="/") or whole, x) for path, x in leaves]


def _check_names(tree: PyTree, whole: str) -> None:
    """The names are those of files: each its own, and none a folder of another."""
    found = [name for name, _ in named(tree, whole)]
    parts = [name.split("/") for name in found]
    folders = {"/".join(x[:i]) for x in parts for i in range(1, len(x))}
    if len(set(found)) < len(found) or folders & set(found) or any({"", ".", ".."} & set(x) for x in parts):
        raise ValueError(f"names of points and results become files, and must tell them apart; got {found}")


class Memory:
    """Results in memory, where they are kept."""

    def __init__(self, n: int, like: PyTree, keep: bool):
        self.done = 0
        self.whole = jax.tree.map(lambda x: empty((n, *x.shape), x.dtype), like) if keep else None

    def add(self, points: PyTree, results: PyTree) -> None:
        """The next rows."""
        end = self.done + jax.tree.leaves(results)[0].shape[0]
        if self.whole is not None:
            for whole, x in zip(jax.tree.leaves(self.whole), jax.tree.leaves(results), strict=True):
                whole[self.done : end] = x
        self.done = end

    def save(self) -> None:
        """There is nothing to write down."""

    def kept(self) -> PyTree:
        """The results in their structure, or `None`."""
        return self.whole


class Archive:
    """The folder of a sweep, of which `done` rows are done.

    Results go to their rows of the arrays, where writing them again does no harm; `now`, the number of rows done and
    what reductions are after exactly these, changes as one, so that an interruption never counts rows twice.
    """

    def __init__(self, folder: str | os.PathLike, points: Points, like: PyTree, reducer: Reducer | None, keep: bool):
        self.folder = store.open_folder(folder, "out")
        self.progress = self.folder / _PROGRESS
        self.progress.mkdir(exist_ok=True)
        store.sweep(self.progress)
        self.reducer, self.like = reducer, like
        if keep:
            for tree, whole in ((like, "y"), (points.rows(0, 1), "p")):
                _check_names(tree, whole)
        self.identity = {
            "rows": points.n,
            "points": _digest(points),
            "results": {name: [list(x.shape), str(x.dtype)] for name, x in named(like, "y")},
            "reductions": reducer.described() if reducer else [],
            "kept": keep,
        }
        self.now = self._resume()
        self.saved, self.last = self.now[0], time.monotonic()
        self.arrays = self._open(points, like) if keep else None

    @property
    def done(self) -> int:
        """Rows that are done."""
        return self.now[0]

    def _resume(self) -> tuple[int, dict[str, np.ndarray]]:
        found = store.read_newest(self.progress, lambda snapshot: store.read(snapshot, "sweep"))
        if found is None:
            if any(path.name != _PROGRESS for path in self.folder.iterdir()):
                raise ValueError(
                    f"out={str(self.folder)!r} holds other files: give a new folder, or that of this sweep"
                )
            states = self.reducer.arrays() if self.reducer else {}
            self._write(0, states)
            return 0, states
        document, arrays = found
        for what, mine in self.identity.items():
            if document[what] != mine:
                raise ValueError(
                    f"out={str(self.folder)!r} holds another sweep (its {what}: {document[what]}; here: {mine}): give "
                    "another folder, or delete that one"
                )
        if self.reducer:
            self.reducer.restore(arrays)
        return document["done"], arrays

    def _open(self, points: Points, like: PyTree) -> dict[str, Any]:
        try:
            import zarr  # type: ignore[import-not-found]
        except ImportError as error:
            raise ImportError("results on disk need zarr: pip install 'sciml-jax[sweep]'") from error
        group = zarr.open_group(str(self.folder / _DATA), mode="a")
        leaves = [(f"points/{name}", x.shape[1:], x.dtype) for name, x in named(points.rows(0, 1), "p")]
        leaves += [(f"results/{name}", x.shape, x.dtype) for name, x in named(like, "y")]
        rows = max(1, min(points.n, _rows_of_a_file(leaves)))
        for name, shape, dtype in leaves:
            if name not in group:
                if self.done:
                    raise ValueError(
                        f"out={str(self.folder)!r} has {self.done} rows behind it, but {name} is missing in {_DATA}: "
                        "delete the folder, and begin again"
                    )
                group.create_array(
                    name, shape=(points.n, *shape), dtype=dtype, chunks=(rows, *(max(k, 1) for k in shape))
                )
        return {name: group[name] for name, _, _ in leaves}

    def kept(self) -> PyTree:
        """The results as Zarr arrays, in their structure, or `None`."""
        if self.arrays is None:
            return None
        leaves = [self.arrays[f"results/{name}"] for name, _ in named(self.like, "y")]
        return jax.tree.unflatten(jax.tree.structure(self.like), leaves)

    def add(self, points: PyTree, results: PyTree) -> None:
        """The next rows; how far the sweep has come is written down now and then."""
        end = self.done + jax.tree.leaves(results)[0].shape[0]
        if self.arrays is not None:
            for kind, leaves in (("points", named(points, "p")), ("results", named(results, "y"))):
                for name, x in leaves:
                    self.arrays[f"{kind}/{name}"][self.done : end] = x
        self.now = end, self.reducer.arrays() if self.reducer else {}
        if time.monotonic() - self.last > _BETWEEN_S:
            self.save()

    def save(self) -> None:
        """Writes down how far the sweep has come."""
        done, states = self.now
        if done > self.saved:
            self._write(done, states)
            self.saved, self.last = done, time.monotonic()

    def _write(self, done: int, states: dict[str, np.ndarray]) -> None:
        store.write(self.progress, {"sweep": (self.identity | {"done": done}, states)}, keep=2)


def _rows_of_a_file(leaves: list) -> int:
    """Rows of a chunk of Zarr's: files of about four megabytes."""
    largest = max(np.dtype(dtype).itemsize * int(np.prod(shape, dtype=int)) for _, shape, dtype in leaves)
    return (1 << 22) // max(largest, 1)


def _digest(points: Points) -> str:
    """What tells these points from others: all that are in memory, and samples of those that are made."""
    found = hashlib.sha256()
    places = np.linspace(0, points.n - 1, _SAMPLES).astype(int).tolist()
    for part in points.in_memory() or (points.rows(i, i + 1) for i in places):
        for name, x in named(part, "p"):
            found.update(f"{name} {x.dtype} {x.shape}".encode() + np.ascontiguousarray(x).tobytes())
    return found.hexdigest()[:16]
