"""`sciml-jax launch`: the same program in several processes, which find each other by `sciml_jax.ensemble.connect`."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from ..ensemble.processes import COORDINATOR, PROCESS, PROCESSES
from .parser import UsageError, integer

GRACE_S = 10.0  # between asking the others to end and ending them

DESCRIPTION = """Runs a Python program in several processes that solve together: in it, sciml_jax.ensemble.connect()
comes first, and a mesh of jax.devices() then spans all of them. On several machines, run the same command on each with
--machines, --machine and --coordinator. When one process fails, the others are ended."""


def add(commands) -> None:
    """Add the command to the others."""
    parser = commands.add_parser("launch", help="run a program in several processes", description=DESCRIPTION)
    parser.add_argument("program", metavar="PROGRAM.py", help="what every process runs")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="its arguments")
    parser.add_argument("--processes", type=integer(1), default=2, metavar="N", help="processes on this machine (2)")
    parser.add_argument(
        "--machines", type=integer(1), default=1, metavar="M", help="machines, with N processes each (1)"
    )
    parser.add_argument(
        "--machine", type=integer(0), default=0, metavar="K", help="the number of this one, from 0 on (0)"
    )
    parser.add_argument(
        "--coordinator", metavar="HOST:PORT", help="machine 0 and a free port of it; for several machines"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The command: start, pass the output on, and wait; the exit code of the first process that failed, or 0."""
    if not Path(options.program).is_file():
        raise UsageError(f"there is no program {options.program}")
    if options.machine >= options.machines:
        raise UsageError(
            f"--machine counts from 0: it is less than --machines {options.machines}, got {options.machine}"
        )
    if options.machines > 1 and options.coordinator is None:
        raise UsageError("several machines need --coordinator HOST:PORT, machine 0 and a free port of it")
    total = options.processes * options.machines
    shared = {COORDINATOR: options.coordinator or f"127.0.0.1:{_free_port()}", PROCESSES: str(total)}
    command = [sys.executable, options.program, *options.arguments]
    running = []
    for k in range(options.processes):
        number = options.machine * options.processes + k
        environment = os.environ | shared | {PROCESS: str(number), "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        reader = threading.Thread(target=_pass_on, args=(process, number), daemon=True)
        reader.start()
        running.append((process, reader))
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # as Ctrl-C: it ends them too
    try:
        return _wait([process for process, _ in running])
    finally:
        _end([process for process, _ in running])
        signal.signal(signal.SIGTERM, before)
        for _, reader in running:
            reader.join(GRACE_S)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _pass_on(process: subprocess.Popen, number: int) -> None:
    """Every line with the number of the process that wrote it. When nobody reads them any longer, it is ended."""
    for line in process.stdout or ():
        try:
            print(f"[{number}] {line}", end="" if line.endswith("\n") else "\n", flush=True)
        except OSError:
            process.terminate()


def _wait(processes: list[subprocess.Popen]) -> int:
    """Until all have ended or one has failed; its exit code."""
    while True:
        codes = [process.poll() for process in processes]
        failed = [code for code in codes if code]
        if failed:
            return failed[0] if failed[0] > 0 else 128 - failed[0]  # as a shell tells of signals
        if None not in codes:
            return 0
        time.sleep(0.05)


def _end(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    until = time.monotonic() + GRACE_S
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
