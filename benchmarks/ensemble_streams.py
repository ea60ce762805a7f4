"""Ensembles on two cores: the same work by one thread and by two, on one host device and on two, and what two cores
give a program in C."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .contenders import Case, Contender, Work, compile_c
from .ensemble import SWEEPS
from .harness import Benchmark
from .results import Results, at_least, for_information

# the harness lets XLA have one thread
FREE = {"NPROC": "2", "XLA_FLAGS": ""}
LORENZ, ROBER = "1,024,000 Lorenz", "65,536 ROBER"
MIXED = " in random order"  # of their parameters; in the others a grid, along which the work grows


def _free() -> None:
    """All cores: the harness pins to one."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))


def _prepared(case: dict) -> tuple[Callable, tuple, tuple]:
    """The ensemble as a function of its parameters, the parameters, and the axes of those that differ."""
    import jax.numpy as jnp

    import sciml_jax as sj  # before the first array is made

    sweep, rtol = SWEEPS[case["problem"]], case["tolerance"]
    field, method = sweep.make(jnp), getattr(sj, sweep.method)()

    def solve(args, axes, **options):
        options = {"method": method, "rtol": rtol, "atol": sweep.atol * rtol} | options
        sol = sj.solve_ensemble(field, (0.0, case["t1"]), sweep.y0, args, in_axes=(None, axes), **options)
        return sol.y, sol.stats["steps"]

    args, axes = sweep.args(case["n"]), sweep.axes
    if case.get("mixed"):
        order = np.random.default_rng(0).permutation(case["n"])
        args = tuple(x if axis is None else x[order] for x, axis in zip(args, axes, strict=True))
    return solve, args, axes


def eager(streams: int):
    """One call of `solve_ensemble`."""

    def prepare(case: dict) -> Work:
        _free()
        solve, args, axes = _prepared(case)
        import jax
        import jax.numpy as jnp

        args = jax.tree.map(jnp.asarray, args)
        call = lambda point: jax.block_until_ready(solve(args, axes, streams=streams))  # noqa: E731
        call(None)
        return Work(call, _report)

    return prepare


def swept(streams: int):
    """`sj.sweep`, which keeps all results."""

    def prepare(case: dict) -> Work:
        _free()
        solve, args, _ = _prepared(case)
        import sciml_jax as sj

        points = tuple(np.broadcast_to(x, case["n"]) for x in args)
        axes, chunk = (0,) * len(points), max(64, case["n"] // 64)
        run = lambda args: solve(args, axes)  # noqa: E731
        call = lambda point: sj.sweep(run, points, chunk=chunk, streams=streams, progress=False).results  # noqa: E731
        call(None)
        return Work(call, _report)

    return prepare


def on_devices(devices: int):
    """One call inside a user's `jit`, on so many host devices; a device gets a stretch of neighbouring parameters."""

    def prepare(case: dict) -> Work:
        _free()
        import jax

        jax.config.update("jax_num_cpu_devices", devices)
        solve, args, axes = _prepared(case)
        mesh = jax.make_mesh((devices,), ("i",))
        compiled = jax.jit(lambda args: solve(args, axes, mesh=mesh))
        call = lambda point: jax.block_until_ready(compiled(args))  # noqa: E731
        call(None)
        return Work(call, _report)

    return prepare


def _report(output) -> dict:
    return {"steps": int(np.sum(output[1]))}


def c(processes: int):
    """The program of `ensemble`, which solves its share in each of so many processes, one a core."""

    def prepare(case: dict) -> Work:
        _free()
        program = compile_c(Path(__file__).with_name("lorenz_lanes.c"), flags=["-ffast-math"])
        pinned = shutil.which("taskset") is not None
        share = [str(case["n"] // processes), repr(case["tolerance"]), repr(case["t1"])]

        def run(solves: int) -> list[dict]:
            pins = [["taskset", "-c", str(core)] if pinned else [] for core in range(processes)]
            commands = [[*pin, str(program), *share, str(solves)] for pin in pins]
            running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
            return [json.loads(process.communicate()[0]) for process in running]

        return Work(
            call=lambda point: run(1),
            report=lambda outs: {"steps": sum(out["steps"] for out in outs)},
            clock=lambda point, calls: [
                max(times) for times in zip(*(out["times"] for out in run(calls)), strict=True)
            ],
        )

    return prepare


def judge(results: Results) -> list:
    def ratio(name: str, kind: str) -> Callable[[], float]:
        return lambda: results.number(name, f"{kind}_1") / results.number(name, f"{kind}_2")

    bars = [
        at_least(f"{name}, {what}: {one} over two, at least 1.8", 1.8, ratio(name, kind))
        for problem in (LORENZ, ROBER)
        for name, kind, what, one in (
            (problem, "eager", "in one call", "one thread"),
            (problem, "sweep", "swept", "one thread"),
            (problem + MIXED, "eager", "in one call", "one thread"),
            (problem + MIXED, "devices", "in one call", "one host device"),
        )
    ]
    return [
        *bars,
        for_information(f"{LORENZ}, in one call: one host device over two", ratio(LORENZ, "devices")),
        for_information(f"{ROBER}, in one call: one host device over two", ratio(ROBER, "devices")),
        for_information(f"{LORENZ}, in C: one process over two", ratio(LORENZ, "c")),
    ]


KINDS = {"eager": (eager, ()), "sweep": (swept, ()), "devices": (on_devices, ()), "c": (c, ("cc",))}
IN_JAX = tuple(f"{kind}_{n}" for kind in ("eager", "sweep", "devices") for n in (1, 2))
IN_ONE_CALL = tuple(f"{kind}_{n}" for kind in ("eager", "devices") for n in (1, 2))
_LORENZ = {"problem": "lorenz", "n": 1_024_000, "t1": 1.0, "tolerance": 1e-6}
_ROBER = {"problem": "rober", "n": 65_536, "t1": 1e5, "tolerance": 1e-6}
BENCHMARK = Benchmark(
    name="ensemble_streams",
    title="ensembles in float64 on one core and on two",
    contenders=[
        Contender(f"{kind}_{n}", make(n), needs, env=FREE) for kind, (make, needs) in KINDS.items() for n in (1, 2)
    ],
    cases=[
        Case(LORENZ, _LORENZ),
        Case(LORENZ + MIXED, {**_LORENZ, "mixed": True}, contenders=IN_ONE_CALL),
        Case(ROBER, _ROBER, contenders=IN_JAX),
        Case(ROBER + MIXED, {**_ROBER, "mixed": True}, contenders=IN_ONE_CALL),
    ],
    smoke_cases=[Case("4096 Lorenz", {"problem": "lorenz", "n": 4096, "t1": 0.1, "tolerance": 1e-3, "mixed": True})],
    judge=judge,
    base="eager_1",
    rounds=7,
    notes=[
        "All on all cores of the machine; assembling the results of a call is part of its time.",
        "On host devices results stay where they were computed, half of them on each.",
        "Shorter calls gain less: a tenth of these numbers, 102,400 Lorenz in 57 ms, about 1.35 in one call.",
    ],
)

if __name__ == "__main__":
    BENCHMARK.main()
