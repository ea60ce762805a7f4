"""A training step of a neural CDE, value and gradient of its loss: ours against torchcde.

The data have the size of Japanese Vowels (9 speakers, 12 coefficients; synthetic here: random walks): series of 29
times, with time as a thirteenth channel, on Hermite pieces with backward differences. The field is a network
hidden-width-hidden x channels with tanh at both layers, the loss the cross entropy of a linear read-out of the end.
All contenders take one Runge-Kutta step of order four from knot to knot, in float32; errors are relative to the loss
and gradient with 32 steps of float64 between knots.
"""

from functools import cache

import numpy as np

from .contenders import Case, Contender, Work, jax_work
from .harness import Benchmark
from .results import Results, at_least, for_information

SINGLE = {"JAX_ENABLE_X64": "0"}
TIMES, CHANNELS, CLASSES = 29, 13, 9


def weights(case: dict) -> dict[str, np.ndarray]:
    """Start, two layers of the field, and the read-out: normal numbers over the root of the inputs."""
    random = np.random.default_rng(1)
    hidden, width = case["hidden"], case["width"]
    sizes = {"start": (CHANNELS, hidden), "one": (hidden, width), "two": (width, hidden * CHANNELS), "out": (hidden, 9)}
    return {name: random.normal(size=size) / np.sqrt(size[0]) for name, size in sizes.items()}


@cache
def data(batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Series (batch, times, channels), the first channel time, and their classes."""
    random = np.random.default_rng(2)
    walks = np.cumsum(random.normal(size=(batch, TIMES, CHANNELS - 1)), axis=1) * 0.1
    times = np.broadcast_to(np.linspace(0.0, 1.0, TIMES)[:, None], (batch, TIMES, 1))
    return np.concatenate([times, walks], axis=2), random.integers(0, CLASSES, batch)


def _report(output) -> dict:
    value, gradient = output
    flat = np.concatenate([np.asarray(gradient[name], float).ravel() for name in sorted(gradient)])
    return {"answer": {"value": [float(value)], "gradient": flat}}


def ours(steps: int, double: bool = False):
    def prepare(case: dict) -> Work:
        import jax
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        dtype = np.float64 if double else np.float32

        def field(t, y, w):
            return jnp.tanh(jnp.tanh(y @ w["one"]) @ w["two"]).reshape(case["hidden"], CHANNELS)

        def logits(path, w):
            y0 = path.xs[0] @ w["start"]
            return sj.solve_cde(field, path, None, y0, w, knot_steps=steps, throw=False).y @ w["out"]

        def loss(w, paths, classes):
            scores = jax.vmap(logits, in_axes=(0, None))(paths, w)
            return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores), classes[:, None], axis=1))

        xs, classes = data(case["batch"])
        ts = np.arange(TIMES, dtype=dtype)
        paths = jax.vmap(lambda x: sj.HermitePath(ts, x))(xs.astype(dtype))
        given = {name: x.astype(dtype) for name, x in weights(case).items()}
        arguments = (given, paths, classes)
        return jax_work(jax.value_and_grad(loss), lambda point: arguments, _report, case["points"])

    return prepare


def torchcde(adjoint: bool):
    def prepare(case: dict) -> Work:
        import torch
        import torchcde as tc

        torch.set_num_threads(1)
        w = {name: torch.tensor(x.astype(np.float32), requires_grad=True) for name, x in weights(case).items()}
        xs, classes = data(case["batch"])
        xs, classes = torch.tensor(xs.astype(np.float32)), torch.tensor(classes)
        pieces = tc.hermite_cubic_coefficients_with_backward_differences(xs)

        class Field(torch.nn.Module):
            def forward(self, t, y):
                return torch.tanh(torch.tanh(y @ w["one"]) @ w["two"]).view(*y.shape, CHANNELS)

        field = Field()
        options = {"method": "rk4", "options": {"step_size": 1.0}}
        if adjoint:
            options |= {"adjoint_params": (w["one"], w["two"]), "adjoint_options": {"step_size": 1.0}}

        def call(point):
            path = tc.CubicSpline(pieces)
            y0 = xs[:, 0] @ w["start"]
            y = tc.cdeint(X=path, func=field, z0=y0, t=path.interval, adjoint=adjoint, **options)[:, -1]
            loss = torch.nn.functional.cross_entropy(y @ w["out"], classes)
            return loss.detach(), dict(zip(w, torch.autograd.grad(loss, list(w.values())), strict=True))

        return Work(call, _report)

    return prepare


TORCH = ("torchcde", "torchcde_adjoint")


def judge(results: Results) -> list:
    few, many = (case.name for case in CASES)

    def over(case: str):
        return lambda: results.best(case, TORCH) / results.number(case, "ours")

    return [
        at_least(f"{few}: torchcde's better one over ours, at least 3", 3.0, over(few)),
        at_least(f"{many}: torchcde's better one over ours, at least 3", 3.0, over(many)),
        for_information("our compile time in seconds", lambda: results.number(few, "ours", "compile")),
    ]


CASES = [
    Case("32 series, hidden 32, width 32", {"batch": 32, "hidden": 32, "width": 32}),
    Case("270 series, hidden 32, width 32", {"batch": 270, "hidden": 32, "width": 32}),
]
SMOKE = [Case("4 series, hidden 4, width 4", {"batch": 4, "hidden": 4, "width": 4})]

BENCHMARK = Benchmark(
    name="neural_cde",
    title="neural CDE, 29 times of 13 channels, Runge-Kutta 4 from knot to knot, float32: value and gradient of a loss",
    contenders=[
        Contender("truth", ours(32, double=True)),
        Contender("ours", ours(1), env=SINGLE),
        Contender("torchcde", torchcde(False), ("torch", "torchcde")),
        Contender("torchcde_adjoint", torchcde(True), ("torch", "torchcde")),
    ],
    cases=CASES,
    smoke_cases=SMOKE,
    judge=judge,
    reference="truth",
    rounds=5,
    notes=[
        "Paths and spline coefficients are made beforehand; only solves and gradients are timed.",
        "torchcde on torchdiffeq's rk4 (the 3/8 rule); ours is the classical rule: the same order and evaluations.",
    ],
)

if __name__ == "__main__":
    BENCHMARK.main()
