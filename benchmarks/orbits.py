"""The Pleiades and the outer solar system: time against achieved error for the high-order methods."""

from pathlib import Path

from .contenders import Case, Contender, Work, jax_work
from .harness import Benchmark
from .peers import diffrax_solve, diffrax_stats, report, scipy_solve
from .pictures import work_precision_picture
from .problems import PROBLEMS
from .results import Results, at_most

TARGET = 1e-10


def ours(method: str):
    def prepare(case: dict) -> Work:
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        problem = PROBLEMS[case["problem"]]

        def solve(y0, args, tolerance):
            sol = sj.solve_ode(
                problem.make(jnp),
                (problem.t0, problem.t1),
                y0,
                args,
                method=getattr(sj, method)(),
                rtol=tolerance,
                atol=tolerance,
                throw=False,
            )
            return sol.y, sol.stats["accepted"], sol.stats["rejected"]

        return jax_work(solve, lambda tolerance: (problem.y0, problem.args, tolerance), report, case["points"])

    return prepare


def diffrax(case: dict) -> Work:
    import diffrax as dfx
    import jax.numpy as jnp

    problem = PROBLEMS[case["problem"]]

    def solve(y0, args, tolerance):
        sol = diffrax_solve(problem.make(jnp), problem.t0, problem.t1, y0, args, tolerance, solver=dfx.Dopri8())
        return sol.ys[0], *diffrax_stats(sol)

    return jax_work(solve, lambda tolerance: (problem.y0, problem.args, tolerance), report, case["points"])


def scipy(case: dict) -> Work:
    import numpy as np
    from scipy.integrate import DOP853

    problem = PROBLEMS[case["problem"]]
    field = problem.make(np)

    def call(tolerance):
        return scipy_solve(
            DOP853, lambda t, y: field(t, y, ()), problem.t0, problem.t1, problem.y0, tolerance, stages=12
        )

    return Work(call, report)


def judge(results: Results) -> list:
    def time(case, name):
        return results.seconds_at(case, name, TARGET)

    return [
        at_most(
            f"{case}: {mine} over {peer} at error {TARGET:g}, at most 1",
            1.0,
            lambda case=case, mine=mine, peer=peer: time(case, mine) / time(case, peer),
        )
        for case in ("pleiades", "outer_solar_system")
        for mine in ("ours_vern9", "ours_dopri8")
        for peer in ("diffrax_dopri8", "scipy_dop853")
    ]


def picture(results: Results, path: Path) -> None:
    work_precision_picture(results, path, "relative error of the final state", target=TARGET)


TOLERANCES = (1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14)
BENCHMARK = Benchmark(
    name="orbits",
    title="Pleiades (t = 3) and outer solar system (200,000 days), float64, time at equal error",
    contenders=[
        Contender("ours_vern9", ours("Vern9")),
        Contender("ours_dopri8", ours("Dopri8")),
        Contender("diffrax_dopri8", diffrax, ("diffrax",)),
        Contender("scipy_dop853", scipy, ("scipy",)),
    ],
    cases=[Case(name, {"problem": name}, TOLERANCES) for name in ("pleiades", "outer_solar_system")],
    smoke_cases=[Case("pleiades", {"problem": "pleiades"}, (1e-5, 1e-6))],
    judge=judge,
    reference=lambda case: {"y": PROBLEMS[case.parameters["problem"]].reference},
    picture=picture,
    rounds=5,
    notes=["The time at an error lies on straight lines between the measured points, both axes logarithmic."],
)

if __name__ == "__main__":
    BENCHMARK.main()
