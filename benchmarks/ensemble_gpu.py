"""Many solves at once on a GPU: 8,192 and 8.39 million Lorenz in float32, adaptive and in fixed steps, in one command.

Without a GPU only `--smoke` runs: the kernel is interpreted then, and nothing is judged.
"""

import shutil
import sys

import numpy as np

from .contenders import Case, Contender, Work, jax_work
from .ensemble import SWEEPS
from .harness import Benchmark
from .peers import diffrax_solve, diffrax_stats
from .results import Results, at_least, at_most, for_information

GPU = shutil.which("nvidia-smi") is not None
ENV = {"JAX_PLATFORMS": "cuda" if GPU else "cpu", "JAX_ENABLE_X64": "0"}
FEW, MANY = 8_192, 8_388_608
T1, TOLERANCE, DT = 1.0, 1e-8, 1e-3  # those of DiffEqGPU.jl's published times
SWEEP = SWEEPS["lorenz"]
EVERY = 4096  # trajectories of which one is reported


def _rhos(n: int) -> np.ndarray:
    return SWEEP.args(n)[0].astype(np.float32)


def _work(batched, case: dict) -> Work:
    rhos = _rhos(case["n"])
    y0 = SWEEP.y0.astype(np.float32)

    def report(output) -> dict:
        y, steps = output
        return {
            "answer": {"y": np.asarray(y)[:: min(EVERY, len(rhos) // 2)]},
            "steps": int(np.sum(steps, dtype=np.int64)),
        }

    return jax_work(batched, lambda point: (y0, (rhos,)), report, case["points"])


def ours(backend: str, chunk: int | None = None):
    def prepare(case: dict) -> Work:
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        steps = {"dt": DT} if case["fixed"] else {"rtol": TOLERANCE, "atol": TOLERANCE}

        def solve(y0, args):
            options = {"in_axes": (None, SWEEP.axes), "backend": backend, "chunk": chunk, **steps}
            sol = sj.solve_ensemble(SWEEP.make(jnp), (0.0, case["t1"]), y0, args, **options)
            return sol.y, sol.stats["steps"]

        return _work(solve, case)

    return prepare


def diffrax(case: dict) -> Work:
    import jax
    import jax.numpy as jnp

    def one(y0, args):
        dt = DT if case["fixed"] else None
        sol = diffrax_solve(SWEEP.make(jnp), 0.0, case["t1"], y0, args, TOLERANCE, dt=dt)
        return sol.ys[0], sum(diffrax_stats(sol))

    return _work(jax.vmap(one, in_axes=(None, SWEEP.axes)), case)


def truth(case: Case) -> dict:
    """SciPy in float64, for a few trajectories."""
    from scipy.integrate import solve_ivp

    n, t1 = case.parameters["n"], case.parameters["t1"]
    rhos = _rhos(n)[:: min(EVERY, n // 2)]
    solve = lambda rho: solve_ivp(  # noqa: E731
        SWEEP.make(np), (0, t1), SWEEP.y0, args=((float(rho),),), method="DOP853", rtol=1e-12, atol=1e-13
    )
    return {"y": np.stack([solve(rho).y[:, -1] for rho in rhos])}


def derive(case: Case, row: dict) -> None:
    row["ns_per_trajectory"] = 1e9 * row["seconds"] / case.parameters["n"]


KERNELS = ("kernel_32", "kernel_64", "kernel_128")
NAMES = {
    (n, fixed): f"{n:,} Lorenz, {'fixed' if fixed else 'adaptive'}" for n in (FEW, MANY) for fixed in (False, True)
}


def judge(results: Results) -> list:
    bars = []
    for name in NAMES.values():
        ratio = lambda name=name: results.number(name, "diffrax") / results.best(name, KERNELS)  # noqa: E731
        bars.append(at_least(f"{name}: diffrax's vmap over our kernel, at least 30", 30.0, ratio))
        batch = lambda name=name: results.number(name, "vmap") / results.best(name, KERNELS)  # noqa: E731
        bars.append(for_information(f"{name}: our vmap over our kernel", batch))
    large = NAMES[MANY, False]
    bars.append(at_most(f"{large}: milliseconds, at most 20", 20.0, lambda: 1e3 * results.best(large, KERNELS)))
    return bars


BENCHMARK = Benchmark(
    name="ensemble_gpu",
    title="ensembles in float32 on a GPU, final states",
    contenders=[
        *(Contender(f"kernel_{lanes}", ours("kernel", lanes), env=ENV) for lanes in (32, 64, 128)),
        Contender("vmap", ours("vmap"), env=ENV),
        Contender("diffrax", diffrax, ("diffrax",), env=ENV),
    ],
    cases=[Case(name, {"n": n, "fixed": fixed, "t1": T1}) for (n, fixed), name in NAMES.items()],
    smoke_cases=[Case("64 Lorenz", {"n": 64, "fixed": False, "t1": 0.1}, contenders=("kernel_32", "diffrax"))],
    judge=judge,
    reference=truth,
    derive=derive,
    base="kernel_32",
    rounds=5,
    budget_seconds=20.0,
    notes=[
        "rho runs from 0 to 21; adaptive: Tsit5 with rtol = atol = 1e-8; fixed: steps of 1e-3; t = 1.",
        "kernel_32: 32 trajectories to a program of the kernel, which ends with the slowest of them.",
        "DiffEqGPU.jl published, on a V100, 0.368 and 0.239 ms for 8,192, and 69.5 and 145 ms for 8.39 million.",
    ],
)

if __name__ == "__main__":
    if not GPU and "--smoke" not in sys.argv:
        print("ensemble_gpu needs a GPU (nvidia-smi is not there): --smoke runs a small case without one")
    else:
        BENCHMARK.main()
