"""Five small stiff problems, most of them of chemistry: time against achieved error for ours, CVODE, diffrax and SciPy.

Errors are root mean squares over the components of |y - reference| / (|reference| + unit), where `unit` is zero but for
E5, two of whose species have died out. Every contender gets the same absolute tolerance: rtol times a weight for each
component, which stands below.
"""

import json
import math
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .contenders import Case, Contender, Work, compile_c, jax_work
from .harness import Benchmark
from .peers import diffrax_solve, diffrax_stats
from .pictures import work_precision_picture
from .results import Missing, Results, at_least


class Setting(NamedTuple):
    """`weight`: the absolute over the relative tolerance (`None`: the size of each component at the end); `unit`: what
    is added to the sizes in relative errors; `target`: the error at which times are compared."""

    weight: float | None
    unit: float = 0.0
    target: float = 1e-6


SETTINGS = {
    "hires": Setting(1e-4),
    "orego": Setting(1.0),
    "pollu": Setting(None),
    "van_der_pol_scaled": Setting(1.0),
    # what is left is ten billion times less than what was: rounding alone makes errors near 1e-6
    "e5": Setting(1e-20, unit=1e-20, target=1e-5),
}
STEPS_AT_MOST = 20_000


def _problem(case: dict):
    from sciml_jax.data import problems

    return getattr(problems, case["problem"])()


def _weights(case: dict) -> np.ndarray:
    problem, weight = _problem(case), SETTINGS[case["problem"]].weight
    return np.abs(problem.reference) if weight is None else np.full(len(problem.y0), weight)


def _reporter(case: dict):
    reference, unit = _problem(case).reference, SETTINGS[case["problem"]].unit

    def report(output) -> dict[str, Any]:
        y, accepted, rejected = output
        # distance from ones is the error of the head of this module
        scaled = 1 + (np.asarray(y) - reference) / (np.abs(reference) + unit)
        return {"answer": {"y": scaled}, "accepted": int(accepted), "rejected": int(rejected)}

    return report


def _jax(solve, case: dict) -> Work:
    problem, weights = _problem(case), _weights(case)

    def arguments(tolerance):
        return problem.y0, problem.args, tolerance, tolerance * weights

    return jax_work(solve, arguments, _reporter(case), case["points"])


def ours(method: str):
    def prepare(case: dict) -> Work:
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        field = _problem(case).field

        def solve(y0, args, rtol, atol):
            options = {"method": getattr(sj, method)(), "rtol": rtol, "atol": atol, "max_steps": STEPS_AT_MOST}
            sol = sj.solve_ode(field, (0.0, case["t1"]), y0, args, throw=False, **options)
            y = jnp.where(sol.result == sj.RESULT.successful, sol.y, jnp.nan)
            return y, sol.stats["accepted"], sol.stats["rejected"]

        return _jax(solve, case)

    return prepare


def diffrax(method: str):
    def prepare(case: dict) -> Work:
        import diffrax as dfx
        import jax
        import jax.numpy as jnp

        field = _problem(case).field

        def solve(y0, args, rtol, atol):
            options = {"solver": getattr(dfx, method)(), "max_steps": STEPS_AT_MOST}
            sol = diffrax_solve(field, 0.0, case["t1"], y0, args, rtol, atol=atol, **options)
            y = jnp.where(sol.result == dfx.RESULTS.successful, jax.tree.leaves(sol.ys)[0][0], jnp.nan)
            return y, *diffrax_stats(sol)

        return _jax(solve, case)

    return prepare


def scipy(case: dict) -> Work:
    from scipy.integrate import solve_ivp

    from . import stiff_python

    problem, weights = _problem(case), _weights(case)
    field, jacobian = getattr(stiff_python, case["problem"])(problem.args)

    def call(tolerance):
        options = {"method": "LSODA", "jac": jacobian, "rtol": tolerance, "atol": tolerance * weights}
        sol = solve_ivp(field, (0.0, case["t1"]), problem.y0, t_eval=[case["t1"]], **options)
        return sol.y[:, -1] if sol.success else np.full_like(problem.y0, math.nan), sol.nfev, 0

    return Work(call, _reporter(case))


def cvode(case: dict) -> Work:
    libraries = ("sundials_cvode", "sundials_nvecserial", "sundials_sunmatrixdense", "sundials_sunlinsoldense")
    program = compile_c(Path(__file__).with_name("stiff.c"), libraries)
    weights, report = _weights(case), _reporter(case)

    def run(tolerance, solves: int) -> dict:
        numbers = [tolerance, case["t1"], solves, *weights.tolist()]
        command = [str(program), case["problem"], *map(repr, numbers)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def call(point):
        out = run(point, 1)
        y = np.asarray(out["y"])
        return np.where(out["failed"], math.nan, y), out["accepted"], out["rejected"]

    return Work(call, report, clock=lambda point, calls: run(point, calls)["times"])


OURS = ("Rodas5P", "Rodas4", "Kvaerno5", "Radau5", "BDF", "Rosenbrock23")
DIFFRAX = ("Kvaerno5", "Kvaerno4", "Kvaerno3")
CASES = {
    "HIRES, t = 321.8122": ("hires", 321.8122),
    "OREGO, t = 360": ("orego", 360.0),
    "POLLU, t = 60": ("pollu", 60.0),
    "Van der Pol, eps = 1e-6, t = 2": ("van_der_pol_scaled", 2.0),
    "E5, t = 1e11": ("e5", 1e11),
}


def best_seconds_at(results: Results, case: str, contenders: Sequence[str], error: float) -> float:
    """The shortest time at an achieved error among the contenders that reach it."""
    found = []
    for name in contenders:
        try:
            found.append(results.seconds_at(case, name, error))
        except Missing:
            continue
    if not found:
        raise Missing(f"any of {', '.join(contenders)} at error {error:g} on {case}")
    return min(found)


def judge(results: Results) -> list:
    bars = []
    for case, (problem, _) in CASES.items():
        target = SETTINGS[problem].target

        def ratio(peers, case=case, target=target):
            mine = best_seconds_at(results, case, [f"ours_{name}" for name in OURS], target)
            return best_seconds_at(results, case, peers, target) / mine

        name, peers = case.split(",")[0], [f"diffrax_{method}" for method in DIFFRAX]
        at = f"over our best at error {target:g}"
        bars += [
            at_least(f"{name}: CVODE's time {at}, at least 1", 1.0, partial(ratio, ["cvode"])),
            at_least(f"{name}: diffrax's best time {at}, at least 20", 20.0, partial(ratio, peers)),
        ]
    return bars


def picture(results: Results, path: Path) -> None:
    targets = {case: SETTINGS[problem].target for case, (problem, _) in CASES.items()}
    work_precision_picture(results, path, "root mean square of the relative errors", target=targets)


def _smoke(name: str, problem: str, t1: float, *contenders: str) -> Case:
    return Case(name, {"problem": problem, "t1": t1}, (1e-3, 1e-4), contenders)


POINTS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
BENCHMARK = Benchmark(
    name="stiff_chemistry",
    title="HIRES, OREGO, POLLU, Van der Pol, E5, float64, time at equal error",
    contenders=[
        *(Contender(f"ours_{name}", ours(name)) for name in OURS),
        Contender("cvode", cvode, ("cc", "cvode")),
        # the problems are sciml_jax's: its setting for XLA stays off where diffrax is measured
        *(Contender(f"diffrax_{name}", diffrax(name), ("diffrax",), {"SCIML_JAX_TUNE_XLA": "0"}) for name in DIFFRAX),
        Contender("scipy_LSODA", scipy, ("scipy",)),
    ],
    cases=[Case(name, {"problem": problem, "t1": t1}, POINTS) for name, (problem, t1) in CASES.items()],
    smoke_cases=[
        _smoke("OREGO, t = 1", "orego", 1.0, "ours_Rodas5P", "cvode", "diffrax_Kvaerno5", "scipy_LSODA"),
        _smoke("POLLU, t = 0.1", "pollu", 0.1, "cvode", "scipy_LSODA"),
    ],
    judge=judge,
    reference=lambda case: {"y": np.ones(len(_problem(case.parameters).y0))} if case.name in CASES else {},
    picture=picture,
    base="ours_Rodas5P",
    rounds=2,
    budget_seconds=0.5,
    notes=[
        "atol = rtol times 1e-4 (HIRES), 1 (OREGO, Van der Pol), 1e-20 (E5), the final concentrations (POLLU).",
        "E5: the two species that have died out count in units of 1e-20, and times are compared at an error of 1e-5: "
        "rounding alone leaves about 1e-6 in the other two, whatever the method.",
        "CVODE: variable-order BDF with a dense analytic Jacobian, without allocation in the timed part.",
        "diffrax with its recommended PI controller for implicit methods; SciPy's LSODA with the analytic Jacobian.",
        f"A solve that fails or takes more than {STEPS_AT_MOST} steps (diffrax, ours) has no error and no place.",
    ],
)

if __name__ == "__main__":
    BENCHMARK.main()
