"""Trace and compile time of the Lorenz solve, and of its gradient; every figure from a fresh process."""

from . import lorenz
from .contenders import Case, Contender, Work, jax_work
from .harness import Benchmark
from .peers import diffrax_solve
from .problems import PROBLEMS
from .problems import lorenz as lorenz_field
from .results import Results, at_most

LORENZ = PROBLEMS["lorenz"]
ARGUMENTS = (LORENZ.y0, LORENZ.args, 1.0, 1e-8)


def _gradient_work(solve, case: dict) -> Work:
    """The work of value and gradient of the sum of the final state, with respect to y0 and the parameters."""
    import jax

    function = jax.value_and_grad(lambda y0, args, t1, tolerance: solve(y0, args, t1, tolerance).sum(), argnums=(0, 1))
    return jax_work(function, lambda point: ARGUMENTS, lambda output: {}, case["points"])


def ours(case: dict) -> Work:
    if case["what"] == "solve":
        return lorenz.ours({**case, "t1": 1.0, "tolerance": 1e-8})
    import jax.numpy as jnp

    import sciml_jax as sj  # before the first array is made

    def solve(y0, args, t1, tolerance):
        sol = sj.solve_ode(lorenz_field(jnp), (0.0, t1), y0, args, rtol=tolerance, atol=tolerance, throw=False)
        return sol.y

    return _gradient_work(solve, case)


def diffrax(case: dict) -> Work:
    if case["what"] == "solve":
        return lorenz.diffrax({**case, "t1": 1.0, "tolerance": 1e-8})
    import diffrax as dfx
    import jax.numpy as jnp

    def solve(y0, args, t1, tolerance):
        adjoint = dfx.RecursiveCheckpointAdjoint()
        sol = diffrax_solve(lorenz_field(jnp), 0.0, t1, y0, args, tolerance, adjoint=adjoint, max_steps=4096)
        return sol.ys[0]

    return _gradient_work(solve, case)


def judge(results: Results) -> list:
    return [
        at_most(
            f"trace + compile of the {what} over diffrax's, at most 0.5",
            0.5,
            lambda what=what: results.number(what, "ours") / results.number(what, "diffrax"),
        )
        for what in ("solve", "gradient")
    ]


CASES = [Case(what, {"what": what}) for what in ("solve", "gradient")]
BENCHMARK = Benchmark(
    name="compile_time",
    title="trace + compile of the Lorenz solve and of its gradient (seconds = both together)",
    contenders=[Contender("ours", ours), Contender("diffrax", diffrax, ("diffrax",))],
    cases=CASES,
    smoke_cases=CASES,
    judge=judge,
    fresh=True,
    rounds=5,
    notes=["JAX's backend is warm; the package is imported; nothing of the solve has been traced before."],
)

if __name__ == "__main__":
    BENCHMARK.main()
