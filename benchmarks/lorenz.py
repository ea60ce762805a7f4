"""The time of a step: Lorenz, Tsit5 in float64 at 1e-8 to t = 20, only the final state kept."""

import json
import subprocess
from pathlib import Path

from . import reference
from .contenders import Case, Contender, Work, compile_c, jax_work
from .harness import Benchmark
from .peers import diffrax_solve, diffrax_stats, report, scipy_solve
from .problems import PROBLEMS, lorenz, lorenz_scalars
from .results import Results, at_least, at_most, for_information

LORENZ = PROBLEMS["lorenz"]


def ours(case: dict) -> Work:
    import jax.numpy as jnp

    import sciml_jax as sj  # before the first array is made

    def solve(y0, args, t1, tolerance):
        sol = sj.solve_ode(
            lorenz(jnp), (0.0, t1), y0, args, method=sj.Tsit5(), rtol=tolerance, atol=tolerance, throw=False
        )
        return sol.y, sol.stats["accepted"], sol.stats["rejected"]

    arguments = (LORENZ.y0, LORENZ.args, case["t1"], case["tolerance"])
    return jax_work(solve, lambda point: arguments, report, case["points"])


def diffrax(case: dict) -> Work:
    import jax.numpy as jnp

    def solve(y0, args, t1, tolerance):
        sol = diffrax_solve(lorenz(jnp), 0.0, t1, y0, args, tolerance)
        return sol.ys[0], *diffrax_stats(sol)

    arguments = (LORENZ.y0, LORENZ.args, case["t1"], case["tolerance"])
    return jax_work(solve, lambda point: arguments, report, case["points"])


def diffrax_tuned(case: dict) -> Work:
    import jax.numpy as jnp

    def field(t, y, args):
        return tuple(lorenz(jnp)(t, y, args))

    def solve(y0, args, t1, tolerance):
        sol = diffrax_solve(field, 0.0, t1, tuple(y0), args, tolerance)
        return jnp.concatenate(sol.ys), *diffrax_stats(sol)

    arguments = (LORENZ.y0, LORENZ.args, case["t1"], case["tolerance"])
    return jax_work(solve, lambda point: arguments, report, case["points"])


def scipy(case: dict) -> Work:
    from scipy.integrate import RK45

    def field(t, y):
        return lorenz_scalars(t, y, LORENZ.args)

    return Work(lambda point: scipy_solve(RK45, field, 0.0, case["t1"], LORENZ.y0, case["tolerance"], stages=6), report)


def c(case: dict) -> Work:
    program = compile_c(Path(__file__).with_name("lorenz.c"))

    def run(solves: int) -> dict:
        command = [str(program), repr(case["tolerance"]), repr(case["t1"]), str(solves)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return Work(
        call=lambda point: run(1),
        report=lambda out: report((out["y"], out["accepted"], out["rejected"])),
        clock=lambda point, calls: run(calls)["times"],
    )


def truth(case: Case) -> dict:
    t1 = case.parameters["t1"]
    return {"y": LORENZ.reference if t1 == LORENZ.t1 else reference.of(LORENZ._replace(t1=t1))}


def derive(case: Case, row: dict) -> None:
    row["ns_per_step"] = 1e9 * row["seconds"] / (row["accepted"] + row["rejected"])


def judge(results: Results) -> list:
    def per_step(name):
        return results.number("t1=20", name, "ns_per_step")

    return [
        at_most("time per step over the C bound, at most 1.5", 1.5, lambda: per_step("ours") / per_step("c")),
        at_least("diffrax's time per step over ours, at least 4", 4.0, lambda: per_step("diffrax") / per_step("ours")),
        for_information(
            "the same when diffrax gets our XLA flag and a tuple of scalars",
            lambda: per_step("diffrax_tuned") / per_step("ours"),
        ),
    ]


TUNED = "--xla_cpu_multi_thread_eigen=false --xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=262144"

BENCHMARK = Benchmark(
    name="lorenz",
    title="Lorenz, Tsit5, float64, rtol = atol = 1e-8, final state",
    contenders=[
        Contender("ours", ours),
        Contender("diffrax", diffrax, ("diffrax",)),
        Contender("diffrax_tuned", diffrax_tuned, ("diffrax",), {"XLA_FLAGS": TUNED}),
        Contender("scipy", scipy, ("scipy",)),
        Contender("c", c, ("cc",)),
    ],
    cases=[Case("t1=20", {"t1": 20.0, "tolerance": 1e-8})],
    smoke_cases=[Case("t1=0.5", {"t1": 0.5, "tolerance": 1e-8})],
    judge=judge,
    reference=truth,
    derive=derive,
    notes=[
        "A step is an attempt, accepted or not.",
        "The flow is chaotic: at t = 20 an error has grown by about 1e7.",
        "SciPy's RK45 is Dormand and Prince's pair, of the same order and cost; it steps without dense output.",
        "diffrax_tuned gets the XLA flag that sciml_jax sets on import, and a tuple of scalars as its state.",
    ],
)

if __name__ == "__main__":
    BENCHMARK.main()
