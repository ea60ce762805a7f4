"""Value and gradient of the end state of Robertson's reaction in its three rates.

The loss weighs the three concentrations at t = 1e5 by their sizes; errors are relative to the gradient by Rodas5P at
1e-12 in forward mode, which shares neither the adjoint nor the steps of what is timed.
"""

import numpy as np

from .contenders import Case, Contender, Work, jax_work
from .harness import Benchmark
from .peers import diffrax_solve
from .results import Results, at_least, at_most
from .rober import RATES, REFERENCE, Y0, rober

TOLERANCE = 1e-6


def _report(output) -> dict:
    value, gradient = output if isinstance(output, tuple) else (output, None)
    answer = {"value": [float(value)]}
    # a derivative in the logarithm of a rate: all three of the same size
    return {"answer": answer if gradient is None else {**answer, "gradient": np.asarray(gradient) * np.asarray(RATES)}}


def _jax(end, case: dict, transform) -> Work:
    import jax.numpy as jnp

    weights = jnp.array([1.0, 2.0, 3.0]) / REFERENCE

    def loss(k):
        return jnp.dot(weights, end(k))

    return jax_work(transform(loss), lambda point: (np.asarray(RATES),), _report, case["points"])


def _forward_mode(loss):
    """Value and gradient, from three tangents and the value that goes with them."""
    import jax

    def with_value(k):
        value = loss(k)
        return value, value

    def both(k):
        gradient, value = jax.jacfwd(with_value, has_aux=True)(k)
        return value, gradient

    return both


def ours(how: str, tolerance: float = TOLERANCE):
    def prepare(case: dict) -> Work:
        import jax
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        def end(k):
            options = {"method": sj.Rodas5P(), "rtol": tolerance, "atol": 1e-4 * tolerance, "throw": False}
            gradient = sj.Forward() if how == "forward mode" else None
            return sj.solve_ode(rober(jnp), (0.0, case["t1"]), Y0, k, gradient=gradient, **options).y

        transforms = {
            "gradient": jax.value_and_grad,
            "forward": lambda loss: loss,
            "forward mode": _forward_mode,
        }
        return _jax(end, case, transforms[how])

    return prepare


def diffrax(adjoint: str):
    def prepare(case: dict) -> Work:
        import diffrax as dfx
        import jax
        import jax.numpy as jnp

        def end(k):
            adjoints = {
                "checkpointed": dfx.RecursiveCheckpointAdjoint(),
                "checkpointed_all": dfx.RecursiveCheckpointAdjoint(checkpoints=1024),
                "forward_mode": dfx.ForwardMode(),
            }
            options = {"solver": dfx.Kvaerno5(), "max_steps": 1024, "adjoint": adjoints[adjoint]}
            start, tolerances = jnp.asarray(Y0), {"rtol": TOLERANCE, "atol": 1e-4 * TOLERANCE}
            return diffrax_solve(rober(jnp), 0.0, case["t1"], start, k, **tolerances, **options).ys[0]

        return _jax(end, case, _forward_mode if adjoint == "forward_mode" else jax.value_and_grad)

    return prepare


NAME = "ROBER, t = 1e5"


def judge(results: Results) -> list:
    mine, forward = ("ours_gradient", "ours_forward_mode"), "ours_forward"
    peers = ("diffrax_checkpointed", "diffrax_checkpointed_all", "diffrax_forward_mode")

    def ratio(names, others):
        return lambda: results.best(NAME, names) / results.best(NAME, others)

    return [
        at_most("our best value and gradient over our forward solve, at most 6", 6.0, ratio(mine, [forward])),
        at_most("the same in reverse mode, at most 6", 6.0, ratio(mine[:1], [forward])),
        at_least("diffrax's best value and gradient over ours, at least 30", 30.0, ratio(peers, mine)),
        at_least("the same in reverse mode on both sides, at least 30", 30.0, ratio(peers[:2], mine[:1])),
    ]


BENCHMARK = Benchmark(
    name="rober_gradient",
    title=f"Robertson's reaction at rtol = {TOLERANCE:g}, float64: value and gradient in three rates",
    contenders=[
        Contender("truth", ours("forward mode", 1e-12)),
        Contender("ours_gradient", ours("gradient")),
        Contender("ours_forward_mode", ours("forward mode")),
        Contender("ours_forward", ours("forward")),
        Contender("diffrax_checkpointed", diffrax("checkpointed"), ("diffrax",)),
        Contender("diffrax_checkpointed_all", diffrax("checkpointed_all"), ("diffrax",)),
        Contender("diffrax_forward_mode", diffrax("forward_mode"), ("diffrax",)),
    ],
    cases=[Case(NAME, {"t1": 1e5})],
    smoke_cases=[
        Case("t = 1", {"t1": 1.0}, (None,), ("truth", "ours_gradient", "ours_forward", "diffrax_checkpointed"))
    ],
    judge=judge,
    reference="truth",
    rounds=5,
    notes=["Ours is Rodas5P, diffrax's Kvaerno5 (which takes about twice the steps at this tolerance)."],
)

if __name__ == "__main__":
    BENCHMARK.main()
