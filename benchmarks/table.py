"""The README's table of measured bars, from the JSON files of the last full runs: `python -m benchmarks.table`."""

import json
import re
import sys
from pathlib import Path

from .processes import ROOT

RESULTS = ROOT / "benchmarks" / "results"
START, END = "<!-- measured -->", "<!-- /measured -->"
SHOWN = ("jax", "diffrax", "scipy", "torch", "torchdiffeq", "torchsde")


def lines(folder: Path = RESULTS) -> list[str]:
    """Markdown: a row a bar, and where and with what it was measured."""
    out = ["| script | bar | measured | |", "|---|---|---|---|"]
    runs = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    for run in runs:
        for bar in run["bars"]:
            verdict = {True: "holds", False: "missed", None: ""}[bar["passed"]]
            measured = "not measured" if bar["measured"] is None else f"{bar['measured']:.3g}"
            out.append(f"| `benchmarks/{run['benchmark']}.py` | {bar['text']} | {measured} | {verdict} |")
    machines = {f"{r['machine']['cores']} cores of an {r['machine']['processor']}" for r in runs}
    found = {name: sorted({r["versions"][name] for r in runs if r["versions"].get(name)}) for name in SHOWN}
    versions = ", ".join(f"{name} {' and '.join(numbers)}" for name, numbers in found.items() if numbers)
    dates = sorted({r["date"][:10] for r in runs})
    where = f"Medians on {' and '.join(sorted(machines))}, shared and noisy, pinned to one thread"
    return [*out, "", f"{where}; {versions}; {', '.join(dates)}."]


def main() -> int:
    readme = ROOT / "README.md"
    text = readme.read_text()
    if START not in text or END not in text:
        print(f"README.md has no lines {START} and {END} to write between")
        return 1
    table = "\n".join([START, *lines(), END])
    readme.write_text(re.sub(f"{re.escape(START)}.*{re.escape(END)}", lambda _: table, text, flags=re.DOTALL))
    return 0


if __name__ == "__main__":
    sys.exit(main())
