"""Euler-Maruyama on many paths of geometric Brownian motion: increments drawn on the way, and reconstructible paths.

All contenders take the same steps of the same method, so their errors have the same distribution: means and standard
deviations of the ends are held against those of the method's own recursion.
"""

import math

import numpy as np

from .contenders import Case, Contender, Work, jax_work
from .harness import Benchmark
from .results import Results, at_least, at_most, for_information

MU, SIGMA = 1.5, 0.2
SINGLE = {"JAX_ENABLE_X64": "0"}


def expected(steps: int) -> tuple[float, float]:
    """Mean and standard deviation of the method's end, from 1."""
    h = 1 / steps
    mean, square = (1 + MU * h) ** steps, ((1 + MU * h) ** 2 + SIGMA**2 * h) ** steps
    return mean, math.sqrt(square - mean**2)


def report_of(case: dict):
    def report(ends) -> dict:
        ends = np.asarray(ends, float).ravel()
        mean, deviation = expected(case["steps"])
        # in standard errors of n normal numbers
        off = abs(ends.mean() - mean) / deviation * math.sqrt(len(ends))
        spread = abs(ends.std() / deviation - 1) * math.sqrt(2 * len(ends))
        return {"mean": float(ends.mean()), "off": max(off, spread), "steps": case["steps"]}

    return report


def ours(kind: str):
    def prepare(case: dict) -> Work:
        import jax
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        tree = lambda span, shape, key: sj.BrownianTree(span, shape, key, depth=case["levels"])  # noqa: E731
        path = tree if kind == "tree" else None
        drift, diffusion = (lambda t, y, args: MU * y), (lambda t, y, args: SIGMA * y)
        options = {"method": sj.EulerMaruyama(), "steps": case["steps"], "throw": False}

        def one(key):
            return sj.solve_sde(drift, diffusion, (0.0, 1.0), jnp.float32(1.0), key, path=path, **options).y

        def ensemble(keys):
            field = sj.Stochastic(drift, diffusion, path=path)
            axes = {"in_axes": (None, None), "backend": "lanes"}
            return sj.solve_ensemble(field, (0.0, 1.0), jnp.float32(1.0), key=keys, **axes, **options).y

        keys = jax.random.key_data(jax.random.split(jax.random.key(0), case["paths"]))
        solve = jax.vmap(one) if kind == "vmap" else ensemble
        return jax_work(solve, lambda point: (keys,), report_of(case), case["points"])

    return prepare


def diffrax(kind: str):
    """Its plain loop, without a way back; `tol` is half a step, so that every step sees its own numbers."""

    def prepare(case: dict) -> Work:
        import diffrax as dfx
        import jax
        import jax.numpy as jnp

        h = 1 / case["steps"]

        def one(key):
            key = jax.random.wrap_key_data(key)
            if kind == "tree":
                path = dfx.VirtualBrownianTree(0.0, 1.0, tol=2.0 ** -case["levels"], shape=(), key=key)
            else:
                path = dfx.UnsafeBrownianPath(shape=(), key=key)
            terms = dfx.MultiTerm(
                dfx.ODETerm(lambda t, y, args: MU * y), dfx.ControlTerm(lambda t, y, args: SIGMA * y, path)
            )
            options = {"adjoint": dfx.ForwardMode(), "max_steps": None, "throw": False}
            return dfx.diffeqsolve(terms, dfx.Euler(), 0.0, 1.0, h, jnp.float32(1.0), **options).ys[0]

        keys = jax.random.key_data(jax.random.split(jax.random.key(0), case["paths"]))
        return jax_work(jax.vmap(one), lambda point: (keys,), report_of(case), case["points"])

    return prepare


def torchsde(case: dict) -> Work:
    import torch
    import torchsde as tsde

    torch.set_num_threads(1)
    torch.manual_seed(0)

    class Equation(torch.nn.Module):
        noise_type, sde_type = "diagonal", "ito"

        def f(self, t, y):
            return MU * y

        def g(self, t, y):
            return SIGMA * y

    equation, y0 = Equation(), torch.ones((case["paths"], 1), dtype=torch.float32)
    times, h = torch.tensor([0.0, 1.0]), 1 / case["steps"]

    def call(point):
        with torch.no_grad():
            return tsde.sdeint(equation, y0, times, method="euler", dt=h)[-1]

    return Work(call, lambda ends: report_of(case)(ends.numpy()))


def judge(results: Results) -> list:
    case = MAIN

    def over(peer: str, mine: str):
        return lambda: results.number(case, peer) / results.number(case, mine)

    def furthest() -> float:
        return max(results.number(case, name, "off") for name in ("ours_vmap", "ours_lanes", "ours_tree"))

    return [
        at_least("diffrax's UnsafeBrownianPath over ours, at least 3", 3.0, over("diffrax_unsafe", "ours_vmap")),
        at_least("diffrax's VirtualBrownianTree over ours, at least 40", 40.0, over("diffrax_tree", "ours_vmap")),
        at_least("torchsde over ours, at least 5", 5.0, over("torchsde", "ours_vmap")),
        at_least("trees: diffrax's over ours, at least 5", 5.0, over("diffrax_tree", "ours_tree")),
        for_information("our lanes over our vmap", over("ours_lanes", "ours_vmap")),
        at_most("our moments: furthest from the recursion's, in standard errors, at most 4.5", 4.5, furthest),
    ]


def derive(case: Case, row: dict) -> None:
    row["ns_per_step"] = 1e9 * row["seconds"] / (case.parameters["paths"] * case.parameters["steps"])


MAIN = "4,096 paths, 256 steps"
BENCHMARK = Benchmark(
    name="euler_maruyama",
    title="Euler-Maruyama on paths of geometric Brownian motion, float32",
    contenders=[
        Contender("ours_vmap", ours("vmap"), env=SINGLE),
        Contender("ours_lanes", ours("lanes"), env=SINGLE),
        Contender("ours_tree", ours("tree"), env=SINGLE),
        Contender("diffrax_unsafe", diffrax("unsafe"), ("diffrax",), env=SINGLE),
        Contender("diffrax_tree", diffrax("tree"), ("diffrax",), env=SINGLE),
        Contender("torchsde", torchsde, ("torch", "torchsde")),
    ],
    cases=[Case(MAIN, {"paths": 4096, "steps": 256, "levels": 9})],
    smoke_cases=[Case("64 paths, 8 steps", {"paths": 64, "steps": 8, "levels": 4})],
    judge=judge,
    derive=derive,
    rounds=7,
    notes=[
        "A step is one of one path. Trees halve the span nine times, to half a step.",
        "torchsde: BrownianInterval, its default path.",
    ],
)

if __name__ == "__main__":
    BENCHMARK.main()
