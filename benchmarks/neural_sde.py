"""Value and gradient of a neural SDE's loss by reversible Heun: time, and memory beside what is resident.

Drift and diffusion are networks 2-16-16-2 with diagonal noise in Stratonovich's sense; the loss is the mean square of
the ends. Every contender takes the same steps of the same method on paths of its own, so that values and gradients
agree within the errors of a mean over the batch; ours through recorded and through undone steps agree to rounding.
"""

import numpy as np

from .contenders import Case, Contender, Work, jax_work
from .harness import Benchmark
from .memory import measured
from .results import Results, at_least, at_most, for_information

SINGLE = {"JAX_ENABLE_X64": "0"}
SIZES = (2, 16, 16, 2)
CHUNK = 171  # paths that ours take at a time
FEW = 16  # snapshots of ours: of every fourth of 64 steps


def weights() -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Layers of drift and diffusion, uniform as usual."""
    random = np.random.default_rng(1)

    def uniform(m: int, *shape: int):
        return (random.uniform(-1, 1, shape) / np.sqrt(m)).astype(np.float32)

    pairs = list(zip(SIZES[:-1], SIZES[1:], strict=True))
    return [[(uniform(m, m, n), uniform(m, n)) for m, n in pairs] for _ in range(2)]


def network(xp):
    def apply(y, layers):
        for w, b in layers[:-1]:
            y = xp.tanh(y @ w + b)
        w, b = layers[-1]
        return y @ w + b

    return apply


def _flat(value, gradient) -> dict:
    return {"answer": {"value": [float(value)], "gradient": np.concatenate([np.ravel(x) for x in gradient])}}


def _jax(case: dict, ends) -> Work:
    """The work of the loss of `ends(keys, layers)`, the ends of all paths."""
    import jax
    import jax.numpy as jnp

    keys = jax.random.key_data(jax.random.split(jax.random.key(0), case["batch"]))

    def loss(layers, keys):
        return jnp.mean(ends(keys, layers) ** 2)

    def report(output):
        value, gradient = output
        return _flat(value, [np.asarray(x) for x in jax.tree.leaves(gradient)])

    return measured(jax_work(jax.value_and_grad(loss), lambda point: (weights(), keys), report, case["points"]))


def ours(gradient: str):
    """In chunks that fit into the cache."""

    def prepare(case: dict) -> Work:
        import jax.numpy as jnp

        import sciml_jax as sj  # before the first array is made

        few = sj.Recorded(snapshots=FEW)
        how = {"reversible": sj.Reversible(), "few": few, "recorded": sj.Recorded()}[gradient]
        net, y0 = network(jnp), jnp.ones(2, jnp.float32)
        drift, diffusion = (lambda t, y, args: net(y, args[0])), (lambda t, y, args: net(y, args[1]))
        field = sj.Stochastic(drift, diffusion, interpretation="stratonovich")
        options = {"method": sj.ReversibleHeun(), "steps": case["steps"], "gradient": how}
        options |= {"in_axes": (None, None), "backend": "vmap", "chunk": CHUNK}

        def ends(keys, layers):
            return sj.solve_ensemble(field, (0.0, 1.0), y0, layers, key=keys, **options).y

        return _jax(case, ends)

    return prepare


def diffrax(adjoint: str):
    """On a tree, as its unsafe path refuses reverse mode; `tol` is half a step: every step sees its own numbers."""

    def prepare(case: dict) -> Work:
        import diffrax as dfx
        import jax
        import jax.numpy as jnp

        net, steps = network(jnp), case["steps"]
        how = {"checkpointed": dfx.RecursiveCheckpointAdjoint(), "direct": dfx.DirectAdjoint()}[adjoint]

        def end(key, layers):
            noise = dfx.VirtualBrownianTree(0.0, 1.0, tol=0.5 / steps, shape=(2,), key=key)
            drift = dfx.ODETerm(lambda t, y, args: net(y, args[0]))
            diffusion = dfx.ControlTerm(lambda t, y, args: jnp.diag(net(y, args[1])), noise)
            options = {"adjoint": how, "max_steps": steps, "throw": False}
            terms, y0 = dfx.MultiTerm(drift, diffusion), jnp.ones(2, jnp.float32)
            sol = dfx.diffeqsolve(terms, dfx.ReversibleHeun(), 0.0, 1.0, 1 / steps, y0, layers, **options)
            assert sol.ys is not None
            return sol.ys[0]

        return _jax(case, lambda keys, layers: jax.vmap(lambda key: end(jax.random.wrap_key_data(key), layers))(keys))

    return prepare


def torchsde(adjoint: bool):
    def prepare(case: dict) -> Work:
        import torch
        import torchsde as tsde

        torch.set_num_threads(1)
        torch.manual_seed(0)
        net = network(torch)
        layers = [[tuple(torch.nn.Parameter(torch.tensor(x)) for x in layer) for layer in part] for part in weights()]
        flat = [x for part in layers for layer in part for x in layer]

        class Equation(torch.nn.Module):
            noise_type, sde_type = "diagonal", "stratonovich"

            def __init__(self):
                super().__init__()
                self.flat = torch.nn.ParameterList(flat)

            def f(self, t, y):
                return net(y, layers[0])

            def g(self, t, y):
                return net(y, layers[1])

        equation, times = Equation(), torch.tensor([0.0, 1.0])
        options = {"method": "reversible_heun", "dt": 1 / case["steps"]}
        solve = tsde.sdeint_adjoint if adjoint else tsde.sdeint
        options |= {"adjoint_method": "adjoint_reversible_heun"} if adjoint else {}

        def call(point):
            y0 = torch.ones((case["batch"], 2), dtype=torch.float32)
            path = tsde.BrownianInterval(0.0, 1.0, size=(case["batch"], 2), dtype=torch.float32, dt=options["dt"])
            loss = (solve(equation, y0, times, bm=path, **options)[-1] ** 2).mean()
            return float(loss), [x.numpy() for x in torch.autograd.grad(loss, flat)]

        return measured(Work(call, lambda output: _flat(*output)))

    return prepare


def truth(case: Case) -> dict:
    """For few steps: value and gradient of 65,536 paths by Heun's method in float64 NumPy, differentiated by hand."""
    steps, paths, random = case.parameters["steps"], 65_536, np.random.default_rng(5)
    if steps > 100:  # its tape would be 60 GB
        return {}
    layers = [[(w.astype(float), b.astype(float)) for w, b in part] for part in weights()]
    h = 1 / steps
    noise = random.normal(size=(steps, paths, 2)) * np.sqrt(h)

    def forward(y, part):
        kept = [y]
        for w, b in part[:-1]:
            kept.append(np.tanh(kept[-1] @ w + b))
        return kept[-1] @ part[-1][0] + part[-1][1], kept

    def backward(kept, part, ct, sums):
        for i in reversed(range(len(part))):
            sums[i][0][...] += kept[i].T @ ct
            sums[i][1][...] += ct.sum(0)
            ct = ct @ part[i][0].T
            ct = ct * (1 - kept[i] ** 2) if i else ct
        return ct

    def slope(y, dw):
        (f, at_f), (g, at_g) = (forward(y, part) for part in layers)
        return h * f + g * dw, (at_f, at_g)

    y, tape = np.ones((paths, 2)), []
    for dw in noise:
        first, at = slope(y, dw)
        last, end = slope(y + first, dw)
        tape.append((at, end))
        y = y + 0.5 * (first + last)
    sums = [[(np.zeros_like(w), np.zeros_like(b)) for w, b in part] for part in layers]

    def pull(at, ct, dw):
        return backward(at[0], layers[0], h * ct, sums[0]) + backward(at[1], layers[1], ct * dw, sums[1])

    ct = 2 * y / y.size
    for dw, (at, end) in zip(noise[::-1], tape[::-1], strict=True):
        from_guess = pull(end, 0.5 * ct, dw)
        ct = ct + from_guess + pull(at, 0.5 * ct + from_guess, dw)
    return {
        "value": np.array([np.mean(y**2)]),
        "gradient": np.concatenate([x.ravel() for p in sums for l in p for x in l]),
    }


CASES = {"1,024 paths, 64 steps": (1024, 64), "1,024 paths, 1,024 steps": (1024, 1024)}
MAIN, LONG = CASES
TORCH = ("torchsde_adjoint",)
DIFFRAX = ("diffrax_checkpointed", "diffrax_direct")


def judge(results: Results) -> list:
    def over(key: str, peers: tuple[str, ...], mine: str = "ours", case: str = MAIN):
        least = lambda: min(results.number(case, name, key) for name in peers)  # noqa: E731
        return lambda: least() / results.number(case, mine, key)

    error = lambda name: lambda: results.number(MAIN, name, "gradient_error")  # noqa: E731
    reversible = "ours_reversible"
    return [
        at_least("time: torchsde's reversible adjoint over ours, at least 3", 3.0, over("seconds", TORCH)),
        at_least("time: the better of diffrax's over ours, at least 3", 3.0, over("seconds", DIFFRAX)),
        at_least("memory: torchsde's reversible adjoint over ours, at least 3", 3.0, over("grown_mib", TORCH)),
        at_least("memory: the better of diffrax's over ours, at least 3", 3.0, over("grown_mib", DIFFRAX)),
        for_information("time: torchsde's over ours with every state kept", over("seconds", TORCH, "ours_every_state")),
        for_information("time: torchsde's over ours, undone", over("seconds", TORCH, reversible)),
        for_information("1,024 steps, time: torchsde's over ours, undone", over("seconds", TORCH, reversible, LONG)),
        for_information("1,024 steps, memory: torchsde's over ours", over("grown_mib", TORCH, "ours", LONG)),
        for_information(
            "1,024 steps, memory: torchsde's over ours, undone", over("grown_mib", TORCH, reversible, LONG)
        ),
        at_most("our gradient from that of 65,536 paths, at most 0.2 (it has 1,024)", 0.2, error("ours")),
    ]


BENCHMARK = Benchmark(
    name="neural_sde",
    title="value and gradient of a neural SDE, 2-16-16-2, reversible Heun, float32",
    contenders=[
        Contender("ours", ours("few"), env=SINGLE),
        Contender("ours_every_state", ours("recorded"), env=SINGLE),
        Contender("ours_reversible", ours("reversible"), env=SINGLE),
        Contender("diffrax_checkpointed", diffrax("checkpointed"), ("diffrax",), env=SINGLE),
        Contender("diffrax_direct", diffrax("direct"), ("diffrax",), env=SINGLE),
        Contender("torchsde_adjoint", torchsde(adjoint=True), ("torch", "torchsde")),
        Contender("torchsde_direct", torchsde(adjoint=False), ("torch", "torchsde")),
    ],
    cases=[Case(name, {"batch": batch, "steps": steps}) for name, (batch, steps) in CASES.items()],
    smoke_cases=[Case("16 paths, 4 steps", {"batch": 16, "steps": 4})],
    reference=truth,
    judge=judge,
    notes=[
        "Memory is the peak above what is resident before a call (MiB).",
        "Ours: 171 paths at a time; `ours` with sj.Recorded(snapshots=16), `ours_every_state` with sj.Recorded(), "
        "`ours_reversible` with sj.Reversible().",
        "torchsde: BrownianInterval with dt given, its quickest path.",
    ],
)

if __name__ == "__main__":
    BENCHMARK.main()
