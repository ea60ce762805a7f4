"""Backsolve through noise: the adjoint equation on the same path converges to the derivatives of the exact solution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

KEYS = jax.random.split(jax.random.key(5), 40)
METHODS = [sj.StratonovichHeun(), sj.ReversibleHeun()]
IDS = ["StratonovichHeun", "ReversibleHeun"]
GROWTH = (lambda t, y, p: p["mu"] * y), (lambda t, y, p: p["sigma"] * y)
P = {"mu": 0.3, "sigma": 0.5, "y0": jnp.array([1.0, 0.6])}


def geometric(p, key, steps, method, ito, **options):
    """The loss of geometric Brownian motion, and W(1) of its path."""
    path = sj.BrownianTree((0.0, 1.0), (2,), key, depth=12)
    kind = {"interpretation": "ito" if ito else "stratonovich", "method": method, "path": path, "dt": 1 / steps}
    sol = sj.solve_sde(*GROWTH, (0.0, 1.0), p["y0"], None, p, gradient=sj.Backsolve(), **kind, **options)
    return jnp.sum(sol.y**2), path.increment(jnp.zeros(()), jnp.ones(()))


def exact(p, w, ito):
    return jnp.sum((p["y0"] * jnp.exp(p["mu"] - 0.5 * ito * p["sigma"] ** 2 + p["sigma"] * w)) ** 2)


@pytest.mark.parametrize("ito", [True, False], ids=["ito", "stratonovich"])
@pytest.mark.parametrize("method, order", [(METHODS[0], 1.0), (METHODS[1], 0.5)], ids=IDS)
def test_the_gradient_converges_to_that_of_the_exact_solution(method, order, ito):
    """With the method's strong order, measured from 16 to 128 steps on 40 paths."""

    def error(key, steps):
        (_, w), got = jax.value_and_grad(geometric, has_aux=True)(P, key, steps, method, ito)
        want = jax.grad(exact)(P, w, float(ito))
        return sum(jnp.sum((a - b) ** 2) for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True))

    solve = jax.jit(lambda key: jax.lax.map(lambda n: error(key, n), jnp.array([16.0, 128.0])))
    coarse, fine = np.sqrt(np.mean(jax.lax.map(solve, KEYS), axis=0))
    # the mean over 40 paths of squares with heavy tails: the ratio is known to about a fifth
    assert fine < 1.5 * coarse / 8**order
    assert fine < 0.5


SPIRAL = lambda t, y, a: jnp.stack([-y[1], jnp.sin(y[0])]) * a  # noqa: E731
GENERAL = lambda t, y, a: 0.2 * jnp.stack([jnp.cos(a * y), jnp.sin(y[::-1]), a * jnp.ones(2)], axis=-1)  # noqa: E731


def test_general_noise_and_saved_times():
    """Against the gradient of the computed solution, which has the same limit: they draw near with the steps."""

    def total(a, y0, key, steps, gradient):
        path = sj.BrownianTree((0.0, 1.0), (3,), key, depth=12)
        kind = {"noise": "general", "method": sj.StratonovichHeun(), "path": path, "dt": 1 / steps}
        y = sj.solve_sde(SPIRAL, GENERAL, (0.0, 1.0), y0, None, a, save=[0.25, 1.0], gradient=gradient, **kind).y
        return jnp.sum(jnp.cos(y) * jnp.arange(1.0, 5.0).reshape(2, 2))

    def apart(key, steps):
        one, other = (
            jax.grad(total, argnums=(0, 1))(1.2, jnp.array([0.4, -0.3]), key, steps, gradient)
            for gradient in (sj.Backsolve(), sj.Recorded())
        )
        return sum(jnp.sum((a - b) ** 2) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))

    solve = jax.jit(lambda key: jax.lax.map(lambda n: apart(key, n), jnp.array([16.0, 256.0])))
    coarse, fine = np.sqrt(np.mean(jax.lax.map(solve, KEYS[:10]), axis=0))
    assert fine < coarse / 2  # of strong order 1/2: by 4 in the mean over all paths
    assert fine < 0.02


REFUSED = {
    "a path of steps": ({"path": None}, r"at times of its own, which IncrementPath does not know: give path=sj.Browni"),
    "a method of Itô's": ({"method": sj.EulerMaruyama()}, "EulerMaruyama does not: give method=sj.StratonovichHeun"),
    "equal steps": ({"dt": None, "steps": 8}, r"with equal steps \(steps=\).*use Recorded\(\)"),
    "times": ({"t1": True}, "no derivatives of stochastic equations with respect to times"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_refuses(name):
    options, words = REFUSED[name]
    options = {"path": sj.BrownianTree, "method": sj.StratonovichHeun(), "dt": 0.125} | options
    moving = options.pop("t1", False)

    def end(x):
        span, y0 = ((0.0, x), 1.0) if moving else ((0.0, 1.0), x)
        return sj.solve_sde(*GROWTH, span, y0, KEYS[0], P, gradient=sj.Backsolve(), **options).y

    with pytest.raises(ValueError, match=words):
        jax.grad(end)(1.0)
