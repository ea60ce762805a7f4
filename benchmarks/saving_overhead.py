"""What saved times, an event and dense output cost on top of the plain Lorenz solve."""

from .contenders import Case, Contender, Work, jax_work
from .harness import Benchmark
from .peers import diffrax_solve, diffrax_stats
from .problems import PROBLEMS, lorenz
from .results import Results, at_most

LORENZ = PROBLEMS["lorenz"]
SAVED = 101


def _report(output) -> dict:
    accepted, rejected, *_ = output
    return {"accepted": int(accepted), "rejected": int(rejected)}


def ours(variant: str):
    """Our solve with one option; every array of the solution is an output, so that nothing is optimised away."""

    def prepare(case: dict) -> Work:
        import equinox as eqx
        import jax
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        far = sj.Event(lambda t, y, args: y[2] + 100.0)
        upward = sj.Event(lambda t, y, args: y[2] - 27.0, direction=1, terminate=False)
        options = {
            "plain": lambda t1: {},
            "saved": lambda t1: {"save": jnp.linspace(0.0, t1, SAVED)},
            "dense": lambda t1: {"save": sj.Dense()},
            "event_watched": lambda t1: {"events": [far]},
            "event_crossed": lambda t1: {"events": [upward]},
        }[variant]

        def solve(y0, args, t1, tolerance):
            sol = sj.solve_ode(
                lorenz(jnp), (0.0, t1), y0, args, rtol=tolerance, atol=tolerance, throw=False, **options(t1)
            )
            return sol.stats["accepted"], sol.stats["rejected"], jax.tree.leaves(eqx.filter(sol, eqx.is_array))

        return jax_work(solve, lambda point: (LORENZ.y0, LORENZ.args, case["t1"], 1e-8), _report, case["points"])

    return prepare


def diffrax(variant: str):
    def prepare(case: dict) -> Work:
        import diffrax as dfx
        import jax.numpy as jnp

        def solve(y0, args, t1, tolerance):
            saveat = {
                "plain": lambda: dfx.SaveAt(t1=True),
                "saved": lambda: dfx.SaveAt(ts=jnp.linspace(0.0, t1, SAVED)),
                "dense": lambda: dfx.SaveAt(dense=True),
            }[variant]()
            steps = 4096 if variant == "dense" else None
            sol = diffrax_solve(lorenz(jnp), 0.0, t1, y0, args, tolerance, saveat=saveat, max_steps=steps)
            return *diffrax_stats(sol), sol.ys if variant != "dense" else sol.interpolation

        return jax_work(solve, lambda point: (LORENZ.y0, LORENZ.args, case["t1"], 1e-8), _report, case["points"])

    return prepare


def judge(results: Results) -> list:
    def cost(variant):
        return results.number("t1=20", f"ours_{variant}") / results.number("t1=20", "ours_plain")

    return [
        at_most("101 saved times over the plain solve, at most 1.3", 1.3, lambda: cost("saved")),
        at_most("an event that is watched but never happens, at most 1.5", 1.5, lambda: cost("event_watched")),
        at_most("an event that happens at every turn, at most 1.5", 1.5, lambda: cost("event_crossed")),
        at_most("dense output, at most 1.5", 1.5, lambda: cost("dense")),
    ]


VARIANTS = ("plain", "saved", "event_watched", "event_crossed", "dense")
BENCHMARK = Benchmark(
    name="saving_overhead",
    title="Lorenz, Tsit5, 1e-8: saved times, events and dense output against the plain solve",
    contenders=[
        *(Contender(f"ours_{v}", ours(v)) for v in VARIANTS),
        *(Contender(f"diffrax_{v}", diffrax(v), ("diffrax",)) for v in ("plain", "saved", "dense")),
    ],
    cases=[Case("t1=20", {"t1": 20.0})],
    smoke_cases=[Case("t1=0.5", {"t1": 0.5})],
    judge=judge,
    notes=["Every array of a solution is an output of the compiled function, the dense buffers too."],
)

if __name__ == "__main__":
    BENCHMARK.main()
