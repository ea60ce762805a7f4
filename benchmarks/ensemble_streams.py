"""Ensembles on two cores: the same sweep by one thread and by two."""

import os

import numpy as np

from .contenders import Case, Contender, Work
from .ensemble import LORENZ_Y0, ROBER_Y0, lorenz, rober
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

        n, tolerance = case["n"], case["tolerance"]
        if case["problem"] == "lorenz":
            field, y0, args, axes = lorenz(jnp), LORENZ_Y0, jnp.linspace(0.0, 21.0, n), 0
            options = {"rtol": tolerance, "atol": tolerance}
        else:
            field, y0, args, axes = rober(jnp), ROBER_Y0, (jnp.logspace(-2, 0, n), 3e7, 1e4), (0, None, None)
            options = {"method": sj.Rodas5P(), "rtol": tolerance, "atol": 1e-4 * tolerance}

        options["streams"] = streams

        def solve(point):
            sol = sj.solve_ensemble(field, (0.0, case["t1"]), y0, args, in_axes=(None, axes), **options)
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
