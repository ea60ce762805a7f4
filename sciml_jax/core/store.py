"""Folders that are written whole or not at all."""

import io
import json
import os
import shutil
import uuid
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


class Damaged(Exception):
    """A snapshot that is there and cannot be read."""


_DIGITS = 8
_PREFIX = ".writing-"


def open_folder(path: str | os.PathLike, argument: str) -> Path:
    """The folder, made where it is missing and writable; `ValueError` naming the argument otherwise."""
    try:
        folder = Path(path)
    except TypeError as error:
        raise TypeError(f"{argument} must be the path of a folder; got {type(path).__name__}") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f"{_PREFIX}{uuid.uuid4().hex}"
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise ValueError(
            f"{argument}={str(path)!r} cannot be written ({error.strerror or error}): give a folder that can be made "
            "and written to"
        ) from error
    return folder


def write(folder: Path, documents: dict[str, tuple[dict[str, Any], dict[str, np.ndarray]]], keep: int = 1) -> Path:
    """Write a new snapshot: for every name a `name.json` and a `name.npz`.

    The files are written and synced under a temporary name, and the folder renamed: a snapshot has its number only
    when it is whole. Older ones beyond `keep` are renamed before they are deleted, for the same reason.
    """
    numbers = [number for number, _ in snapshots(folder)]
    target = folder / f"{max(numbers, default=0) + 1:0{_DIGITS}d}"
    temporary = folder / f"{_PREFIX}{uuid.uuid4().hex}"
    try:
        temporary.mkdir()
        for name, (document, arrays) in documents.items():
            _write_file(temporary / f"{name}.json", json.dumps(document, indent=1).encode())
            buffer = io.BytesIO()
            np.savez(buffer, allow_pickle=False, **arrays)  # type: ignore[arg-type]
            _write_file(temporary / f"{name}.npz", buffer.getbuffer())
        _sync(temporary)
        os.rename(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync(folder)
    for _, old in snapshots(folder)[keep:]:
        doomed = folder / f"{_PREFIX}{uuid.uuid4().hex}"
        os.rename(old, doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    return target


def snapshots(folder: Path) -> list[tuple[int, Path]]:
    """The whole snapshots in a folder, the newest first."""
    if not folder.is_dir():
        return []
    found = [(int(p.name), p) for p in folder.iterdir() if len(p.name) == _DIGITS and p.name.isdigit() and p.is_dir()]
    return sorted(found, reverse=True)


def read_newest(folder: Path, read: Callable[[Path], T]) -> T | None:
    """`read(snapshot)` of the newest snapshot that can be read; `None` where there is none.

    A damaged one (a disk, not a kill: a kill leaves no half snapshot) is passed over with a warning.
    """
    found = snapshots(folder)
    for _, path in found:
        try:
            return read(path)
        except Damaged as error:
            warnings.warn(f"{error}; trying the snapshot before", stacklevel=2)
    if found:
        raise ValueError(f"no snapshot in {str(folder)!r} can be read: all {len(found)} are damaged")
    return None


def read(snapshot: Path, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The document and the arrays of one name; nothing is unpickled."""
    try:
        document = json.loads((snapshot / f"{name}.json").read_text())
        with np.load(snapshot / f"{name}.npz", allow_pickle=False) as stored:
            return document, {key: stored[key] for key in stored.files}
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise Damaged(f"{snapshot} is damaged ({error})") from error


def sweep(folder: Path) -> None:
    """Delete what a killed program left half written."""
    for path in folder.glob(f"{_PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)


def _write_file(path: Path, content: bytes | memoryview) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    # so that the names, too, survive a power cut; not every system lets a folder be opened
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
