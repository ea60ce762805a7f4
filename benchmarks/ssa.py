"""Gillespie's direct method on many paths: an epidemic and a dimerisation, against a loop over paths in Python.

The peer draws by NumPy, path by path: the arithmetic of a jump on Python's numbers, which is faster there than arrays
of two entries (`numpy_arrays`, for comparison), and its random numbers in blocks. All paths are exact: means and
standard deviations of the ends are held against each other.
"""

import math

import numpy as np

from .contenders import Case, Contender, Work, jax_work
from .harness import Benchmark
from .results import Results, at_least, at_most, for_information

SINGLE = {"JAX_ENABLE_X64": "0"}
NETWORKS = {  # reactants, products, rate constants, counts at zero, end, species that is looked at
    "sir": (((1, 1, 0), (0, 1, 0)), ((0, 2, 0), (0, 0, 1)), (0.002, 0.2), (197, 3, 0), 100.0, 2),
    "dimers": (((2, 0), (0, 1)), ((0, 1), (2, 0)), (0.001, 0.5), (600, 0), 2.0, 1),
}

SITES = 256  # on a line, ten molecules each, which jump to a neighbour at the rate of a diffusion
# seconds a path to t = 0.01, on an AMD EPYC 7502: SciMLBenchmarksOutput, Jumps/Diffusion_CTRW (DiffEqJump 6.14)
PUBLISHED = {"Direct": 7.258, "NRM": 0.8323, "DirectCR": 0.5117}
PUBLISHED_JUMPS = 0.01 * SITES**2 * 10 * 2 * (SITES - 1)  # their mean number


def line_of_sites() -> tuple:
    one = np.eye(SITES, dtype=int).tolist()
    pairs = [(i, j) for i in range(SITES) for j in (i - 1, i + 1) if 0 <= j < SITES]
    constants = (float(SITES**2),) * len(pairs)
    reactants, products = zip(*((one[i], one[j]) for i, j in pairs), strict=True)
    return reactants, products, constants, (10,) * SITES, 0.001, SITES // 2


NETWORKS["sites"] = line_of_sites()


def report_of(case: dict):
    def report(out) -> dict:
        ends, jumps = (np.asarray(x, float).ravel() for x in out)
        moments = {"mean": float(ends.mean()), "deviation": float(ends.std())}
        return {**moments, "n": len(ends), "jumps": float(jumps.mean())}

    return report


def ours(kind: str):
    def prepare(case: dict) -> Work:
        import jax
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        reactants, products, constants, start, end, species = NETWORKS[case["network"]]
        network = sj.MassAction(reactants, products)
        slow = {"next": sj.NextReaction(), "one_next": sj.NextReaction(), "leaps": sj.TauLeaping()}
        method = slow.get(kind, sj.SSA())

        def one(key):
            k, x0 = jnp.asarray(constants, jnp.float32), np.array(start, np.int32)
            options = {"method": method, "throw": False}
            sol = sj.solve_jump(network, network.stoichiometry, (0.0, end), x0, key, k, **options)
            return sol.y[species], sol.stats["accepted"]

        keys = jax.random.key_data(jax.random.split(jax.random.key(0), case["paths"]))

        def lanes(keys):
            options = {"key": keys, "in_axes": (None, None), "backend": "lanes", "method": method}
            x0, k = np.array(start, np.int32), jnp.asarray(constants, jnp.float32)
            sol = sj.solve_ensemble(sj.JumpProcess(network), (0.0, end), x0, k, **options)
            return sol.y[:, species], sol.stats["accepted"]

        chunks = lambda keys: jax.lax.map(one, keys, batch_size=min(64, case["paths"]))  # noqa: E731
        single = lambda keys: tuple(x[None] for x in one(keys[0]))  # noqa: E731
        solve = {"vmap": jax.vmap(one), "lanes": lanes, "one": single, "one_next": single}.get(kind, chunks)
        return jax_work(solve, lambda point: (keys,), report_of(case), case["points"])

    return prepare


def sir_path(rng, constants, start, end):
    """One path, on Python's numbers; random numbers come 256 at a time."""
    infection, recovery = constants
    s, i, r = start
    t, jumps, log = 0.0, 0, 256
    while True:
        a, b = infection * s * i, recovery * i
        total = a + b
        if total == 0.0:
            break
        if log == 256:
            waits, uniforms, log = rng.standard_exponential(256).tolist(), rng.random(256).tolist(), 0
        t += waits[log] / total
        if t > end:
            break
        if uniforms[log] * total < a:
            s, i = s - 1, i + 1
        else:
            i, r = i - 1, r + 1
        log, jumps = log + 1, jumps + 1
    return r, jumps


def dimers_path(rng, constants, start, end):
    bind, fall = constants
    x, y = start
    t, jumps, log = 0.0, 0, 256
    while True:
        a, b = bind * x * (x - 1), fall * y
        total = a + b
        if total == 0.0:
            break
        if log == 256:
            waits, uniforms, log = rng.standard_exponential(256).tolist(), rng.random(256).tolist(), 0
        t += waits[log] / total
        if t > end:
            break
        if uniforms[log] * total < a:
            x, y = x - 2, y + 1
        else:
            x, y = x + 2, y - 1
        log, jumps = log + 1, jumps + 1
    return y, jumps


def python_loop(case: dict) -> Work:
    _, _, constants, start, end, _ = NETWORKS[case["network"]]
    path = {"sir": sir_path, "dimers": dimers_path}[case["network"]]
    rng = np.random.default_rng(0)

    def call(point):
        return np.array([path(rng, constants, start, end) for _ in range(case["peer_paths"])]).T

    return Work(call, report_of(case))


def numpy_arrays(case: dict) -> Work:
    """The same for any network: arrays of rates and counts."""
    reactants, products, constants, start, end, species = NETWORKS[case["network"]]
    orders, k = np.array(reactants), np.array(constants)
    change, rng = np.array(products) - orders, np.random.default_rng(0)

    def path():
        t, x, jumps = 0.0, np.array(start), 0
        while True:
            falling = np.where(orders > 0, x, 1) * np.where(orders > 1, x - 1, 1)
            sums = np.cumsum(k * falling.prod(axis=1))
            if sums[-1] == 0.0:
                break
            t += rng.standard_exponential() / sums[-1]
            if t > end:
                break
            x = x + change[np.searchsorted(sums, rng.random() * sums[-1], side="right")]
            jumps += 1
        return x[species], jumps

    return Work(lambda point: np.array([path() for _ in range(case["array_paths"])]).T, report_of(case))


def derive(case: Case, row: dict) -> None:
    row["us_per_path"] = 1e6 * row["seconds"] / row["n"]
    row["ns_per_jump"] = 1e3 * row["us_per_path"] / row["jumps"]


def judge(results: Results) -> list:
    bars = []
    for case in CASES:
        name = case.name

        def over(peer: str, mine: str, name=name):
            return lambda: results.number(name, peer, "us_per_path") / results.number(name, mine, "us_per_path")

        def off(mine: str, name=name):
            """How far our mean and deviation are from the peer's, in standard errors."""

            def measure() -> float:
                row = lambda who: [results.number(name, who, key) for key in ("mean", "deviation", "n")]  # noqa: E731
                (m, d, n), (m2, d2, n2) = row(mine), row("python_loop")
                error = math.sqrt(d**2 / n + d2**2 / n2)
                # a bound of the error of deviations that holds for the two-humped sizes of epidemics too
                return max(abs(m - m2), abs(d - d2)) / error

            return measure

        bars += [
            at_least(f"{name}: a loop over our ensemble, at least 20", 20.0, over("python_loop", "ours_lanes")),
            for_information(f"{name}: a loop over our vmap", over("python_loop", "ours_vmap")),
            for_information(
                f"{name}: a loop over NumPy's arrays over our ensemble", over("numpy_arrays", "ours_lanes")
            ),
            for_information(f"{name}: our next reaction method over our direct one", over("ours_next", "ours_chunks")),
            at_most(f"{name}: our direct method's moments, in standard errors, at most 4.5", 4.5, off("ours_lanes")),
            at_most(f"{name}: our next reaction method's, at most 4.5", 4.5, off("ours_next")),
        ]

    def slower(method: str, mine: str):
        published = 1e9 * PUBLISHED[method] / PUBLISHED_JUMPS
        return lambda: results.number(LARGE, mine, "ns_per_jump") / published

    for method, mine in (("Direct", "ours_one"), ("NRM", "ours_one_next"), ("DirectCR", "ours_one")):
        title = f"{LARGE}: time a jump of {mine} over JumpProcesses.jl's, published for {method}()"
        bars.append(for_information(title, slower(method, mine)))
    return bars


MANY = ("ours_vmap", "ours_chunks", "ours_lanes", "ours_next", "ours_leaps", "python_loop", "numpy_arrays")
LARGE = "diffusion over 256 sites, one path"
CASES = [
    Case(
        f"10,000 paths, {title}",
        {"network": network, "paths": 10_000, "peer_paths": 300, "array_paths": 20},
        contenders=MANY,
    )
    for network, title in (("sir", "an epidemic of 200"), ("dimers", "dimers of 600 molecules"))
]
BENCHMARK = Benchmark(
    name="ssa",
    title="Gillespie's direct method on many paths, float32",
    contenders=[
        Contender("ours_vmap", ours("vmap"), env=SINGLE),
        Contender("ours_chunks", ours("chunks"), env=SINGLE),
        Contender("ours_lanes", ours("lanes"), env=SINGLE),
        Contender("ours_next", ours("next"), env=SINGLE),
        Contender("ours_leaps", ours("leaps"), env=SINGLE),
        Contender("ours_one", ours("one"), env=SINGLE),
        Contender("ours_one_next", ours("one_next"), env=SINGLE),
        Contender("python_loop", python_loop),
        Contender("numpy_arrays", numpy_arrays),
    ],
    cases=[*CASES, Case(LARGE, {"network": "sites", "paths": 1}, contenders=("ours_one", "ours_one_next"))],
    smoke_cases=[Case("20 paths, sir", {"network": "sir", "paths": 20, "peer_paths": 5, "array_paths": 2})],
    judge=judge,
    derive=derive,
    rounds=7,
    notes=[
        "Peers run fewer paths: compare microseconds a path. Their random numbers are NumPy's, in float64.",
        "Diffusion: 510 channels. What JumpProcesses.jl published is of another machine and of its DiffEqJump days.",
        "ours_chunks, ours_next, ours_leaps: jax.lax.map over keys, 64 paths at once. Leaps are approximate.",
    ],
)

if __name__ == "__main__":
    BENCHMARK.main()
