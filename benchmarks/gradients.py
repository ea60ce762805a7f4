"""Every way of differentiating a solve, on two problems: time, memory, and the error of the gradient.

- A neural ODE, 2-64-64-2, that turns with a cubic spiral: 4,482 parameters, Tsit5 and a coupling of it.
- Van der Pol's equation with mu = 1,000: stiff, one parameter, Rodas5P, up to the
  end of the first slow branch.

Errors are relative to a gradient through a solve 1e5 times as accurate, which is recorded and checked against
differences in the tests.
"""

import numpy as np

from .contenders import Case, Contender, Work, jax_work
from .harness import Benchmark
from .memory import measured
from .neural_ode import data, network, weights
from .results import Results, for_information

DOUBLE = {"JAX_ENABLE_X64": "1"}
WAYS = ("recorded", "forward", "reversible", "backsolve", "interpolating", "gauss_quadrature")


def _gradient(sj, way: str):
    return {
        "recorded": sj.Recorded,
        "forward": sj.Forward,
        "reversible": sj.Reversible,
        "backsolve": sj.Backsolve,
        "interpolating": sj.Interpolating,
        "gauss_quadrature": sj.GaussQuadrature,
    }[way]()


def _spiral(jnp, sj, way: str, case: dict):
    """The loss as a function of the layers, and the layers."""
    y0, times, true = data(None, case["t1"])
    method = sj.ReversibleCoupling(sj.Tsit5()) if way == "reversible" else sj.Tsit5()
    options = {"method": method, "rtol": case["rtol"], "atol": case["rtol"], "gradient": _gradient(sj, way)}

    def loss(layers):
        sol = sj.solve_ode(network(jnp), (0.0, times[-1]), y0, layers, save=times, throw=False, **options)
        return jnp.mean((sol.y - true) ** 2)

    return loss, weights(case["width"])


def _van_der_pol(jnp, sj, way: str, case: dict):
    def field(t, y, mu):
        return jnp.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])

    options = {"method": sj.Rodas5P(), "rtol": case["rtol"], "atol": case["rtol"], "gradient": _gradient(sj, way)}

    def loss(mu):
        sol = sj.solve_ode(field, (0.0, case["t1"]), np.array([2.0, 0.0]), mu, throw=False, **options)
        return jnp.sum(sol.y * jnp.array([1.0, 0.01]))

    return loss, case["mu"]


PROBLEMS = {"spiral": _spiral, "van_der_pol": _van_der_pol}


def ours(way: str):
    def prepare(case: dict) -> Work:
        import jax
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        loss, point = PROBLEMS[case["problem"]](jnp, sj, way, case)
        derivative = jax.jacfwd if way == "forward" else jax.grad

        def report(output):
            return {"answer": {"gradient": np.concatenate([np.ravel(x) for x in jax.tree.leaves(output)])}}

        return measured(jax_work(derivative(loss), lambda _: (point,), report, case["points"]))

    return prepare


def tight(case: dict) -> Work:
    return ours("recorded")(case | {"rtol": case["rtol"] * 1e-5})


SPIRAL, STIFF = "neural ODE, 4,482 parameters", "Van der Pol, mu = 1,000"
EXPLICIT = ("recorded", "reversible", "backsolve", "interpolating", "gauss_quadrature")
IMPLICIT = ("recorded", "forward", "interpolating", "gauss_quadrature")


def judge(results: Results) -> list:
    def ratio(case: str, key: str, name: str):
        return lambda: results.number(case, name, key) / results.number(case, "recorded", key)

    lines = [(SPIRAL, name) for name in EXPLICIT[1:]] + [(STIFF, name) for name in IMPLICIT[1:]]
    return [
        for_information(f"{case}: {name} over recorded, {what}", ratio(case, key, name))
        for what, key in (("time", "seconds"), ("memory", "grown_mib"), ("error", "gradient_error"))
        for case, name in lines
    ]


BENCHMARK = Benchmark(
    name="gradients",
    title="gradients of a solve, one way beside another",
    contenders=[*(Contender(way, ours(way), env=DOUBLE) for way in WAYS), Contender("tight", tight, env=DOUBLE)],
    cases=[
        Case(SPIRAL, {"problem": "spiral", "width": 64, "t1": 5.0, "rtol": 1e-6}, contenders=(*EXPLICIT, "tight")),
        Case(STIFF, {"problem": "van_der_pol", "mu": 1e3, "t1": 700.0, "rtol": 1e-6}, contenders=(*IMPLICIT, "tight")),
    ],
    smoke_cases=[
        Case("neural ODE", {"problem": "spiral", "width": 8, "t1": 0.5, "rtol": 1e-4}, contenders=(*EXPLICIT, "tight")),
        Case("stiff", {"problem": "van_der_pol", "mu": 5.0, "t1": 1.0, "rtol": 1e-4}, contenders=(*IMPLICIT, "tight")),
    ],
    reference="tight",
    judge=judge,
    base="recorded",
    notes=[
        "Memory is the peak above what is resident before a call (MiB).",
        "reversible: a coupling of two Tsit5; forward: for the one parameter alone.",
    ],
)

if __name__ == "__main__":
    BENCHMARK.main()
