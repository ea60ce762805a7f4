"""Contenders: what takes part in a benchmark, and on what."""

import atexit
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Work(NamedTuple):
    """A contender that is ready: `call(point)` solves once and waits; `report(output)` is a flat dictionary.

    `report` may hold `answer`, a dictionary of arrays that the parent compares with the reference, and numbers for
    the table (`accepted`, `rejected`, ...). `build` holds seconds (`trace`, `compile`). A contender with a clock of
    its own gives `clock(point, calls)`, a list of seconds.
    """

    call: Callable[[Any], Any]
    report: Callable[[Any], dict[str, Any]]
    build: dict[str, float] = {}
    clock: Callable[[Any, int], list[float]] | None = None


class Contender(NamedTuple):
    """A name, a function from a case's parameters to a `Work`, and what must be there (packages, or a `cc`)."""

    name: str
    prepare: Callable[[dict[str, Any]], Work]
    needs: tuple[str, ...] = ()
    env: dict[str, str] = {}


class Case(NamedTuple):
    """A named set of parameters. `points` (tolerances, say) are run by the same process, one after another."""

    name: str
    parameters: dict[str, Any]
    points: Sequence[Any] = (None,)
    contenders: tuple[str, ...] | None = None


def jax_work(function: Callable, arguments: Callable[[Any], tuple], report: Callable, points: Sequence[Any]) -> Work:
    """A jitted `function(*arguments(point))`, with its trace (and lowering) and compile times.

    Call it after the package under test was imported. JAX is warmed up with a small loop first, so that starting its
    backend does not count; every point must give arguments of the same shapes.
    """
    import jax
    import jax.numpy as jnp

    def ready(x):
        return jax.tree.map(jnp.asarray, x)

    warm = jax.jit(lambda x: jax.lax.while_loop(lambda c: c < 3.0, lambda c: c + jnp.sin(1.0), x))
    jax.block_until_ready(warm(ready(0.0)))
    stored = {json.dumps(point): ready(arguments(point)) for point in points}
    jitted = jax.jit(function)
    example = stored[json.dumps(points[0])]
    start = time.perf_counter()
    lowered = jitted.lower(*example)
    traced = time.perf_counter()
    lowered.compile()
    compiled = time.perf_counter()
    return Work(
        call=lambda point: jax.block_until_ready(jitted(*stored[json.dumps(point)])),
        report=report,
        build={"trace": traced - start, "compile": compiled - traced},
    )


def compile_c(source: Path, libraries: Sequence[str] = (), flags: Sequence[str] = ()) -> Path:
    """The program that `cc -O3 -march=native` makes of `source`, in a folder that goes when this process ends."""
    folder = tempfile.mkdtemp(prefix="benchmark-")
    atexit.register(shutil.rmtree, folder)
    program = Path(folder) / source.stem
    subprocess.run(
        ["cc", "-O3", "-march=native", *flags, "-o", str(program), str(source), *(f"-l{x}" for x in libraries), "-lm"],
        check=True,
    )
    return program
