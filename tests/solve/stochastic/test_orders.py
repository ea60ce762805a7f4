"""Strong orders of convergence on single paths, and moments."""

import inspect
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

COMMUTING = np.array([[[0.5, 0.2], [0.2, 0.5]], [[0.3, -0.1], [-0.1, 0.3]]])  # symmetric, of equal eigenvectors
DRIFT = np.array([[-0.5, 0.3], [0.3, -0.5]])


def linear_exact(w, ito):
    """dy = A y dt + B_1 y dW_1 + B_2 y dW_2 with matrices that commute, from (1, 0)."""
    drift = DRIFT - 0.5 * ito * sum(b @ b for b in COMMUTING)
    return jax.scipy.linalg.expm(drift + sum(b * w[k] for k, b in enumerate(COMMUTING))) @ jnp.array([1.0, 0.0])


# y0, drift, diffusion, kind of noise, and the solution from W(1) in both interpretations (None: fine steps)
SYSTEMS = {
    "geometric": (
        np.array([1.0, 0.5]),
        lambda t, y, args: 0.1 * y,
        lambda t, y, args: jnp.array([0.5, 0.3]) * y,
        "diagonal",
        lambda w, ito: (
            jnp.array([1.0, 0.5]) * jnp.exp(0.1 - 0.5 * ito * jnp.array([0.25, 0.09]) + jnp.array([0.5, 0.3]) * w)
        ),
    ),
    "one noise": (
        np.array([1.0, 0.5]),
        lambda t, y, args: 0.1 * y,
        lambda t, y, args: 0.7 * y,
        "scalar",
        lambda w, ito: jnp.array([1.0, 0.5]) * jnp.exp(0.1 - 0.245 * ito + 0.7 * w),
    ),
    "coupled": (
        np.array([1.0, 0.5]),
        lambda t, y, args: jnp.sin(y[::-1]) - 0.5 * t * y,
        lambda t, y, args: jnp.stack([0.5 * jnp.cos(y[0]) + 0.2 * t, 0.4 * jnp.sqrt(1 + y[1] ** 2)]),
        "diagonal",
        None,
    ),
    "Ornstein-Uhlenbeck": (
        np.array([1.0, 0.0]),
        lambda t, y, args: -y + jnp.sin(y[::-1]),
        lambda t, y, args: jnp.array([[1.0], [2.0]]) * (1 + t),
        "additive",
        None,
    ),
    "commuting": (
        np.array([1.0, 0.0]),
        lambda t, y, args: DRIFT @ y,
        lambda t, y, args: jnp.stack([b @ y for b in COMMUTING], axis=-1),
        "commutative",
        linear_exact,
    ),
    "not commuting": (
        np.array([1.0, 0.5]),
        lambda t, y, args: -0.2 * y,
        lambda t, y, args: jnp.stack([0.8 * jnp.sin(y[::-1]), jnp.stack([0.6 * y[0], -0.3 + 0 * y[1]])], axis=-1),
        "general",
        None,
    ),
}
ORDERS = [
    *(("EulerMaruyama", system, 1.0 if system == "Ornstein-Uhlenbeck" else 0.5) for system in SYSTEMS),
    *(("ImplicitEulerMaruyama", system, order) for system, order in (("Ornstein-Uhlenbeck", 1.0), ("coupled", 0.5))),
    *(("Milstein", system, 1.0) for system in SYSTEMS),
    *((name, "Ornstein-Uhlenbeck", 1.5) for name in ("SRA1", "SOSRA", "ShARK", "SKenCarp", "SPaRK")),
    *((name, system, 1.5) for name in ("SRIW1", "SOSRI") for system in ("geometric", "one noise", "coupled")),
    *(("StratonovichHeun", system, 0.5 if system == "not commuting" else 1.0) for system in SYSTEMS),
    *(
        ("SPaRK", system, 0.5 if system == "not commuting" else 1.0)
        for system in ("coupled", "commuting", "not commuting")
    ),
    *(("ReversibleHeun", system, 1.0) for system in ("geometric", "Ornstein-Uhlenbeck")),
    ("ReversibleHeun", "not commuting", 0.5),
]
# of the methods that take seconds each, one system
CHEAP = ("EulerMaruyama", "Milstein", "StratonovichHeun")
QUICK = [row for row in ORDERS if row[0] in CHEAP and row[1] != "coupled" and row[:2] != ("Milstein", "not commuting")]
QUICK += [
    ("ReversibleHeun", "geometric", 1.0),
    ("SRA1", "Ornstein-Uhlenbeck", 1.5),
    ("SRIW1", "geometric", 1.5),
    ("SPaRK", "commuting", 1.0),
]
BOTH = [
    ("ImplicitEulerMaruyama", "coupled"),
    ("SRIW1", "geometric"),
    ("SOSRI", "geometric"),
    ("SPaRK", "commuting"),
    ("ReversibleHeun", "geometric"),
]
SLOW = {True: (), False: pytest.mark.slow}
STEPS = (16, 32, 64, 128)
BATCHES = 10


@cache
def errors(method, system, interpretation):
    """The root mean square errors at the end for every number of steps, shape (batches, steps)."""
    y0, drift, diffusion, noise, exact = SYSTEMS[system]
    shape = {"diagonal": (2,), "scalar": (), "additive": (1,), "commutative": (2,), "general": (2,)}[noise]
    # what the reference is: exact, of the order 1/2 for general noise but for Milstein's, or of order 1 and more
    finest = STEPS[-1] if exact else 1024 if noise == "general" and method != "Milstein" else 512
    paths = 150 if exact else 30  # in a batch: the errors of multiplicative noise, whose solutions are known, vary most

    def solve(path, method, dt):
        options = {"noise": noise, "interpretation": interpretation, "method": method, "path": path, "dt": dt}
        return sj.solve_sde(drift, diffusion, (0.0, 1.0), y0, None, **options).y

    def one(key):
        path = sj.IncrementPath((0.0, 1.0), shape, key, resolution=finest)
        if exact is None:
            # another method, so that an error which both interpretations share would be seen
            finer = {
                "StratonovichHeun": sj.SRIW1() if noise == "diagonal" else sj.EulerMaruyama(),
                "ShARK": sj.SRA1(),
                "SRIW1": sj.SOSRI(),
                "SOSRI": sj.SRIW1(),
            }
            additive = sj.ShARK() if noise == "additive" else sj.StratonovichHeun()
            other = finer.get(method, additive)
            if method == "Milstein" and noise == "general":  # the only one that sees the areas within cells
                other = sj.Milstein()
            reference = solve(path, other, 1 / finest)
        else:
            reference = exact(path.increment(jnp.zeros(()), jnp.ones(())), interpretation == "ito")
        ends = jax.lax.map(lambda n: solve(path, getattr(sj, method)(), 1 / n), jnp.asarray(STEPS, float))
        return jnp.sum((ends - reference) ** 2, axis=1)

    keys = jax.random.split(jax.random.key(7), BATCHES * paths)
    squares = jax.jit(jax.vmap(one))(keys)
    return np.sqrt(np.asarray(squares).reshape(BATCHES, paths, -1).mean(axis=1))


def test_every_method_has_its_orders():
    methods = {
        name for name, value in vars(sj).items() if inspect.isclass(value) and issubclass(value, sj.StochasticMethod)
    }
    methods |= {"ReversibleHeun"}  # for equations without noise as well
    # bases, and methods whose tests of their own need other equations, or expectations
    methods -= {"StochasticMethod", "SRA", "SRI", "LangevinSplitting", "BAOAB", "OBABO", "DRI1"}
    assert methods == {name for name, _, _ in ORDERS}
    for name in methods:  # what the class says is the order for the most general of its noises
        assert getattr(sj, name).strong_order == min(order for other, _, order in ORDERS if other == name)


def interpretations(name, system):
    """Both for every method, and for the cheap ones with every kind of noise that depends on the state; elsewhere that
    to which the method, if it does not solve both as they are, comes by a change of the drift."""
    if (name in CHEAP and system not in ("coupled", "Ornstein-Uhlenbeck")) or (name, system) in BOTH:
        return ("ito", "stratonovich")
    solved = getattr(getattr(sj, name), "interpretations", {"stratonovich"})
    return ("stratonovich",) if solved == {"ito"} else ("ito",)


@pytest.mark.parametrize(
    "name, system, order, interpretation",
    [
        pytest.param(*row, interpretation, marks=SLOW[row in QUICK])
        for row in ORDERS
        for interpretation in interpretations(*row[:2])
    ],
)
def test_strong_orders(name, system, order, interpretation):
    found = errors(name, system, interpretation)
    slopes = -np.polyfit(np.log2(STEPS), np.log2(found.T), 1)[0]
    standard_error = slopes.std(ddof=1) / np.sqrt(BATCHES)
    assert standard_error < 0.07
    assert abs(slopes.mean() - order) < 0.15, f"{slopes.mean():.3f} +- {standard_error:.3f}"


def test_moments_of_euler_maruyama_are_those_of_its_recursion():
    """E y_n = (1 + mu h)^n and E y_n^2 = ((1 + mu h)^2 + sigma^2 h)^n, within the errors of 40,000 paths."""
    mu, sigma, steps, n = 0.5, 0.4, 10, 40_000
    solve = lambda key: (
        sj.solve_sde(  # noqa: E731
            lambda t, y, args: mu * y, lambda t, y, args: sigma * y, (0.0, 1.0), 1.0, key, steps=steps
        ).y
    )
    y = np.asarray(jax.jit(jax.vmap(solve))(jax.random.split(jax.random.key(2), n)))
    h = 1 / steps
    for power, want in ((1, (1 + mu * h) ** steps), (2, ((1 + mu * h) ** 2 + sigma**2 * h) ** steps)):
        values = y**power
        assert abs(values.mean() - want) < 4.5 * values.std() / np.sqrt(n)


@pytest.mark.parametrize("interpretation", ["ito", "stratonovich"])
def test_moments_of_processes(interpretation):
    """Ornstein-Uhlenbeck, of the variance sigma^2 (1 - exp(-2 k t)) / 2 k, and Cox-Ingersoll-Ross in Itô's sense."""
    n, k, sigma = 20_000, 1.5, 0.6
    keys = jax.random.split(jax.random.key(4), n)
    solve = lambda key: (
        sj.solve_sde(  # noqa: E731
            *(lambda t, y, args: k * (1.0 - y), lambda t, y, args: sigma * jnp.ones_like(y), (0.0, 1.0), 2.0, key),
            noise="additive",
            interpretation=interpretation,
            steps=50,
            method=sj.StratonovichHeun(),
        ).y
    )
    y = np.asarray(jax.jit(jax.vmap(solve))(keys))
    # errors of the method, of weak order 2 where noise is additive, are (k h)^2 / 6, a tenth of these standard errors
    assert abs(y.mean() - (1 + np.exp(-k))) < 4.5 * y.std() / np.sqrt(n)
    variance = sigma**2 * (1 - np.exp(-2 * k)) / (2 * k)
    assert abs(y.var() - variance) < 4.5 * variance * np.sqrt(2 / n)
    if interpretation == "stratonovich":
        return
    root = lambda key: (
        sj.solve_sde(  # noqa: E731
            *(lambda t, y, args: k * (1.0 - y), lambda t, y, args: sigma * jnp.sqrt(jnp.abs(y)), (0.0, 1.0), 2.0, key),
            steps=400,
            method=sj.EulerMaruyama(),
        ).y
    )
    y = np.asarray(jax.jit(jax.vmap(root))(keys))
    decay = np.exp(-k)
    mean = 1 + decay
    variance = 2.0 * sigma**2 / k * (decay - decay**2) + sigma**2 / (2 * k) * (1 - decay) ** 2
    assert abs(y.mean() - mean) < 4.5 * y.std() / np.sqrt(n) + mean * k / 400  # and the weak error of first order
    assert abs(y.var() - variance) < 4.5 * variance * np.sqrt(2.5 / n) + variance * 2 * k / 400
