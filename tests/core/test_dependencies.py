"""Which outputs depend on which inputs: exact where it can be told by eye."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.core import while_loop
from sciml_jax.core.dependencies import depends, depends_in, inside

Q = jax.lax.stop_gradient
T, F = True, False


def carry_swap(a, b, c):
    """Three values handed round in a loop: after enough rounds everything depends on everything."""
    return jax.lax.while_loop(lambda s: s[2] < 3, lambda s: (s[1], s[0] * 2, s[2] + 1), (a, b, c))


def chain(a, b, c):
    """c feeds b, b feeds a, one place a round."""
    return jax.lax.fori_loop(0, 3, lambda i, s: (s[0] + s[1], s[1] + s[2], s[2]), (a, b, c))


def scanned(a, b, xs):
    return jax.lax.scan(lambda s, x: ((s[0] + s[1], s[1]), (x, s[1])), (a, b), xs)


def branches(flag, a, b):
    return jax.lax.cond(flag > 0, lambda: (a, 1.0), lambda: (b, 1.0))


@jax.custom_jvp
def own_rule(x):
    return jnp.sin(x)


own_rule.defjvps(lambda dx, ans, x: dx * jnp.cos(x))


def root(a, guess):
    """Its value is the guess; a derivative goes by the equation."""
    return jax.lax.custom_root(lambda z: z**2 - a, Q(guess), lambda _, z: z, lambda linear, b: b / linear(1.0))


def looped(a, b):
    """`while_loop` has a rule of its own too, but one that follows its value."""
    return while_loop(lambda s: s[0] < 3, lambda s, rows, on: ((s[0] + a, s[1], Q(a)), rows), (a, b, b), ())[0]


# function, arguments, marked inputs, outputs that depend, outputs that depend differentiably
CASES = {
    "products": (lambda a, b: (a, a * b, b, 1.0), (1.0, 1.0), [T, F], [T, T, F, F], [T, T, F, F]),
    "nothing marked": (lambda a, b: (a, a * b), (1.0, 1.0), [F, F], [F, F], [F, F]),
    "stop_gradient": (lambda a: (Q(a), a + Q(a)), (1.0,), [T], [T, T], [F, T]),
    "integers": (lambda a: (jnp.floor(a).astype(int), jnp.sign(a)), (1.0,), [T], [T, T], [F, T]),
    "comparison": (lambda a, b: jnp.where(a > 0, b, 2 * b), (1.0, 1.0), [T, F], [T], [F]),
    "inside jit": (lambda a, b: jax.jit(lambda x, y: (x, y))(a, b), (1.0, 1.0), [F, T], [F, T], [F, T]),
    "custom rule": (lambda a, b: (own_rule(a), b), (1.0, 1.0), [T, F], [T, F], [T, F]),
    "a root": (root, (1.0, 1.0), [T, F], [F], [T]),
    "a loop": (looped, (1.0, 1.0), [T, F], [T, F, T], [T, F, F]),
    "swap": (carry_swap, (1.0, 1.0, 0), [T, F, F], [T, T, F], [T, T, F]),
    "the length of a loop": (carry_swap, (1.0, 1.0, 0), [F, F, T], [T, T, T], [F, F, F]),
    "chain": (chain, (1.0, 1.0, 1.0), [F, F, T], [T, T, T], [T, T, T]),
    "chain from the middle": (chain, (1.0, 1.0, 1.0), [F, T, F], [T, T, F], [T, T, F]),
    "scan": (scanned, (1.0, 1.0, np.ones(3)), [F, T, F], [T, T, F, T], [T, T, F, T]),
    "scan over rows": (scanned, (1.0, 1.0, np.ones(3)), [F, F, T], [F, F, T, F], [F, F, T, F]),
    "cond": (branches, (1.0, 1.0, 1.0), [F, T, F], [T, F], [T, F]),
    "the choice of a cond": (branches, (1.0, 1.0, 1.0), [T, F, F], [T, T], [F, F]),
}


@pytest.mark.float32
@pytest.mark.parametrize("name", CASES)
def test_dependences_are_exact(name):
    function, args, marked, every, differentiable = CASES[name]
    jaxpr = jax.make_jaxpr(function)(*args).jaxpr
    assert depends(jaxpr, marked) == every
    assert depends(jaxpr, marked, differentiably=True) == differentiable


def test_dependences_are_never_missed():
    """What a derivative sees is marked: all combinations of a function that mixes its inputs step by step."""

    def mix(a, b, c, d):
        b = jax.lax.fori_loop(0, 4, lambda i, s: s * a, b)
        (c, _), out = jax.lax.scan(lambda s, x: ((s[0] + b, s[1]), s[1] * x), (c, d), jnp.arange(3.0))
        return a, b, c, jnp.sum(out), jax.lax.cond(b > 0, lambda: c, lambda: d)

    args = (0.5, 0.6, 0.7, 0.8)
    jaxpr = jax.make_jaxpr(mix)(*args).jaxpr
    for k in range(4):
        marked = [i == k for i in range(4)]
        derivative = jax.jvp(mix, args, tuple(float(m) for m in marked))[1]
        found = depends(jaxpr, marked, differentiably=True)
        assert all(mark or dot == 0 for mark, dot in zip(found, derivative, strict=True))


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("products", []),
        ("inside jit", [1]),
        ("the length of a loop", [3, 3]),  # condition and body: all that is carried
        ("chain from the middle", [2]),
        ("scan over rows", [1]),
        ("cond", [1, 1]),
    ],
)
def test_what_is_marked_inside(name, want):
    """How many inputs of every inner jaxpr; in which places is JAX's own affair."""
    function, args, marked, _, _ = CASES[name]
    jaxpr = jax.make_jaxpr(function)(*args).jaxpr
    known = dict(zip(jaxpr.invars, marked, strict=True))
    found = []
    for eqn in jaxpr.eqns:
        inputs = [not hasattr(v, "val") and known.get(v, False) for v in eqn.invars]
        known.update(zip(eqn.outvars, depends_in(eqn, inputs), strict=True))
        for inner, marks in inside(eqn, inputs):
            assert len(marks) == len(inner.invars)
            found.append(sum(marks))
    assert found == want
