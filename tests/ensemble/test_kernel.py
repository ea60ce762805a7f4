"""Kernels: that they lower for a GPU, why others do not, and what XLA finds when it interprets them.

`test_ensemble.py` compares their solutions with a loop of `solve_ode`, `benchmarks/ensemble_gpu.py` measures them.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.core import close
from sciml_jax.ensemble.kernel import no_kernel
from sciml_jax.ensemble.parts import computed, split
from sciml_jax.solve.noise import key_words

RATES = np.linspace(0.5, 3.0, 20)
START = np.array([1.0, 0.0])


def oscillator(t, y, rate):
    return jnp.stack([y[1], -rate * y[0] + 0.1 * jnp.tanh(y[1])])


METHODS = {
    **{name: {"method": getattr(sj, name)()} for name in ("Tsit5", "Dopri5", "Bosh3", "Vern7")},
    "RK4 with constant steps": {"method": sj.RK4(), "dt": 0.01},
    "equal steps": {"steps": 40},
    **{name: {"method": getattr(sj, name)()} for name in ("Rosenbrock23", "Rodas4", "Rodas5P", "Kvaerno5", "BDF")},
    "saved times": {"save": np.linspace(0.0, 1.0, 6)},
    "a terminating event": {"events": sj.Event(lambda t, y, rate: y[0] - 0.5)},
    "jumps, few": {"events": sj.Event(lambda t, y, rate: y[0], lambda t, y, rate: -y), "max_events": 8},
}


def one(dtype, field=oscillator, **options):
    """A solve of one row, traced in this precision, and its arguments."""
    zero, end = (jnp.asarray(x, dtype) for x in (0.0, 1.0))
    options = {"rtol": 1e-4, "atol": 1e-6, "throw": False} | options
    solve = lambda shared, rate: sj.solve_ode(field, (zero, end), shared, rate, **options)  # noqa: E731
    shared = jnp.asarray(START, dtype)
    return close(solve, shared, jnp.zeros((), dtype)), shared, jnp.asarray(RATES, dtype)


# one explicit and one implicit method stand for the others in float64
PRECISIONS = [*((name, jnp.float32) for name in METHODS), ("Tsit5", jnp.float64), ("Rodas4", jnp.float64)]


@pytest.mark.parametrize("name, dtype", PRECISIONS)
def test_they_lower_for_cuda_without_a_gpu(name, dtype):
    assert no_kernel(*one(dtype, **METHODS[name]), lanes=32) is None


NOISY = {
    "EulerMaruyama": ({"method": sj.EulerMaruyama(), "steps": 40}, jnp.float32),
    "EulerMaruyama in float64": ({"method": sj.EulerMaruyama(), "dt": 0.01}, jnp.float64),
    "Milstein": ({"method": sj.Milstein(), "dt": 0.01}, jnp.float32),
    "StratonovichHeun": ({"method": sj.StratonovichHeun(), "steps": 40}, jnp.float32),
    "a tree": ({"method": sj.EulerMaruyama(), "steps": 40, "path": sj.BrownianTree}, jnp.float32),
}


@pytest.mark.parametrize("name", NOISY)
def test_noise_lowers_for_cuda_without_a_gpu(name):
    options, dtype = NOISY[name]

    def solve(shared, words):
        fields = (lambda t, y, args: -y, lambda t, y, args: 0.2 * y)
        span = tuple(jnp.asarray(x, dtype) for x in (0.0, 1.0))
        return sj.solve_sde(*fields, span, shared, words, throw=False, **options)

    shared, rows = jnp.asarray(START, dtype), jax.vmap(key_words)(jax.random.split(jax.random.key(0), 20))
    word = jax.tree.map(lambda x: x[0], rows)
    assert no_kernel(close(solve, shared, word), shared, rows, lanes=32) is None


@pytest.mark.parametrize(
    "field, options, reason",
    [
        (
            lambda t, y, rate: -rate * y + jnp.sum(jnp.sin(jnp.arange(300) * t)),
            {},
            "an array of 300 entries does not fit",
        ),
        (lambda t, y, rate: -rate * jnp.sort(y), {}, "sort of .* has no lanes"),
        (oscillator, {"steps": 40, "save": sj.Steps()}, "scan of .* has no lanes"),
        (oscillator, {"save": sj.Dense(64)}, "does not fit into registers|has no lanes"),
    ],
)
def test_others_say_why_and_run_in_batches(field, options, reason):
    def ends(backend):
        sol = sj.solve_ensemble(field, (0.0, 1.0), START, RATES, in_axes=(None, 0), backend=backend, **options)
        return sol.y if sol.y is not None else jax.vmap(lambda sol: sol(0.5))(sol)

    with pytest.warns(UserWarning, match=f"does not become a kernel, and runs as under vmap: .*({reason})"):
        found = ends("kernel")
    np.testing.assert_array_equal(found, ends("vmap"))


@pytest.mark.parametrize("n", [1, 16, 33])
def test_any_number_of_rows(n):
    rates = np.linspace(0.5, 3.0, n)
    options = {"in_axes": (None, 0), "chunk": 16, "throw": True}
    kernel, vmap = (
        sj.solve_ensemble(oscillator, (0.0, 1.0), START, rates, backend=backend, **(options | {"chunk": chunk}))
        for backend, chunk in (("kernel", 16), ("vmap", None))
    )
    np.testing.assert_allclose(kernel.y, vmap.y, rtol=1e-11)
    assert kernel.stats["steps"].tolist() == vmap.stats["steps"].tolist()


def test_integers_flags_and_trees():
    """Truth values and integers are loaded and stored; what all rows share may be a pytree."""

    def field(t, y, args):
        sign = jnp.where(args["flip"], -1.0, 1.0)
        return {"a": sign * args["n"] * y["a"], "b": args["shared"]["m"][1, 0] * y["b"] + t}

    flags, counts = np.array([True, False] * 8), np.arange(16)
    args = {"flip": flags, "n": counts, "shared": {"m": np.arange(4.0).reshape(2, 2)}}
    axes = {"flip": 0, "n": 0, "shared": None}
    y0 = {"a": 0.1, "b": 1.0}
    kernel, vmap = (
        sj.solve_ensemble(field, (0.0, 0.2), y0, args, in_axes=(None, axes), backend=b) for b in ("kernel", "vmap")
    )
    for a, b in zip(jax.tree.leaves(kernel.y), jax.tree.leaves(vmap.y), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


def test_gradients():
    """Backwards as under vmap, forwards in a kernel."""

    def mean(rates, backend, gradient):
        options = {"in_axes": (None, 0), "backend": backend, "gradient": gradient, "max_steps": 64}
        return jnp.mean(sj.solve_ensemble(oscillator, (0.0, 1.0), START, rates, **options).y ** 2)

    rates = jnp.asarray(RATES)
    want = jax.grad(mean)(rates, "vmap", sj.Recorded())
    np.testing.assert_allclose(jax.grad(mean)(rates, "kernel", sj.Recorded()), want, rtol=1e-10)
    np.testing.assert_allclose(jax.jacfwd(mean)(rates, "kernel", sj.Forward()), want, rtol=1e-10)


def test_on_a_mesh():
    if jax.device_count() < 8:
        pytest.skip("needs eight devices")
    mesh = jax.make_mesh((8,), ("i",))
    options = {"in_axes": (None, 0)}
    many = sj.solve_ensemble(oscillator, (0.0, 1.0), START, RATES, backend="kernel", chunk=16, mesh=mesh, **options)
    np.testing.assert_allclose(many.y, sj.solve_ensemble(oscillator, (0.0, 1.0), START, RATES, **options).y, rtol=1e-11)


@pytest.mark.parametrize("chunk", [1, 24, 100])
def test_programs_of_other_sizes(chunk):
    with pytest.raises(ValueError, match="a power of two of trajectories, 16 or more; got chunk="):
        sj.solve_ensemble(oscillator, (0.0, 1.0), START, RATES, in_axes=(None, 0), backend="kernel", chunk=chunk)


# ---- the three parts of a solve


def table(shared, row):
    """Sorted thresholds that all share, a loop of every row's own length, and what comes after it."""
    order = jnp.sort(shared["t"])
    count = jax.lax.while_loop(lambda c: c[0] < row, lambda c: (c[0] + order[0], c[1] + 1), (0.0, 0))[1]
    return {"count": count, "place": order[jnp.clip(count, 0, 2)], "row": row, "shared": order * 2, "one": 1.0}


def test_parts_make_the_whole():
    shared, rows = {"t": jnp.array([3.0, 0.5, 2.0])}, jnp.array([0.2, 1.1, 2.6])
    closed = jax.make_jaxpr(table)(shared, rows[0])
    parts = split(closed, 1)
    assert [e.primitive.name for e in parts.before.jaxpr.eqns].count("sort") == 1
    assert [e.primitive.name for e in parts.during.jaxpr.eqns][-1] == "while"
    first = computed(parts.before, shared["t"])
    for row in rows:
        loop = computed(parts.during, *first, row)
        found = computed(parts.after, *first, row, *loop)
        for a, b in zip(found, jax.tree.leaves(table(shared, row)), strict=True):
            np.testing.assert_array_equal(a, b)


def test_parts_without_a_loop():
    parts = split(jax.make_jaxpr(lambda a, x: (a + 1, jnp.sin(x) * a))(2.0, 3.0), 1)
    first = computed(parts.before, 2.0)
    assert computed(parts.after, *first, 3.0, *computed(parts.during, *first, 3.0)) == [
        3.0,
        pytest.approx(2 * np.sin(3)),
    ]
