"""How much memory a call takes beside what is resident before it."""

import ctypes
import re
from pathlib import Path

from .contenders import Work

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def _kib(field: str) -> float:
    found = re.search(rf"^{field}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE) if STATUS.exists() else None
    return float(found[1]) if found else float("nan")


def measured(work: Work) -> Work:
    """The same work, whose report also says by how much memory peaked above where it stood before a call (Linux)."""

    def report(output) -> dict:
        numbers = work.report(output)
        del output
        if CLEAR.exists():
            ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed goes back to the system
            before = _kib("VmRSS")
            CLEAR.write_text("5")  # sets the peak back to what is resident now
            work.call(None)
            numbers["grown_mib"] = (_kib("VmHWM") - before) / 1024
        return numbers

    return Work(work.call, report, work.build)
