"""`solve_sde`: ways to run it that agree, gradients, saving, and what is refused."""

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest

import sciml_jax as sj

KEY = jax.random.key(0)
KEYS = jax.random.split(KEY, 5)
METHODS = {"EulerMaruyama": sj.EulerMaruyama(), "Milstein": sj.Milstein(), "StratonovichHeun": sj.StratonovichHeun()}
SPAN = (0.0, 1.0)


def drift(t, y, args):
    return {"a": -args[0] * y["a"] + t, "b": y["a"][0] - y["b"]}


def diffusion(t, y, args):
    return {"a": args[1] * y["a"], "b": 0.1 * jnp.cos(y["b"])}


START = {"a": np.array([1.0, 2.0]), "b": 0.5}
ARGS = (0.7, 0.3)


def end(key, args=ARGS, y0=START, span=SPAN, **options):
    sol = sj.solve_sde(drift, diffusion, span, y0, key, args, **({"steps": 16} | options))
    return sol.y


def agree(found, want, rtol=1e-13):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol), found, want)


@pytest.mark.parametrize("name", METHODS)
def test_eager_jitted_and_batched_solves_agree(name):
    method = METHODS[name]
    loop = [end(key, method=method) for key in KEYS]
    stacked = jax.tree.map(lambda *xs: jnp.stack(xs), *loop)
    agree(jax.vmap(lambda key: end(key, method=method))(KEYS), stacked)
    if name != "StratonovichHeun":  # what follows is of the loop around a method
        return
    agree(jax.jit(lambda key: end(key, method=method))(KEYS[1]), loop[1])
    # the same steps in the loop for traced sizes
    agree(end(KEYS[2], method=method, dt=1 / 16, steps=None), loop[2])
    many = sj.solve_ensemble(
        sj.Stochastic(drift, diffusion), SPAN, START, ARGS, key=KEYS, in_axes=(None, None), method=method, steps=16
    )
    agree(many.y, stacked, 1e-12)
    assert many.stats["steps"].tolist() == [16] * 5


def shrinking(t, y, args):
    return -args * y


def mixed(t, y, args):
    return jnp.stack([y, 0.1 * y[::-1]], axis=-1)


@pytest.mark.parametrize("backend", ["vmap", "lanes", "kernel"])
@pytest.mark.parametrize("path", [None, sj.BrownianTree])
def test_ensembles_on_every_backend(backend, path):
    field = sj.Stochastic(shrinking, mixed, "general", path=path)
    rates = np.array([0.5, 1.0, 2.0])
    options = {"method": sj.EulerMaruyama(), "steps": 8, "backend": backend, "in_axes": (None, 0)}
    many = sj.solve_ensemble(field, SPAN, np.array([1.0, -1.0]), rates, key=KEY, **options)
    for i, key in enumerate(jax.random.split(KEY, 3)):
        options = {"noise": "general", "steps": 8, "path": path}
        one = sj.solve_sde(field.drift, field.diffusion, SPAN, np.array([1.0, -1.0]), key, rates[i], **options)
        np.testing.assert_allclose(many.y[i], one.y, rtol=1e-12)


HIT = sj.Event(lambda t, y, args: y - 1.5)
RISING = sj.Stochastic(lambda t, y, args: jnp.ones_like(y), lambda t, y, args: 0.2 * y)


@pytest.mark.parametrize("backend", ["vmap", "lanes"])
def test_ensembles_save_and_end_like_others(backend):
    field, hit = RISING, HIT
    options = {"dt": 1 / 64, "in_axes": (None, None), "backend": backend, "save": [0.25, 1.0], "events": hit}
    many = sj.solve_ensemble(field, SPAN, 1.0, key=KEYS, **options)
    for i, key in enumerate(KEYS):
        options = {"dt": 1 / 64, "save": [0.25, 1.0], "events": hit}
        one = sj.solve_sde(field.drift, field.diffusion, SPAN, 1.0, key, **options)
        np.testing.assert_allclose(many.y[i], one.y, rtol=1e-12)
        assert int(many.event.n[i]) == int(one.event.n) == 1
        assert float(one.event.y[0]) == pytest.approx(1.5, abs=1e-9)


@pytest.mark.parametrize(
    "name, steps",
    # the loop for traced sizes is the same for every method
    [*((name, {"steps": 16}) for name in METHODS), ("StratonovichHeun", {"steps": None, "dt": 1 / 16})],
)
def test_gradients_are_those_of_the_path(name, steps):
    """Against central differences with the same key: h^2 f''' / 6 and rounding over h are below 1e-9."""

    def loss(p, gradient=None):
        y0 = {"a": jnp.stack([p[2], p[3]]), "b": p[4]}
        y = end(KEYS[0], (p[0], p[1]), y0, method=METHODS[name], gradient=gradient, max_steps=20, **steps)
        return jnp.sum(y["a"] ** 2) + y["b"]

    p, h = np.array([0.7, 0.3, 1.0, 2.0, 0.5]), 1e-5
    ends = jax.jit(jax.vmap(loss))(p + h * np.concatenate([np.eye(5), -np.eye(5)]))
    wanted = (ends[:5] - ends[5:]) / (2 * h)
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(p), wanted, rtol=1e-8, atol=1e-8)
    forward = jax.jit(jax.jacfwd(lambda p: loss(p, sj.Forward())))(p)
    np.testing.assert_allclose(forward, wanted, rtol=1e-8, atol=1e-8)


def test_gradients_through_a_tree():
    loss = lambda a, **o: end(KEY, (a, 0.3), path=sj.BrownianTree, **o)["a"][0]  # noqa: E731
    for options in ({}, {"steps": None, "dt": 1 / 16, "max_steps": 20}):
        found = jax.grad(loss)(0.7, **options)
        assert float(found) == pytest.approx((float(loss(0.7 + 1e-5)) - float(loss(0.7 - 1e-5))) / 2e-5, rel=1e-8)


def test_a_tree_with_areas_drives_methods_of_order_three_halves():
    """Two methods on one path: their errors at 64 steps are h^1.5 each, and shrink to an eighth at 256."""
    path = sj.BrownianTree(SPAN, (), KEY, depth=9, area=True)
    fields = (lambda t, y, args: jnp.sin(2 * y), lambda t, y, args: 1.0 + 0 * y)
    run = lambda method, n: (
        sj.solve_sde(  # noqa: E731
            *fields, SPAN, 0.3, None, noise="additive", path=path, method=method, dt=1 / n
        ).y
    )
    gaps = [abs(float(run(sj.SRA1(), n) - run(sj.ShARK(), n))) for n in (64, 256)]
    assert gaps[0] < 64**-1.5 and gaps[1] < 256**-1.5
    assert abs(float(run(sj.SRA1(), 256) - run(sj.EulerMaruyama(), 256))) < 0.05


WEIGHTS = np.array([[0.3, 0.1, 0.0], [0.0, 0.2, 0.4]])
OPERATORS = {
    "matrix": lambda size, y: lx.MatrixLinearOperator(size * WEIGHTS * y[:, None]),
    "function": lambda size, y: lx.FunctionLinearOperator(
        lambda w: size * y * (jnp.asarray(WEIGHTS) @ w), jax.ShapeDtypeStruct((3,), y.dtype)
    ),
}


@pytest.mark.parametrize("kind", OPERATORS)
def test_an_operator_is_its_matrix(kind):
    """With its derivatives, also with respect to what the operator has closed over."""

    def end(size, g, **options):
        options = {"noise": "general", "method": sj.StratonovichHeun(), "interpretation": "ito"} | options
        drift, diffusion = lambda t, y, args: -y, lambda t, y, args: g(args, y)
        return sj.solve_sde(drift, diffusion, SPAN, np.ones(2), KEY, size, **options).y

    plain = lambda size, y: size * WEIGHTS * y[:, None]  # noqa: E731
    value = lambda size, g, **options: jnp.sum(end(size, g, **options) ** 2)  # noqa: E731
    for how in ({"steps": 8}, {"dt": 0.125}):
        ours, theirs = (jax.value_and_grad(value)(1.0, g, **how) for g in (OPERATORS[kind], plain))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert not np.allclose(theirs[1], 0.0)
    batch = jax.vmap(lambda size: end(size, OPERATORS[kind], steps=8))(np.array([1.0, 2.0]))
    np.testing.assert_allclose(batch[1], end(2.0, plain, steps=8), rtol=1e-12)


@pytest.mark.parametrize("method", [sj.ShARK(), sj.SRA1(), sj.DRI1(), sj.SKenCarp()], ids=lambda m: type(m).__name__)
def test_operators_of_additive_noise(method):
    ends = []
    for g in (lambda t: (1 + t) * WEIGHTS, lambda t: OPERATORS["function"](1 + t, np.ones(2))):
        options = {"noise": "additive", "method": method, "steps": 4}
        fields = lambda t, y, args: jnp.sin(y), lambda t, y, args, g=g: g(t)  # noqa: E731
        ends.append(sj.solve_sde(*fields, SPAN, np.ones(2), KEY, **options).y)
    np.testing.assert_allclose(*ends, rtol=1e-12)


def test_an_operator_must_fit_the_state():
    g = lambda t, y, args: lx.FunctionLinearOperator(lambda w: w, jax.ShapeDtypeStruct((3,), y.dtype))  # noqa: E731
    with pytest.raises(ValueError, match=r"must map the noise to states like y0, \(2,\); its products have the shape"):
        sj.solve_sde(lambda t, y, args: -y, g, SPAN, np.ones(2), KEY, noise="general", steps=2)


def test_diagonal_noise_is_a_general_one():
    """Every formula for diagonal noise against the one for matrices, on the same path."""
    ends = {}
    for noise, g in (("diagonal", lambda y: 0.5 * jnp.sin(y)), ("commutative", lambda y: jnp.diag(0.5 * jnp.sin(y)))):
        for name, method in METHODS.items():
            for interpretation in ("ito", "stratonovich"):
                options = {"noise": noise, "interpretation": interpretation, "method": method, "steps": 4}
                ends[noise, name, interpretation] = sj.solve_sde(
                    lambda t, y, args: -y, lambda t, y, args, g=g: g(y), SPAN, np.array([1.0, 2.0]), KEY, **options
                ).y
    for (_, *rest), y in ends.items():
        np.testing.assert_allclose(y, ends["diagonal", *rest], rtol=1e-12)


def test_there_and_back_again():
    """In Stratonovich's sense a path can be run backwards: back at the start with the error of the method."""
    distances = []
    fields = (lambda t, y, args: -y, lambda t, y, args: 0.5 * jnp.sin(3 * y))
    path = sj.IncrementPath(SPAN, (), KEY, resolution=256)
    for n in (64, 256):
        options = {"interpretation": "stratonovich", "method": sj.StratonovichHeun(), "path": path, "dt": 1 / n}
        there = sj.solve_sde(*fields, SPAN, 1.0, None, **options)
        back = sj.solve_sde(*fields, SPAN[::-1], there.y, None, **options)
        assert abs(float(there.y) - 1.0) > 0.1
        distances.append(abs(float(back.y) - 1.0))
    assert distances[0] < 0.02 and distances[1] < 0.5 * distances[0]


def test_saved_steps_and_times_lie_on_the_path():
    steps = end(KEY, save=sj.Steps())
    np.testing.assert_array_equal(steps["b"][0], START["b"])
    np.testing.assert_allclose(steps["b"][-1], end(KEY)["b"], rtol=1e-14)
    at = end(KEY, save=np.array([0.25, 0.28125, 1.0]))
    np.testing.assert_allclose(at["b"][0], steps["b"][4], rtol=1e-13)
    np.testing.assert_allclose(at["b"][1], 0.5 * (steps["b"][4] + steps["b"][5]), rtol=1e-13)  # linear between steps


def test_numbers_of_evaluations():
    stats = sj.solve_sde(drift, diffusion, SPAN, START, KEY, ARGS, method=sj.StratonovichHeun(), steps=16).stats
    assert (int(stats["field_evaluations"]), int(stats["diffusion_evaluations"])) == (32, 32)


@pytest.mark.float32
def test_single_precision():
    y0 = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), START)
    for options in ({"steps": 16}, {"steps": None, "dt": 1 / 16}, {"path": sj.BrownianTree}):
        found = end(KEY, y0=y0, **options)
        assert {x.dtype for x in jax.tree.leaves(found)} == {np.dtype(np.float32)}
        assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(found))


PLAIN = (lambda t, y, args: -y, lambda t, y, args: 0.1 * y)
MATRIX = lambda t, y, args: jnp.ones((2, 3)) * y[:, None]  # noqa: E731
BAD = {
    "no steps": (PLAIN, {"steps": None}, ValueError, "EulerMaruyama has constant steps: give dt="),
    "no key": (PLAIN, {"key": None}, ValueError, r"needs a key, jax.random.key\(0\), or a path="),
    "a number as key": (PLAIN, {"key": 3}, TypeError, "key must be a key of jax.random"),
    "an unknown noise": (PLAIN, {"noise": "white"}, ValueError, "noise is one of 'diagonal', .*; got 'white'"),
    "an unknown interpretation": (PLAIN, {"interpretation": "Ito"}, ValueError, "is 'ito' or 'stratonovich'"),
    "a method for ODEs": (PLAIN, {"method": sj.Tsit5()}, TypeError, "Tsit5 is for equations without noise: give"),
    "a matrix as diagonal": ((PLAIN[0], MATRIX), {}, ValueError, r"noise='diagonal' must have .*\(2, 3\) for \(2,\)"),
    "a vector as matrix": (PLAIN, {"noise": "general"}, ValueError, "one more axis than its leaf of y0"),
    "SRIW1 with general noise": (
        (PLAIN[0], MATRIX),
        {"noise": "general", "method": sj.SRIW1()},
        ValueError,
        "SRIW1 is for noise='diagonal', 'scalar', not 'general'",
    ),
    "Milstein with general noise on a tree": (
        (PLAIN[0], MATRIX),
        {"noise": "general", "method": sj.Milstein(), "path": sj.BrownianTree},
        ValueError,
        "needs the Lévy areas between its noises, which this sj.BrownianTree does not know: use sj.IncrementPath",
    ),
    "a path of another shape": (
        PLAIN,
        {"path": sj.IncrementPath(SPAN, (3,), KEY)},
        ValueError,
        r"has the shape \(2,\), but path= that of \(3,\)",
    ),
    "a tree of another span": (
        PLAIN,
        {"path": sj.BrownianTree((SPAN[0], (SPAN[0] + SPAN[1]) / 2), (2,), KEY)},
        ValueError,
        "outside of which there is no noise",
    ),
    "steps between cells": (
        PLAIN,
        {"path": sj.IncrementPath(SPAN, (2,), KEY, resolution=10)},
        ValueError,
        "a step of 0.25 is 2.5 cells of path=",
    ),
    "a path without areas": (
        PLAIN,
        {"path": sj.BrownianTree, "noise": "additive", "method": sj.SRA1()},
        ValueError,
        "needs the space-time area of its noise, which this sj.BrownianTree does not know: use sj.IncrementPath",
    ),
    "a list as diffusion": (
        (PLAIN[0], lambda t, y, args: [y]),
        {},
        TypeError,
        "diffusion must return a pytree like y0",
    ),
    "complex states": (PLAIN, {"y0": np.ones(2) * 1j}, TypeError, "needs a real y0"),
    "no function": ((PLAIN[0], 0.1), {}, TypeError, "diffusion must be a function"),
}


@pytest.mark.parametrize("case", BAD)
def test_messages(case):
    (f, g), options, error, message = BAD[case]
    options = {"key": KEY, "y0": np.ones(2), "steps": 4} | options
    with pytest.raises(error, match=message):
        sj.solve_sde(f, g, SPAN, options.pop("y0"), options.pop("key"), **options)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({}, ValueError, r"an ensemble of random paths needs key=: jax.random.split\(key, n\)"),
        ({"key": KEYS, "in_axes": (0, None)}, ValueError, "key= has 5 keys for 2 trajectories: give one key"),
        ({"key": KEY}, ValueError, "one key for each trajectory, jax.random.split"),
        ({"key": 1}, TypeError, "key must be an array of keys"),
        ({"key": KEYS.reshape(5, 1)}, ValueError, r"of shape \(n,\), one for each trajectory; got \(5, 1\)"),
        ({"key": KEYS, "field": PLAIN[0]}, ValueError, "key= is for stochastic equations"),
    ],
)
def test_messages_of_ensembles(options, error, message):
    field = options.get("field", sj.Stochastic(*PLAIN))
    with pytest.raises(error, match=message):
        in_axes = options.get("in_axes", (None, None))
        sj.solve_ensemble(field, SPAN, np.ones(2), key=options.get("key"), in_axes=in_axes, steps=4)


def test_a_stochastic_field_is_no_plain_one():
    with pytest.raises(ValueError, match=r"sj.Stochastic needs a key: call sj.solve_sde"):
        sj.solve_ode(sj.Stochastic(*PLAIN), SPAN, 1.0, method=sj.EulerMaruyama(), steps=4)
    with pytest.raises(TypeError, match="EulerMaruyama is for stochastic equations: call sj.solve_sde"):
        sj.solve_ode(PLAIN[0], SPAN, 1.0, method=sj.EulerMaruyama(), steps=4)
