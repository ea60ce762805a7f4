"""Ensembles on two cores: the same sweep by one thread and by two."""

import os

import numpy as np

from .contenders import Case, Contender, Work
from .ensemble import SWEEPS
from .harness import Benchmark
from .results import Results, at_least

# the harness lets XLA have one thread
FREE = {"NPROC": "2", "XLA_FLAGS": ""}
LORENZ, ROBER = "102,400 Lorenz", "16,384 ROBER"


def ours(streams: int):
    def prepare(case: dict) -> Work:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, range(os.cpu_count() or 1))  # the harness pins to one core
        import jax
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        sweep, rtol = SWEEPS[case["problem"]], case["tolerance"]
        field, args = sweep.make(jnp), jax.tree.map(jnp.asarray, sweep.args(case["n"]))
        method = getattr(sj, sweep.method)()
        options = {"method": method, "rtol": rtol, "atol": sweep.atol * rtol, "streams": streams}

        def solve(point):
            sol = sj.solve_ensemble(field, (0.0, case["t1"]), sweep.y0, args, in_axes=(None, sweep.axes), **options)
            return jax.block_until_ready((sol.y, sol.stats["steps"]))

        solve(None)
        return Work(solve, lambda out: {"steps": int(np.sum(out[1]))})

    return prepare


def judge(results: Results) -> list:
    return [
        at_least(
            f"{name}: one thread over two, at least 1.8",
            1.8,
            lambda name=name: results.number(name, "ours_1") / results.number(name, "ours_2"),
        )
        for name in (LORENZ, ROBER)
    ]


BENCHMARK = Benchmark(
    name="ensemble_streams",
    title="ensembles in float64, called eagerly, by one thread and by two",
    contenders=[Contender(f"ours_{n}", ours(n), env=FREE) for n in (1, 2)],
    cases=[
        Case(LORENZ, {"problem": "lorenz", "n": 102_400, "t1": 1.0, "tolerance": 1e-6}),
        Case(ROBER, {"problem": "rober", "n": 16_384, "t1": 1e5, "tolerance": 1e-6}),
    ],
    smoke_cases=[Case("4096 Lorenz", {"problem": "lorenz", "n": 4096, "t1": 0.1, "tolerance": 1e-3})],
    judge=judge,
    rounds=7,
    notes=["Both on all cores of the machine; results are assembled from pieces, which is part of the time."],
)

if __name__ == "__main__":
    BENCHMARK.main()
