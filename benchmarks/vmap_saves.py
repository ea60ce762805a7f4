"""vmap over 16 Lorenz solves with 500 saved times each, against the sixteen one after another."""

import numpy as np

from .contenders import Case, Contender, Work, jax_work
from .harness import Benchmark
from .peers import diffrax_solve
from .problems import PROBLEMS, lorenz
from .results import Results, at_most

LORENZ = PROBLEMS["lorenz"]


def _starts(case: dict) -> np.ndarray:
    return LORENZ.y0 + np.random.default_rng(0).normal(size=(case["solves"], 3))


def _work(batched, case: dict) -> Work:
    arguments = (_starts(case), LORENZ.args, case["t1"], 1e-8)
    return jax_work(batched, lambda point: arguments, lambda y: {"rows": len(y) * y[0].shape[0]}, case["points"])


def ours(how: str):
    def prepare(case: dict) -> Work:
        import jax
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        def solve(y0, args, t1, tolerance):
            ts = jnp.linspace(0.0, t1, case["saved"])
            return sj.solve_ode(
                lorenz(jnp), (0.0, t1), y0, args, rtol=tolerance, atol=tolerance, save=ts, throw=False
            ).y

        if how == "vmap":
            return _work(jax.vmap(solve, in_axes=(0, None, None, None)), case)
        if how == "map":
            return _work(lambda y0s, *rest: jax.lax.map(lambda y0: solve(y0, *rest), y0s), case)
        # sixteen calls of one compiled solve
        starts = [jnp.asarray(y0) for y0 in _starts(case)]
        rest = (LORENZ.args, case["t1"], 1e-8)
        one = jax_work(solve, lambda i: (starts[i], *rest), lambda y: {}, list(range(len(starts))))
        return Work(
            lambda point: [one.call(i) for i in range(len(starts))],
            lambda y: {"rows": len(y) * y[0].shape[0]},
            one.build,
        )

    return prepare


def diffrax(case: dict) -> Work:
    import diffrax as dfx
    import jax
    import jax.numpy as jnp

    def solve(y0, args, t1, tolerance):
        saveat = dfx.SaveAt(ts=jnp.linspace(0.0, t1, case["saved"]))
        return diffrax_solve(lorenz(jnp), 0.0, t1, y0, args, tolerance, saveat=saveat).ys

    return _work(jax.vmap(solve, in_axes=(0, None, None, None)), case)


def judge(results: Results) -> list:
    case = "16 solves, 500 times"

    def ratio(other):
        return results.number(case, "ours_vmap") / results.number(case, other)

    return [
        at_most("vmap over the sixteen one after another, at most 1", 1.0, lambda: ratio("ours_loop")),
        at_most("vmap over the sixteen in one compiled lax.map, at most 1", 1.0, lambda: ratio("ours_map")),
    ]


BENCHMARK = Benchmark(
    name="vmap_saves",
    title="16 Lorenz solves to t = 20 at 1e-8 with 500 saved times each",
    contenders=[
        Contender("ours_vmap", ours("vmap")),
        Contender("ours_loop", ours("loop")),
        Contender("ours_map", ours("map")),
        Contender("diffrax_vmap", diffrax, ("diffrax",)),
    ],
    cases=[Case("16 solves, 500 times", {"solves": 16, "saved": 500, "t1": 20.0})],
    smoke_cases=[Case("4 solves, 10 times", {"solves": 4, "saved": 10, "t1": 0.5})],
    judge=judge,
    notes=["ours_loop calls one compiled solve from Python; ours_map runs all in one compiled loop."],
)

if __name__ == "__main__":
    BENCHMARK.main()
