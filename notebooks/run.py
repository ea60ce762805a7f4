"""Runs the notebooks: `python notebooks/run.py` in place, with `--check` in a temporary folder.

    python notebooks/run.py                      # executes all of them and writes their outputs back
    python notebooks/run.py first_solve          # only this one
    python notebooks/run.py --check              # changes nothing; fails where a cell does, or where a notebook lies
                                                 # there without outputs, too large, or with paths in it

Needs `pip install -e ".[notebooks]"`.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

FOLDER = Path(__file__).resolve().parent
LARGEST = 1_500_000  # bytes of a notebook
CELL_SECONDS = 300
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def main() -> int:
    """Runs what the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(description="Execute the notebooks.")
    parser.add_argument("names", nargs="*", help="notebooks, with or without .ipynb (default: all)")
    parser.add_argument("--check", action="store_true", help="execute in a temporary folder and change nothing")
    options = parser.parse_args()
    paths = _paths(parser, options.names)
    failures = []
    for path in paths:
        start = time.monotonic()
        faults = check(path) if options.check else execute(path)
        print(f"{path.name}: {'FAILED' if faults else 'ok'} after {time.monotonic() - start:.0f} s", flush=True)
        for fault in faults:
            print(f"  {fault}", flush=True)
        failures += faults
    return 1 if failures else 0


def _paths(parser: argparse.ArgumentParser, names: list[str]) -> list[Path]:
    there = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
    wanted = [Path(name).stem for name in names] or list(there)
    for name in wanted:
        if name not in there:
            parser.error(f"there is no notebook {name!r}; there are {', '.join(there)}")
    return [there[name] for name in wanted]


def execute(path: Path) -> list[str]:
    """Executes a notebook and writes it back, unless a cell fails; what is wrong with it, in lines."""
    with tempfile.TemporaryDirectory() as folder:
        notebook, failure = _run(path, folder)
    if failure:
        return [failure]
    path.write_text(_text(notebook), encoding="utf-8")
    return faults_of(path)


def check(path: Path) -> list[str]:
    """Executes a copy; the failure of its run, or what is wrong with the notebook as it lies there, in lines."""
    with tempfile.TemporaryDirectory() as folder:
        failure = _run(path, folder)[1]
    return faults_of(path) + ([failure] if failure else [])


def _run(path: Path, folder: str) -> tuple[nbformat.NotebookNode, str]:
    """The executed notebook, and the failure of the cell where there was one. What it writes, it writes in `folder`."""
    notebook = nbformat.read(path, as_version=4)
    environment = dict(os.environ, MPLBACKEND="module://matplotlib_inline.backend_inline")
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # the kernel of this Python, not one of the user's
    # a checkout that is not installed serves as well
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(FOLDER.parent), os.environ.get("PYTHONPATH")]))
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name=KERNEL["name"],
        resources={"metadata": {"path": folder}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    try:
        client.execute(env=environment)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return notebook, _plain(str(error)).strip()
    return notebook, ""


def _text(notebook: nbformat.NotebookNode) -> str:
    """The notebook as it is kept: no times, no kernel of this machine, no state of widgets."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({key: value for key, value in cell.metadata.items() if key == "tags"})
        merged = []
        for output in cell.get("outputs", []):
            if "metadata" in output:
                output.metadata = nbformat.from_dict({})
            if merged and output.get("name", "") == merged[-1].get("name") and output.output_type == "stream":
                merged[-1].text += output.text  # prints come in pieces that depend on timing
            else:
                merged.append(output)
        if cell.cell_type == "code":
            cell.outputs = merged
    return nbformat.writes(notebook) + "\n"


def faults_of(path: Path) -> list[str]:
    """What is wrong with a notebook as it lies there: not executed in order, errors, warnings, too large, paths."""
    faults = []
    if path.stat().st_size > LARGEST:
        faults.append(f"{path.name} has {path.stat().st_size:,} bytes; at most {LARGEST:,}: lower figure.dpi")
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        faults.append(f"{path.name} is not executed from top to bottom: python notebooks/run.py {path.stem}")
    for i, cell in enumerate(code, 1):
        for output in cell.outputs:
            text = _plain("".join([output.get("text", ""), output.get("data", {}).get("text/plain", "")]))
            if output.output_type == "error" or output.get("name") == "stderr":
                faults.append(f"{path.name}, code cell {i}: {output.get('ename', 'stderr')}: {text[:200]}")
            for trace in re.findall(r"(?:/(?:home|Users|root|tmp|work|opt|usr|var)/|[A-Z]:\\)\S*", text):
                faults.append(f"{path.name}, code cell {i}: its output names a path, {trace!r}")
    return faults


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


if __name__ == "__main__":
    sys.exit(main())
