"""Error against time for every explicit method, on Lotka-Volterra and the Pleiades, with diffrax beside them."""

from pathlib import Path

from .contenders import Case, Contender, Work, jax_work
from .harness import Benchmark
from .peers import diffrax_solve, diffrax_stats, report
from .pictures import work_precision_picture
from .problems import PROBLEMS
from .results import Results

METHODS = (
    "Euler", "Heun", "Midpoint", "Ralston", "Bosh3", "RK4", "SSPRK3", "SSPRK43", "Dopri5", "Tsit5", "Dopri8", "Vern6",
    "Vern7", "Vern8", "Vern9", "Feagin14",
)  # fmt: skip
STEPS_AT_MOST = 200_000


def ours(name: str):
    def prepare(case: dict) -> Work:
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        problem = PROBLEMS[case["problem"]]
        method = getattr(sj, name)()

        def solve(y0, args, tolerance):
            if method.adaptive:
                how = {"rtol": tolerance, "atol": tolerance}
            else:  # no error estimate: constant steps, from 200 of them at 1e-3 to 200,000 at 1e-12
                how = {"dt": (problem.t1 - problem.t0) / STEPS_AT_MOST * (tolerance / 1e-12) ** (1 / 3)}
            sol = sj.solve_ode(
                problem.make(jnp),
                (problem.t0, problem.t1),
                y0,
                args,
                method=method,
                throw=False,
                max_steps=STEPS_AT_MOST,
                **how,
            )
            y = jnp.where(sol.result == sj.RESULT.successful, sol.y, jnp.nan)
            return y, sol.stats["accepted"], sol.stats["rejected"]

        return jax_work(solve, lambda tolerance: (problem.y0, problem.args, tolerance), report, case["points"])

    return prepare


def diffrax(name: str):
    def prepare(case: dict) -> Work:
        import diffrax as dfx
        import jax.numpy as jnp

        problem = PROBLEMS[case["problem"]]

        def solve(y0, args, tolerance):
            solver = getattr(dfx, name)()
            sol = diffrax_solve(problem.make(jnp), problem.t0, problem.t1, y0, args, tolerance, solver=solver)
            return sol.ys[0], *diffrax_stats(sol)

        return jax_work(solve, lambda tolerance: (problem.y0, problem.args, tolerance), report, case["points"])

    return prepare


def picture(results: Results, path: Path) -> None:
    work_precision_picture(results, path, "relative error of the final state")


TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13)
BENCHMARK = Benchmark(
    name="work_precision",
    title="time against error for every explicit method",
    contenders=[
        *(Contender(f"ours_{name}", ours(name)) for name in METHODS),
        *(Contender(f"diffrax_{name}", diffrax(name), ("diffrax",)) for name in ("Tsit5", "Dopri8")),
    ],
    cases=[Case(name, {"problem": name}, TOLERANCES) for name in ("lotka_volterra", "pleiades")],
    smoke_cases=[
        Case(
            "lotka_volterra",
            {"problem": "lotka_volterra"},
            (1e-3, 1e-4),
            ("ours_Euler", "ours_Tsit5", "ours_Vern9", "diffrax_Tsit5"),
        )
    ],
    judge=lambda results: [],
    reference=lambda case: {"y": PROBLEMS[case.parameters["problem"]].reference},
    picture=picture,
    base="ours_Tsit5",
    rounds=3,
    budget_seconds=1.0,
    notes=[
        "Methods without an error estimate take constant steps.",
        f"A solve that needs more than {STEPS_AT_MOST} steps has no error and is left out of the picture.",
    ],
)

if __name__ == "__main__":
    BENCHMARK.main()
