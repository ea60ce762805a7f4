"""Reading a table of measurements: a time column, state columns, and one clear line for everything that is wrong."""

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .series import DataError, Series

_EMPTY = {"", "nan", "na", "n/a", "null", "none", "?", "-", "."}


def read_csv(
    path: str | os.PathLike,
    *,
    time: str | None = None,
    states: Sequence[str] | None = None,
    min_rows: int = 2,
) -> Series:
    """A series from a CSV file: the first line names the columns, every other line is one time.

    Lines that are empty or start with `#` are passed over; spaces around cells, a byte-order mark and quotes do not
    matter.

    **Arguments:** `path`; `time`, the column of the times, default the first; `states`, the columns of the values in
    the order wanted, default all others; `min_rows`, how many rows there have to be.

    **Returns:** a `Series`.

    **Raises:** `DataError`, in one line that names file, line and column: a file that is not there, no text or not
    comma-separated; a header that is missing, repeated or has no such column; a line with more or fewer cells; a cell
    that is empty, NaN, infinite or no number; times that are repeated or not increasing; too few rows.

    >>> import pathlib, tempfile
    >>> from sciml_jax.data import read_csv
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "pelts.csv"
    ...     _ = file.write_text("year, hare, lynx\\n1900, 30, 4\\n1901, 47.2, 6.1\\n")
    ...     series = read_csv(file, states=["lynx", "hare"])
    >>> series.names, series.y.tolist()
    (('lynx', 'hare'), [[4.0, 30.0], [6.1, 47.2]])
    """
    where = str(path)
    lines = _cells(Path(path), where)
    if not lines:
        raise DataError(f"{where}: the file is empty; its first line must name the columns, as in: year,prey,predator")
    header = _header(lines[0][1], where)
    time = header[0] if time is None else time
    states = [name for name in header if name != time] if states is None else list(states)
    _check_columns(header, time, states, where)
    if len(lines) - 1 < min_rows:
        raise DataError(f"{where}: too few rows: {len(lines) - 1}, at least {min_rows} are needed")
    columns = [header.index(name) for name in (time, *states)]
    rows = [[_number(line, cells, header, c, where) for c in columns] for line, cells in lines[1:]]
    table = np.array(rows, np.float64)
    _check_times(table[:, 0], [line for line, _ in lines[1:]], time, where)
    return Series(table[:, 0], table[:, 1:], names=tuple(states), time=time, source=where)


def _cells(path: Path, where: str) -> list[tuple[int, list[str]]]:
    """The lines that hold something, each with its number in the file."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            found = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if _says_something(row)]
    except FileNotFoundError as error:
        raise DataError(f"{where}: there is no such file") from error
    except IsADirectoryError as error:
        raise DataError(f"{where}: this is a folder, not a CSV file") from error
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({error.strerror or error})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{where}: this is not a CSV file in UTF-8 ({_one_line(error)})") from error
    return found


def _says_something(row: list[str]) -> bool:
    return any(cell.strip() for cell in row) and not row[0].lstrip().startswith("#")


def _header(names: list[str], where: str) -> list[str]:
    if len(names) == 1:
        other = next((mark for mark in (";", "\t", "|", " ") if mark in names[0]), None)
        hint = f": columns seem to be separated by {other!r}, not by commas" if other else f", {names[0]!r}"
        raise DataError(f"{where}: there is only one column{hint}; a time column and states are needed")
    if all(_is_number(name) for name in names):
        raise DataError(f"{where}: the first line must name the columns, as in: year,prey,predator; it holds numbers")
    for i, name in enumerate(names):
        if not name:
            raise DataError(f"{where}: column {i + 1} of the header has no name")
        if name in names[:i]:
            raise DataError(f"{where}: two columns are named {name!r}")
    return names


def _check_columns(header: list[str], time: str, states: list[str], where: str) -> None:
    there = ", ".join(repr(name) for name in header)
    for what, name in (("time", time), *(("state", name) for name in states)):
        if name not in header:
            raise DataError(f"{where}: there is no {what} column {name!r}; it has {there}")
    if not states:
        raise DataError(f"{where}: no state columns are asked for; it has {there}")
    for i, name in enumerate(states):
        if name == time:
            raise DataError(f"{where}: column {name!r} cannot be the time and a state")
        if name in states[:i]:
            raise DataError(f"{where}: state column {name!r} is asked for twice")


def _number(line: int, cells: list[str], header: list[str], column: int, where: str) -> float:
    if len(cells) != len(header):
        raise DataError(f"{where}: line {line} has {len(cells)} cells, the header has {len(header)}")
    place, cell = f"{where}: line {line}, column {header[column]!r}", cells[column]
    if cell.lower() in _EMPTY:
        what = "is empty" if not cell else f"holds {cell!r}"
        raise DataError(f"{place} {what}: every cell must be a number (fill the gap or leave the row out)")
    try:
        value = float(cell)
    except ValueError as error:
        raise DataError(f"{place}: {_shortened(cell)!r} is not a number") from error
    if not math.isfinite(value):
        raise DataError(f"{place}: {cell!r} is not finite")
    return value


def _check_times(t: np.ndarray, lines: list[int], time: str, where: str) -> None:
    for i in np.flatnonzero(np.diff(t) <= 0)[:1]:
        before, after = t[i], t[i + 1]
        wrong = "is repeated" if before == after else f"follows {before:.10g}"
        raise DataError(
            f"{where}: line {lines[i + 1]}, column {time!r}: {after:.10g} {wrong}; times must increase from row to row"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _shortened(text: str) -> str:
    return text if len(text) <= 30 else text[:27] + "..."


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
