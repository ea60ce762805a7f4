"""Memory of a gradient through 100,000 steps of a 1,000-dimensional system.

500 oscillators q'' = -a w q with w between 1 and 2, constant steps of Tsit5, and the derivative of the sum of their
final states with respect to `a`, which has a closed form. What counts is by how much the resident memory of the
process peaks above where it stood before the call (Linux only; the compiler's own memory is not in it).
"""

import re
from pathlib import Path

import numpy as np

from .contenders import Case, Contender, Work, jax_work
from .harness import Benchmark
from .results import Results, at_most, for_information

A = 1.3
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def frequencies(n: int) -> np.ndarray:
    return np.linspace(1.0, 2.0, n // 2)


def oscillators(xp, n: int):
    """The field `f(t, y, a)` with y = (q, q')."""
    w = xp.asarray(frequencies(n))

    def field(t, y, a):
        q, v = y[: n // 2], y[n // 2 :]
        return xp.concatenate([v, -a * w * q])

    return field


def _mib(field: str) -> float:
    found = re.search(rf"^{field}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE) if STATUS.exists() else None
    return int(found[1]) / 1024 if found else float("nan")


def _measured(loss, case: dict) -> Work:
    import jax

    work = jax_work(jax.value_and_grad(loss), lambda point: (A,), lambda output: {}, case["points"])
    before = _mib("VmRSS")

    def call(point):
        nonlocal before
        before = _mib("VmRSS")
        if CLEAR.exists():
            CLEAR.write_text("5")  # sets the peak, VmHWM, back to what is resident now
        return work.call(point)

    def report(output):
        value, gradient = output
        grown = _mib("VmHWM") - before
        return {"answer": {"value": [float(value)], "gradient": [float(gradient)]}, "grown_mib": grown}

    return Work(call, report, work.build)


def ours(case: dict) -> Work:
    import jax.numpy as jnp

    import sciml_jax as sj  # before the first array is made

    field, y0 = oscillators(jnp, case["n"]), _start(jnp, case["n"])

    def loss(a):
        t1 = case["steps"] * case["dt"]
        sol = sj.solve_ode(field, (0.0, t1), y0, a, dt=case["dt"], max_steps=case["steps"] + 1, throw=False)
        return jnp.sum(sol.y)

    return _measured(loss, case)


def diffrax(case: dict) -> Work:
    import diffrax as dfx
    import jax.numpy as jnp

    field, y0 = oscillators(jnp, case["n"]), _start(jnp, case["n"])

    def loss(a):
        sol = dfx.diffeqsolve(
            dfx.ODETerm(field),
            dfx.Tsit5(),
            0.0,
            case["steps"] * case["dt"],
            case["dt"],
            y0,
            a,
            max_steps=case["steps"] + 1,
            throw=False,
        )
        return jnp.sum(sol.ys)

    return _measured(loss, case)


def _start(xp, n: int):
    return xp.concatenate([xp.ones(n // 2), xp.zeros(n // 2)])


def exact(case: Case) -> dict:
    """The closed form: q = cos(s T), q' = -s sin(s T) with s = sqrt(a w)."""
    t = case.parameters["steps"] * case.parameters["dt"]
    w = frequencies(case.parameters["n"])
    s = np.sqrt(A * w)
    slope = w / (2 * s)
    value = np.cos(s * t) - s * np.sin(s * t)
    gradient = slope * (-t * np.sin(s * t) - np.sin(s * t) - s * t * np.cos(s * t))
    return {"value": np.array([value.sum()]), "gradient": np.array([gradient.sum()])}


NAME = "100,000 steps, 1,000 dimensions"


def judge(results: Results) -> list:
    def mib(name):
        return lambda: results.number(NAME, name, "grown_mib")

    return [
        at_most("MiB that the gradient takes, below 1024", 1024.0, mib("ours")),
        for_information("the same of diffrax's RecursiveCheckpointAdjoint", mib("diffrax")),
        for_information(
            "diffrax's time over ours", lambda: results.number(NAME, "diffrax") / results.number(NAME, "ours")
        ),
    ]


BENCHMARK = Benchmark(
    name="gradient_memory",
    title="value and gradient through constant steps of Tsit5, float64",
    contenders=[Contender("ours", ours), Contender("diffrax", diffrax, ("diffrax",))],
    cases=[Case(NAME, {"n": 1000, "steps": 100_000, "dt": 1e-3})],
    smoke_cases=[Case("200 steps, 10 dimensions", {"n": 10, "steps": 200, "dt": 1e-2})],
    judge=judge,
    reference=exact,
    rounds=1,
    notes=["grown_mib: peak resident memory of the call, less what was resident before it."],
)

if __name__ == "__main__":
    BENCHMARK.main()
