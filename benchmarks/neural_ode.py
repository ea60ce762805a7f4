"""Value and gradient of a neural ODE's loss: ours against diffrax's adjoints and torchdiffeq.

The field is a network on y^3 whose last layer was fitted to the cubic spiral by least squares, so that it turns as
fast as the data; the loss is the mean square distance from the true spiral at 20 times. Errors are relative to the
same loss and gradient through 4,000 classical Runge-Kutta steps, which belong to no contender.
"""

from functools import cache

import numpy as np

from .contenders import Case, Contender, Work, jax_work
from .harness import Benchmark
from .peers import diffrax_solve, diffrax_stats
from .problems import SPIRAL
from .reference import solve as extrapolated
from .results import Results, at_least, at_most

TOLERANCE = 1e-5
SAVED = 20


def weights(width: int, depth: int = 2) -> list[tuple[np.ndarray, np.ndarray]]:
    """Layers 2-width-...-2: uniform as usual, the last one fitted to the spiral within radius 2."""
    random = np.random.default_rng(1)
    sizes = [2] + [width] * depth
    layers = [
        (random.uniform(-1, 1, (m, n)) / np.sqrt(m), random.uniform(-1, 1, n) / np.sqrt(m))
        for m, n in zip(sizes[:-1], sizes[1:], strict=True)
    ]
    radius, angle = 2 * np.sqrt(random.uniform(size=2000)), random.uniform(0, 2 * np.pi, 2000)
    cubes = (radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)) ** 3
    hidden = cubes
    for w, b in layers:
        hidden = np.tanh(hidden @ w + b)
    design = np.concatenate([hidden, np.ones((len(hidden), 1))], 1)
    # a ridge keeps the weights as small as trained ones
    normal = design.T @ design + 1e-2 * np.eye(width + 1)
    last = np.linalg.solve(normal, design.T @ (cubes @ SPIRAL))
    return [*layers, (last[:-1], last[-1])]


def network(xp):
    """The field `f(t, y, layers)`; y is one sample or a batch of rows."""

    def field(t, y, layers):
        x = y * y * y
        for w, b in layers[:-1]:
            x = xp.tanh(x @ w + b)
        w, b = layers[-1]
        return x @ w + b

    return field


@cache
def data(batch: int | None, t1: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Initial states, times, and the true spiral at these times (time first)."""
    random = np.random.default_rng(2)
    radius, angle = random.uniform(1, 2, batch), random.uniform(0, 2 * np.pi, batch)
    around = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)
    y0 = np.array([[2.0, 0.0]]) if batch is None else around
    times = np.linspace(0.0, t1, SAVED + 1)[1:]
    states, t = [y0], 0.0
    for after in times:
        states.append(extrapolated(lambda t, y: (y * y * y) @ SPIRAL, t, after, states[-1], 1e-12, step=after - t))
        t = after
    true = np.stack(states[1:]).astype(float)
    return (y0[0], times, true[:, 0]) if batch is None else (y0, times, true)


def _report(output) -> dict:
    (value, (accepted, rejected)), gradient = output
    flat = np.concatenate([np.asarray(x).ravel() for layer in gradient for x in layer]) if gradient else None
    answer = {"value": [float(value)], **({} if flat is None else {"gradient": flat})}
    return {"answer": answer, "accepted": int(accepted), "rejected": int(rejected)}


def _jax(case: dict, states, gradient: bool = True) -> Work:
    """The work of the loss of `states(y0, times, layers) -> (saved, (accepted, rejected))` in JAX."""
    import jax
    import jax.numpy as jnp

    def loss(layers, y0, times, true):
        saved, steps = states(y0, times, layers)
        return jnp.mean((saved - true) ** 2), steps

    function = jax.value_and_grad(loss, has_aux=True) if gradient else (lambda *a: (loss(*a), ()))
    arguments = (weights(case["width"]), *data(case["batch"], case["t1"]))
    return jax_work(function, lambda point: arguments, _report, case["points"])


def ours(gradient: str | None):
    def prepare(case: dict) -> Work:
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        how = {"recorded": sj.Recorded(), "replay": sj.Recorded(snapshots=case["few"]), None: None}[gradient]

        # few snapshots and few steps: segments of a length that makes every one be replayed
        steps = {"max_steps": 32 * case["few"]} if gradient == "replay" else {}

        def states(y0, times, layers):
            sol = sj.solve_ode(
                network(jnp),
                (0.0, times[-1]),
                y0,
                layers,
                rtol=TOLERANCE,
                atol=TOLERANCE,
                save=times,
                gradient=how,
                throw=False,
                **steps,
            )
            return sol.y, (sol.stats["accepted"], sol.stats["rejected"])

        return _jax(case, states, gradient is not None)

    return prepare


def diffrax(name: str):
    """One of diffrax's adjoints; steps are bounded as tightly as each allows, which suits them best."""

    def prepare(case: dict) -> Work:
        import diffrax as dfx
        import jax.numpy as jnp

        adjoint, steps = {
            "checkpointed": lambda: (dfx.RecursiveCheckpointAdjoint(), 4096),
            "checkpointed_all": lambda: (dfx.RecursiveCheckpointAdjoint(checkpoints=256), 256),
            "direct": lambda: (dfx.DirectAdjoint(), 256),
            "backsolve": lambda: (
                dfx.BacksolveAdjoint(
                    solver=dfx.Tsit5(),
                    stepsize_controller=dfx.PIDController(
                        rtol=TOLERANCE, atol=TOLERANCE, norm=dfx.adjoint_rms_seminorm
                    ),
                ),
                4096,
            ),
        }[name]()

        def states(y0, times, layers):
            saveat = dfx.SaveAt(ts=times)
            options = {"saveat": saveat, "adjoint": adjoint, "max_steps": steps}
            sol = diffrax_solve(network(jnp), 0.0, times[-1], y0, layers, TOLERANCE, **options)
            return sol.ys, diffrax_stats(sol)

        return _jax(case, states)

    return prepare


def torchdiffeq(adjoint: bool):
    def prepare(case: dict) -> Work:
        import torch
        import torchdiffeq as tde

        torch.set_num_threads(1)
        layers = [tuple(torch.tensor(x, requires_grad=True) for x in layer) for layer in weights(case["width"])]
        flat = [x for layer in layers for x in layer]
        y0, times, true = (torch.tensor(x) for x in data(case["batch"], case["t1"]))
        grid = torch.cat([torch.zeros(1, dtype=times.dtype), times])
        net = network(torch)
        options = {"rtol": TOLERANCE, "atol": TOLERANCE, "method": "dopri5"}

        class Field(torch.nn.Module):
            """The network, counting steps through torchdiffeq's callbacks."""

            accepted = rejected = 0

            def forward(self, t, y):
                return net(t, y, layers)

            def callback_accept_step(self, t0, y, dt):
                self.accepted += 1

            def callback_reject_step(self, t0, y, dt):
                self.rejected += 1

        field = Field()

        def call(point):
            field.accepted = field.rejected = 0
            if adjoint:
                ys = tde.odeint_adjoint(
                    field, y0, grid, adjoint_params=tuple(flat), adjoint_options={"norm": "seminorm"}, **options
                )
            else:
                ys = tde.odeint(field, y0, grid, **options)
            loss = ((ys[1:] - true) ** 2).mean()
            gradient = torch.autograd.grad(loss, flat)
            steps = (field.accepted, field.rejected)
            return (loss.detach(), steps), [
                tuple(x.detach() for x in gradient[i : i + 2]) for i in range(0, len(flat), 2)
            ]

        return Work(call, _report)

    return prepare


def truth(case: dict) -> Work:
    """The reference: classical Runge-Kutta steps in a scan, each rematerialised."""
    import jax
    import jax.numpy as jnp

    per_time = case["reference_steps"] // SAVED
    field = network(jnp)

    def states(y0, times, layers):
        h = times[0] / per_time

        @jax.checkpoint
        def step(y, _):
            k1 = field(0.0, y, layers)
            k2 = field(0.0, y + h / 2 * k1, layers)
            k3 = field(0.0, y + h / 2 * k2, layers)
            k4 = field(0.0, y + h * k3, layers)
            return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

        def interval(y, _):
            y = jax.lax.scan(step, y, None, per_time)[0]
            return y, y

        return jax.lax.scan(interval, y0, None, SAVED)[1], (SAVED * per_time, 0)

    return _jax(case, states)


DIFFRAX = ("diffrax_checkpointed", "diffrax_checkpointed_all", "diffrax_direct", "diffrax_backsolve")
TORCH = ("torchdiffeq", "torchdiffeq_adjoint")


def judge(results: Results) -> list:
    bars = []
    for case in (c.name for c in CASES):

        def over(others, case=case):
            return results.best(case, others) / results.number(case, "ours_recorded")

        def of_forward(mine, case=case):
            return results.number(case, mine) / results.number(case, "ours_forward")

        bars += [
            at_least(f"{case}: diffrax's best adjoint over ours, at least 2.5", 2.5, lambda f=over: f(DIFFRAX)),
            at_least(f"{case}: torchdiffeq's better one over ours, at least 30", 30.0, lambda f=over: f(TORCH)),
            at_most(f"{case}: ours over our forward, at most 4.2", 4.2, lambda f=of_forward: f("ours_recorded")),
            at_most(f"{case}: the same with replay, at most 5.2", 5.2, lambda f=of_forward: f("ours_replay")),
        ]
    return bars


CASES = [
    Case("2-64-64-2, batch 256", {"width": 64, "batch": 256, "t1": 2.0, "few": 8, "reference_steps": 4000}),
    Case("2-32-32-2, one sample", {"width": 32, "batch": None, "t1": 2.0, "few": 8, "reference_steps": 4000}),
]
SMOKE = [Case("2-8-8-2, batch 4", {"width": 8, "batch": 4, "t1": 0.2, "few": 2, "reference_steps": 200})]

BENCHMARK = Benchmark(
    name="neural_ode",
    title=f"neural ODE, Tsit5 (torchdiffeq: dopri5) at {TOLERANCE:g}, float64: value and gradient of a loss",
    contenders=[
        Contender("truth", truth),
        Contender("ours_recorded", ours("recorded")),
        Contender("ours_replay", ours("replay")),
        Contender("ours_forward", ours(None)),
        *(Contender(name, diffrax(name.removeprefix("diffrax_")), ("diffrax",)) for name in DIFFRAX),
        Contender("torchdiffeq", torchdiffeq(False), ("torch", "torchdiffeq")),
        Contender("torchdiffeq_adjoint", torchdiffeq(True), ("torch", "torchdiffeq")),
    ],
    cases=CASES,
    smoke_cases=SMOKE,
    judge=judge,
    reference="truth",
    rounds=5,
    notes=[
        "The batch is one state: every contender takes the same steps for all its samples.",
        "ours_replay keeps fewer snapshots than there are steps; ours_recorded keeps every step here.",
        "diffrax: checkpointed as it comes, with a checkpoint for each of 256 steps, direct with at most 256 steps.",
    ],
)

if __name__ == "__main__":
    BENCHMARK.main()
