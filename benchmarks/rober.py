"""Robertson's reaction to t = 1e5: time against achieved error, against CVODE in C, diffrax and SciPy.

Errors are root mean squares of the relative errors of the three concentrations, which differ by seven decades.
"""

import json
import subprocess
from pathlib import Path

import numpy as np

from .contenders import Case, Contender, Work, compile_c, jax_work
from .harness import Benchmark
from .peers import diffrax_solve, diffrax_stats
from .pictures import work_precision_picture
from .results import Results, at_least, at_most

# H. H. Robertson 1966, here as ROBER in Hairer & Wanner II, IV.10, eq. 10.1
RATES, Y0 = (0.04, 3e7, 1e4), np.array([1.0, 0.0, 0.0])
# at t = 1e5; agrees with our tightest solves by three methods to the digits given
REFERENCE = np.array([1.786592114232e-2, 7.27475146853e-8, 0.98213400611])
TARGET = 1e-6


def rober(xp):
    def field(t, y, k):
        a, b, c = k[0] * y[0], k[2] * y[1] * y[2], k[1] * y[1] * y[1]
        return xp.stack([b - a, a - b - c, c])

    return field


def _report(output) -> dict:
    y, accepted, rejected = output
    return {"answer": {"y": np.asarray(y) / REFERENCE}, "accepted": int(accepted), "rejected": int(rejected)}


def _jax(solve, case: dict) -> Work:
    return jax_work(solve, lambda tolerance: (Y0, RATES, tolerance), _report, case["points"])


def ours(method: str):
    def prepare(case: dict) -> Work:
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        def solve(y0, k, tolerance):
            options = {"method": getattr(sj, method)(), "rtol": tolerance, "atol": 1e-4 * tolerance}
            sol = sj.solve_ode(rober(jnp), (0.0, case["t1"]), y0, k, throw=False, **options)
            return sol.y, sol.stats["accepted"], sol.stats["rejected"]

        return _jax(solve, case)

    return prepare


def diffrax(method: str):
    def prepare(case: dict) -> Work:
        import diffrax as dfx
        import jax.numpy as jnp

        def solve(y0, k, tolerance):
            options = {"solver": getattr(dfx, method)(), "atol": 1e-4 * tolerance}
            sol = diffrax_solve(rober(jnp), 0.0, case["t1"], y0, k, tolerance, **options)
            return sol.ys[0], *diffrax_stats(sol)

        return _jax(solve, case)

    return prepare


def scipy(case: dict) -> Work:
    from scipy.integrate import solve_ivp

    def field(t, y):
        a, b, c = RATES[0] * y[0], RATES[2] * y[1] * y[2], RATES[1] * y[1] * y[1]
        return [b - a, a - b - c, c]

    def jacobian(t, y):
        k = RATES
        return [
            [-k[0], k[2] * y[2], k[2] * y[1]],
            [k[0], -k[2] * y[2] - 2 * k[1] * y[1], -k[2] * y[1]],
            [0.0, 2 * k[1] * y[1], 0.0],
        ]

    def call(tolerance):
        options = {"method": "LSODA", "jac": jacobian, "rtol": tolerance, "atol": 1e-4 * tolerance}
        sol = solve_ivp(field, (0.0, case["t1"]), Y0, t_eval=[case["t1"]], **options)
        return sol.y[:, -1], sol.nfev, 0

    return Work(call, _report)


def cvode(case: dict) -> Work:
    libraries = ("sundials_cvode", "sundials_nvecserial", "sundials_sunmatrixdense", "sundials_sunlinsoldense")
    program = compile_c(Path(__file__).with_name("rober.c"), libraries)

    def run(tolerance, solves: int) -> dict:
        command = [str(program), repr(tolerance), repr(case["t1"]), str(solves)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return Work(
        call=lambda point: run(point, 1),
        report=lambda out: _report((out["y"], out["accepted"], out["rejected"])),
        clock=lambda point, calls: run(point, calls)["times"],
    )


METHODS = ("Rodas5P", "Rodas4", "Rodas42", "Rodas3", "Rosenbrock23")
DIFFRAX = ("Kvaerno5", "Kvaerno4", "Kvaerno3")
NAME = "ROBER, t = 1e5"


def judge(results: Results) -> list:
    def time(names):
        return min(results.seconds_at(NAME, name, TARGET) for name in names)

    mine = ("ours_Rodas5P", "ours_Rodas4")
    peers = ("diffrax_Kvaerno5", "diffrax_Kvaerno4")

    def build(name):
        return sum(results.number(NAME, name, part, POINTS[0]) for part in ("trace", "compile"))

    return [
        at_least("CVODE's time over ours at error 1e-6, at least 5", 5.0, lambda: time(["cvode"]) / time(mine)),
        at_least("diffrax's best over ours at error 1e-6, at least 50", 50.0, lambda: time(peers) / time(mine)),
        at_most(
            "trace + compile of Rodas5P over diffrax's Kvaerno5, at most 0.5",
            0.5,
            lambda: build("ours_Rodas5P") / build("diffrax_Kvaerno5"),
        ),
    ]


def picture(results: Results, path: Path) -> None:
    work_precision_picture(results, path, "root mean square of the relative errors", target=TARGET)


POINTS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
BENCHMARK = Benchmark(
    name="rober",
    title="Robertson's reaction, float64, atol = 1e-4 rtol, time at equal error",
    contenders=[
        *(Contender(f"ours_{name}", ours(name)) for name in METHODS),
        Contender("cvode", cvode, ("cc", "cvode")),
        *(Contender(f"diffrax_{name}", diffrax(name), ("diffrax",)) for name in DIFFRAX),
        Contender("scipy_LSODA", scipy, ("scipy",)),
    ],
    cases=[Case(NAME, {"t1": 1e5}, POINTS)],
    smoke_cases=[
        Case("t = 1", {"t1": 1.0}, (1e-3, 1e-4), ("ours_Rodas5P", "cvode", "diffrax_Kvaerno5", "scipy_LSODA"))
    ],
    judge=judge,
    reference=lambda case: {"y": np.ones(3)} if case.name == NAME else {},
    picture=picture,
    base="ours_Rodas5P",
    rounds=3,
    budget_seconds=2.0,
    notes=[
        "CVODE: variable-order BDF with a dense analytic Jacobian, without allocation in the timed part.",
        "diffrax with its recommended PI controller for implicit methods; SciPy's LSODA with the analytic Jacobian.",
    ],
)

if __name__ == "__main__":
    BENCHMARK.main()
