"""Results: rows of figures, the bars they are held against, tables and JSON."""

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_SECONDS = ("trace", "compile", "seconds", "fastest", "slowest")
_HIDDEN = ("case", "rounds", "fastest", "slowest")


class Bar(NamedTuple):
    """What was asked, what was measured, and whether that is enough; `None` when it could not be judged."""

    text: str
    measured: float
    passed: bool | None


class Missing(Exception):
    """A figure that a bar needs was not measured."""


class Results:
    """The rows of a run; `number(case, contender, key)` finds one figure or raises `Missing`."""

    def __init__(self, rows: list[dict[str, Any]]):
        self.rows = rows

    def number(self, case: str, contender: str, key: str = "seconds", point: Any = None) -> float:
        for row in self.rows:
            if (row["case"], row["contender"], row["point"]) == (case, contender, point) and key in row:
                return float(row[key])
        raise Missing(f"{contender} on {case}")

    def best(self, case: str, contenders: Sequence[str], key: str = "seconds") -> float:
        """The smallest figure among the contenders that ran."""
        found = [row[key] for row in self.rows if row["case"] == case and row["contender"] in contenders and key in row]
        if not found:
            raise Missing(f"any of {', '.join(contenders)} on {case}")
        return float(min(found))

    def curve(self, case: str, contender: str, key: str = "error") -> tuple[np.ndarray, np.ndarray]:
        """Errors and seconds over the points of a case, finite ones only."""
        rows = [r for r in self.rows if r["case"] == case and r["contender"] == contender and r["point"] is not None]
        pairs = [(r[key], r["seconds"]) for r in rows if key in r and math.isfinite(r[key]) and r[key] > 0]
        return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])

    def seconds_at(self, case: str, contender: str, error: float) -> float:
        """The time at an achieved error, on the straight lines between the points of log time against log error."""
        errors, seconds = self.curve(case, contender)
        if not len(errors) or not errors.min() <= error <= errors.max():
            raise Missing(f"{contender} at error {error:g} on {case}")
        order = np.argsort(errors)
        return float(np.exp(np.interp(np.log(error), np.log(errors[order]), np.log(seconds[order]))))


def at_most(text: str, limit: float, measure: Callable[[], float]) -> Bar:
    """A bar that holds when `measure()` is at most `limit`."""
    return _bar(text, measure, lambda x: x <= limit)


def at_least(text: str, limit: float, measure: Callable[[], float]) -> Bar:
    """A bar that holds when `measure()` is at least `limit`."""
    return _bar(text, measure, lambda x: x >= limit)


def for_information(text: str, measure: Callable[[], float]) -> Bar:
    """A figure that is shown and judged by nobody."""
    return _bar(text, measure, lambda x: None)


def _bar(text: str, measure: Callable[[], float], enough: Callable[[float], bool | None]) -> Bar:
    try:
        value = measure()
    except Missing as missing:
        return Bar(f"{text} (not measured: {missing})", math.nan, None)
    return Bar(text, value, enough(value))


def errors_against(answer: dict[str, Any], truth: dict[str, Any]) -> dict[str, float]:
    """The relative L2 distance of each part from the truth; the part `y` is called `error`."""
    found = {}
    for key in answer.keys() & truth.keys():
        a, b = np.asarray(answer[key], float).ravel(), np.asarray(truth[key], float).ravel()
        found["error" if key == "y" else f"{key}_error"] = float(np.linalg.norm(a - b) / np.linalg.norm(b))
    return found


def finite(x):
    """The same without NaN and infinity, which JSON does not have: they become null."""
    if isinstance(x, dict):
        return {key: finite(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [finite(value) for value in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x


def table(title: str, rows: list[dict[str, Any]], base: str) -> str:
    """The rows as text, each time also as a multiple of the first contender whose name starts with `base`."""
    own = {row["point"]: row["seconds"] for row in reversed(rows) if row["contender"].startswith(base)}
    lines = []
    for row in rows:
        shown = {k: _cell(k, v) for k, v in row.items() if k not in _HIDDEN and v is not None}
        if row["point"] in own:
            shown[f"/ {base}"] = f"{row['seconds'] / own[row['point']]:.2f}"
        lines.append(shown)
    columns = list(dict.fromkeys(key for line in lines for key in line))
    widths = {c: max([len(c), *(len(line.get(c, "")) for line in lines)]) for c in columns}
    head = "  ".join(c.rjust(widths[c]) if c != "contender" else c.ljust(widths[c]) for c in columns)
    body = [
        "  ".join(
            line.get(c, "").rjust(widths[c]) if c != "contender" else line[c].ljust(widths[c]) for c in columns
        ).rstrip()
        for line in lines
    ]
    return "\n".join([f"  {title}", "  " + head, *("  " + line for line in body)])


def _cell(key: str, value: Any) -> str:
    if key in _SECONDS:
        unit, scale = next(((u, s) for u, s in (("s", 1), ("ms", 1e3)) if value * s >= 1), ("us", 1e6))
        return f"{value * scale:.4g} {unit}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def machine() -> dict[str, Any]:
    """The kind of machine (not its name)."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else ""
    return {"system": sys.platform, "processor": model, "cores": os.cpu_count()}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that take part."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in ("jax", "jaxlib", "equinox", "numpy", "diffrax", "scipy", "torch", "torchdiffeq", "torchsde"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    if shutil.which("cc"):
        found["cc"] = subprocess.run(["cc", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    return found
