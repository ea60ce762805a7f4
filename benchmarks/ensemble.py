"""Many solves at once on one core: 10,240 Lorenz, 1,000 ROBER, and growth to a million trajectories."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .contenders import Case, Contender, Work, compile_c, jax_work
from .harness import Benchmark
from .peers import diffrax_solve, diffrax_stats
from .problems import lorenz
from .results import Results, at_least, at_most, for_information
from .rober import Y0 as ROBER_Y0
from .rober import rober

EVERY = 64  # trajectories of which one is compared with a tight solve


class Sweep(NamedTuple):
    """A problem with many values of a parameter: its field maker, its start, parameters for n trajectories."""

    make: Callable
    y0: np.ndarray
    args: Callable[[int], tuple]
    axes: tuple  # of the parameters
    method: str
    atol: float  # in units of rtol
    scale: np.ndarray  # of the final states
    stiff: bool = False


def _lorenz(xp) -> Callable:
    """Lorenz's equations, of whose parameters only rho is no constant, in C neither."""
    field = lorenz(xp)
    return lambda t, y, args: field(t, y, (10.0, args[0], 8.0 / 3.0))


def _pendulum(xp) -> Callable:
    """A damped and driven pendulum: two elementary functions, which C's library has for one number at a time only."""
    return lambda t, y, args: xp.stack([y[1], -args[0] * xp.sin(y[0]) - 0.1 * y[1] + 0.3 * xp.cos(t)])


def _toggle(xp) -> Callable:
    """Two genes that repress each other, with Hill's exponents (Gardner, Cantor and Collins, Nature 403, 2000)."""
    return lambda t, y, args: xp.stack([3.0 / (1 + y[1] ** 2.5) - y[0], 3.0 / (1 + y[0] ** args[0]) - y[1]])


SWEEPS = {
    "lorenz": Sweep(
        _lorenz,
        np.array([1.0, 0.0, 0.0]),
        lambda n: (np.linspace(0.0, 21.0, n),),
        (0,),
        "Tsit5",
        1.0,
        np.ones(3),
    ),
    "rober": Sweep(
        rober,
        ROBER_Y0,
        lambda n: (np.logspace(-2, 0, n), 3e7, 1e4),
        (0, None, None),
        "Rodas5P",
        1e-4,
        np.array([1.0, 1e-5, 1.0]),  # concentrations differ by seven decades
        stiff=True,
    ),
    "pendulum": Sweep(
        _pendulum, np.array([1.0, 0.0]), lambda n: (np.linspace(1.0, 3.0, n),), (0,), "Tsit5", 1.0, np.ones(2)
    ),
    "toggle": Sweep(
        _toggle, np.array([0.5, 1.0]), lambda n: (np.linspace(1.0, 3.0, n),), (0,), "Tsit5", 1.0, np.ones(2)
    ),
}


def _work(batched, case: dict) -> Work:
    sweep = SWEEPS[case["problem"]]
    arguments = (sweep.y0, sweep.args(case["n"]), case["tolerance"], sweep.atol * case["tolerance"])

    def report(output) -> dict:
        y, steps = output
        answer = {"y": np.asarray(y)[::EVERY] / sweep.scale}
        return {"answer": answer, "trajectories": len(y), "steps": int(np.sum(steps))}

    return jax_work(batched, lambda point: arguments, report, case["points"])


def ours(backend: str, method: str | None = None, n: int | None = None):
    """Our backends, of a case's number of trajectories or of `n`."""

    def prepare(case: dict) -> Work:
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        sweep = SWEEPS[case["problem"]]
        solver = getattr(sj, method or sweep.method)()

        def solve(y0, args, rtol, atol):
            sol = sj.solve_ensemble(
                sweep.make(jnp),
                (0.0, case["t1"]),
                y0,
                args,
                in_axes=(None, sweep.axes),
                backend=backend,
                method=solver,
                rtol=rtol,
                atol=atol,
            )
            return sol.y, sol.stats["steps"]

        return _work(solve, case if n is None else case | {"n": n})

    return prepare


def diffrax(case: dict) -> Work:
    import diffrax as dfx
    import jax
    import jax.numpy as jnp

    sweep = SWEEPS[case["problem"]]
    solver = dfx.Kvaerno5() if sweep.stiff else dfx.Tsit5()

    def one(y0, args, rtol, atol):
        sol = diffrax_solve(sweep.make(jnp), 0.0, case["t1"], y0, args, rtol, atol=atol, solver=solver)
        accepted, rejected = diffrax_stats(sol)
        return sol.ys[0], accepted + rejected

    return _work(jax.vmap(one, in_axes=(None, sweep.axes, None, None)), case)


def c(case: dict) -> Work:
    program = compile_c(Path(__file__).with_name("lorenz_lanes.c"), flags=["-ffast-math"])

    def run(solves: int) -> dict:
        command = [str(program), str(case["n"]), repr(case["tolerance"]), repr(case["t1"]), str(solves)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return Work(
        call=lambda point: run(1),
        report=lambda out: {"answer": {"y": out["y"]}, "trajectories": case["n"], "steps": out["steps"]},
        clock=lambda point, calls: run(calls)["times"],
    )


def truth(case: Case) -> dict:
    """SciPy at its tightest, for every 64th trajectory; none where only the time is asked for."""
    if case.name == GROWTH:
        return {}
    from scipy.integrate import solve_ivp

    n, t1, name = (case.parameters[key] for key in ("n", "t1", "problem"))
    sweep = SWEEPS[name]
    tightest = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-14}
    if sweep.stiff:
        tightest = {"method": "Radau", "rtol": 1e-10, "atol": 1e-15}
    columns = [np.broadcast_to(column, n)[::EVERY] for column in sweep.args(n)]
    rows = [solve_ivp(sweep.make(np), (0, t1), sweep.y0, args=(k,), **tightest) for k in zip(*columns, strict=True)]
    return {"y": np.stack([row.y[:, -1] for row in rows]) / sweep.scale}


def derive(case: Case, row: dict) -> None:
    row["us_per_trajectory"] = 1e6 * row["seconds"] / row["trajectories"]
    row["ns_per_step"] = 1e9 * row["seconds"] / row["steps"]


LORENZ, ROBER = "10,240 Lorenz, 1e-6", "1,000 ROBER, 1e-6"
FUNCTIONS = {"10,240 pendulums, 1e-6": "pendulum", "10,240 toggle switches, 1e-6": "toggle"}
GROWTH, SIZES = "growth of Lorenz", {f"ours_{n}": n for n in (1_000, 10_000, 100_000, 1_000_000)}


def judge(results: Results) -> list:
    def ratio(case, other, mine, key="seconds"):
        return results.number(case, other, key) / results.number(case, mine, key)

    def build(case, name):
        return sum(results.number(case, name, part) for part in ("trace", "compile"))

    def growth():
        per = [results.number(GROWTH, name, "us_per_trajectory") for name in SIZES]
        return max(per) / min(per)

    def compiled(case, mine, peer):
        return build(case, mine) / build(case, peer)

    return [
        at_least("Lorenz: diffrax's vmap over ours, at least 12", 12.0, lambda: ratio(LORENZ, "diffrax", "ours_lanes")),
        at_most(
            "Lorenz: ours over C in vector instructions, at most 2",
            2.0,
            lambda: 1 / ratio(LORENZ, "c", "ours_lanes", "ns_per_step"),
        ),
        for_information("Lorenz: our vmap over our lanes", lambda: ratio(LORENZ, "ours_vmap", "ours_lanes")),
        at_least(
            "ROBER: diffrax's Kvaerno5 under vmap over ours, at least 60",
            60.0,
            lambda: ratio(ROBER, "diffrax", "ours_lanes"),
        ),
        *(
            for_information(f"{name}: diffrax's vmap over ours", lambda name=name: ratio(name, "diffrax", "ours_lanes"))
            for name in FUNCTIONS
        ),
        at_most("a million against a thousand: time a trajectory, largest over smallest, at most 1.1", 1.1, growth),
        at_most(
            "Lorenz: trace + compile over diffrax's vmap, at most 1",
            1.0,
            lambda: compiled(LORENZ, "ours_lanes", "diffrax"),
        ),
        at_most(
            "ROBER: trace + compile over diffrax's vmap, at most 1",
            1.0,
            lambda: compiled(ROBER, "ours_lanes", "diffrax"),
        ),
    ]


ALL = ("ours_lanes", "ours_vmap", "diffrax", "c")
PLAIN = ("ours_lanes", "ours_vmap", "diffrax")
ROBERS = ("ours_lanes", "ours_Rodas4", "ours_vmap", "diffrax")
BENCHMARK = Benchmark(
    name="ensemble",
    title="ensembles in float64 on one core, final states",
    contenders=[
        Contender("ours_lanes", ours("lanes")),
        Contender("ours_Rodas4", ours("lanes", "Rodas4")),
        Contender("ours_vmap", ours("vmap")),
        Contender("diffrax", diffrax, ("diffrax",)),
        Contender("c", c, ("cc",)),
        *(Contender(name, ours("lanes", n=n)) for name, n in SIZES.items()),
    ],
    cases=[
        Case(LORENZ, {"problem": "lorenz", "n": 10_240, "t1": 1.0, "tolerance": 1e-6}, contenders=ALL),
        Case(ROBER, {"problem": "rober", "n": 1_000, "t1": 1e5, "tolerance": 1e-6}, contenders=ROBERS),
        *(
            Case(name, {"problem": problem, "n": 10_240, "t1": 10.0, "tolerance": 1e-6}, contenders=PLAIN)
            for name, problem in FUNCTIONS.items()
        ),
        Case(GROWTH, {"problem": "lorenz", "t1": 1.0, "tolerance": 1e-6}, contenders=tuple(SIZES)),
    ],
    smoke_cases=[
        Case("128 Lorenz", {"problem": "lorenz", "n": 128, "t1": 0.2, "tolerance": 1e-3}, contenders=ALL),
        Case("4 ROBER", {"problem": "rober", "n": 4, "t1": 1.0, "tolerance": 1e-3}, contenders=("ours_lanes",)),
        Case(
            "128 pendulums", {"problem": "pendulum", "n": 128, "t1": 0.2, "tolerance": 1e-3}, contenders=("ours_lanes",)
        ),
    ],
    judge=judge,
    reference=truth,
    derive=derive,
    rounds=5,
    budget_seconds=20.0,
    notes=[
        "A step is an attempt, accepted or not, of a trajectory.",
        "rho of Lorenz runs from 0 to 21, k1 of ROBER from 0.01 to 1 in equal ratios.",
        "Pendulums: y'' = -a sin y - 0.1 y' + 0.3 cos t, a from 1 to 3; toggle switches: exponents 2.5 and 1 to 3.",
        "C: 64 trajectories in lock step in a loop that the compiler vectorises, with -ffast-math.",
        "Errors are those of every 64th trajectory; concentrations of ROBER are divided by 1, 1e-5 and 1.",
        "Growth: all sizes in turns. Neighbours wait for each other, 6 % of the time of a thousand, whose grid is "
        "coarse; seven runs gave 1.07 to 1.35, median 1.11, as the machine was more or less quiet.",
    ],
)

if __name__ == "__main__":
    BENCHMARK.main()
