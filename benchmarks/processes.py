"""One process a contender: pinned to one core and one thread, answering requests line by line."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from .contenders import Case, Contender

ROOT = Path(__file__).resolve().parent.parent
_REPLY = "@@ "


def serve(contender: Contender, case: Case) -> None:
    """Prepares the contender and answers requests, a line of JSON each."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with the replies

    def reply(**message):
        replies.write(_REPLY + json.dumps(message, default=_plain) + "\n")
        replies.flush()

    work = contender.prepare({**case.parameters, "points": list(case.points)})
    reply(build=work.build)
    for line in sys.stdin:
        request = json.loads(line)
        point, calls = request["point"], request["calls"]
        if calls == 0:
            reply(report=work.report(work.call(point)))
        elif work.clock is not None:
            reply(times=work.clock(point, calls))
        else:
            times = []
            for _ in range(calls):
                start = time.perf_counter()
                work.call(point)
                times.append(time.perf_counter() - start)
            reply(times=times)


def _plain(x):
    return np.asarray(x).tolist()


def _child_environment(contender: Contender) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if k not in ("JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS")}
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NPROC")
    env.update(dict.fromkeys(threads, "1"))
    env.update(JAX_PLATFORMS="cpu", JAX_ENABLE_X64="1", XLA_FLAGS="--xla_cpu_multi_thread_eigen=false")
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**env, **contender.env}


class Child:
    """The process of one contender on one case."""

    def __init__(self, module: str, contender: Contender, case: Case, smoke: bool, core: int | None):
        self.name = contender.name
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the process)
        pin = ["taskset", "-c", str(core)] if core is not None else []
        command = [*pin, sys.executable, "-m", module, "--worker", contender.name, "--case", case.name]
        self.process = subprocess.Popen(
            command + ["--smoke"] * smoke,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=_child_environment(contender),
            cwd=ROOT,
        )
        self.build = self._reply()["build"]

    def _reply(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line.startswith(_REPLY):
            self.process.kill()
            self.process.wait()
            self.log.seek(0)
            raise RuntimeError(f"{self.name} failed:\n{self.log.read()}")
        return json.loads(line[len(_REPLY) :])

    def ask(self, point: Any, calls: int) -> dict[str, Any]:
        try:
            self.process.stdin.write(json.dumps({"point": point, "calls": calls}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the reply then tells what it died of
        return self._reply()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()
