"""The loop under every transformation, against `jax.lax.while_loop` and plain Python."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.core import empty_rows, read_row, when, while_loop, write_row
from sciml_jax.core.closure import equations

XS = jnp.array([0.5, 3.0, 20.0, 9.0])
A = 1.3


def grow(x, a, loop):
    """Multiplies by `a` and adds a little until 10 is passed: as many iterations as the start asks for."""
    return loop(lambda c: c[0] < 10.0, lambda c: (c[0] * a + 0.1 * jnp.sin(c[0]), c[1] + 1), (x, jnp.int32(0)))


def ours(active, body, carry):
    return while_loop(active, lambda c, b, on: (body(c), b), carry, ())[0]


GROW = {"ours": partial(grow, loop=ours), "lax": partial(grow, loop=jax.lax.while_loop)}


def value(kind):
    return lambda x, a: GROW[kind](x, a)[0]


def in_python(x, a):
    n = 0
    while x < 10:
        x, n = x * a + 0.1 * np.sin(x), n + 1
    return x, n


def test_loop_counts_like_python():
    for x in XS:
        got, n = GROW["ours"](x, A)
        want, m = in_python(float(x), A)
        assert int(n) == m
        assert float(got) == pytest.approx(want, rel=1e-14)


TRANSFORMS = {
    "jit": lambda f: jax.jit(f)(XS[0], A),
    "vmap": lambda f: jax.vmap(f, (0, None))(XS, A),
    "vmap of a constant": lambda f: jax.vmap(f, (None, 0))(XS[0], A + 0.1 * XS),
    "vmap of both": lambda f: jax.vmap(f)(XS, A + 0.1 * XS),
    "vmap of vmap": lambda f: jax.vmap(jax.vmap(f, (0, None)), (None, 0))(XS, A + 0.1 * XS),
    "vmap of vmap of vmap": lambda f: jax.vmap(jax.vmap(jax.vmap(f, (0, None))), (0, None))(
        jnp.stack([XS, 2 * XS])[:, :, None], A + 0.1 * XS
    ),
    "jit of vmap": lambda f: jax.jit(jax.vmap(f, (0, None)))(XS, A),
}
DERIVATIVES = {
    "jvp": lambda f: jax.jvp(f, (XS[0], A), (1.0, 0.5)),
    "jvp of one argument": lambda f: jax.jvp(lambda a: f(XS[1], a), (A,), (1.0,)),
    "vmap of jvp": lambda f: jax.vmap(lambda x, d: jax.jvp(f, (x, A), (d, 0.5)))(XS, 1 + XS),
    "vmap of jvp over tangents": lambda f: jax.vmap(lambda d: jax.jvp(f, (XS[0], A), (d, 0.5)))(XS),
    "jvp of vmap": lambda f: jax.jvp(jax.vmap(f, (0, None)), (XS, A), (1 + XS, 0.5)),
    "jacfwd": lambda f: jax.jacfwd(f, (0, 1))(XS[0], A),
    "jacfwd of vmap": lambda f: jax.jacfwd(jax.vmap(f, (0, None)), (0, 1))(XS, A),
    "vmap of jacfwd": lambda f: jax.vmap(jax.jacfwd(f, 1), (0, None))(XS, A),
    "second derivative": lambda f: jax.jacfwd(jax.jacfwd(f, 1), 1)(XS[0], A),
    "vmap of second derivative": lambda f: jax.vmap(jax.jacfwd(jax.jacfwd(f, 1), 1), (0, None))(XS, A),
    "vmap of vmap of jvp": lambda f: jax.vmap(
        jax.vmap(lambda x, a: jax.jvp(f, (x, a), (1.0, 1.0)), (0, None)), (None, 0)
    )(XS, A + 0.1 * XS),
}


def agree(got, want):
    # the same operations in the same order, but for fused multiplies: a few units in the last place an iteration
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transformations_agree_with_lax(name):
    agree(*(TRANSFORMS[name](GROW[kind]) for kind in ("ours", "lax")))


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_agree_with_lax(name):
    agree(*(DERIVATIVES[name](value(kind)) for kind in ("ours", "lax")))


def test_a_derivative_agrees_with_differences():
    h = 1e-5
    f = value("ours")
    difference = (f(XS[0], A + h) - f(XS[0], A - h)) / (2 * h)
    # h^2 f''' and eps / h
    assert float(jax.jacfwd(f, 1)(XS[0], A)) == pytest.approx(float(difference), rel=1e-8)


def test_what_is_not_batched_stays_so():
    def run(x, a):
        return while_loop(lambda c: c[1] < 5, lambda c, b, on: ((c[0] * x, c[1] + a), b), (x, a), ())[0]

    x, n = jax.vmap(run, (0, None), out_axes=(0, None))(XS, jnp.int32(1))  # out_axes=None refuses a batched value
    np.testing.assert_allclose(x, XS**5, rtol=1e-14)
    assert int(n) == 5


def test_a_primal_stays_unbatched_under_jacfwd():
    primal, pushed = jax.vmap(lambda d: jax.jvp(lambda a: value("ours")(XS[0], a), (A,), (d,)), out_axes=(None, 0))(
        jnp.eye(3)[0]
    )
    assert primal.shape == () and pushed.shape == (3,)


def trace_of(n, x, size):
    """Halves x until it is below one, and writes every value down."""

    def body(c, rows, on):
        x, k = c
        return (x / 2, k + 1), write_row(rows, x, k, on)

    (_, k), rows = while_loop(lambda c: c[0] > 1.0, body, (x, jnp.int32(0)), empty_rows(size, x))
    return k, rows.all()[:-1]


def test_buffers_keep_what_their_own_lane_wrote():
    k, rows = jax.vmap(lambda x: trace_of(0, x, 6))(XS)
    for x, n, row in zip(np.asarray(XS), k, rows, strict=True):
        want = [x / 2**i for i in range(6) if x / 2**i > 1]
        assert int(n) == len(want)
        np.testing.assert_array_equal(row[: len(want)], want)
        np.testing.assert_array_equal(row[len(want) :], 0)


def test_buffers_under_nested_vmap_and_jvp():
    xs = jnp.stack([XS, XS + 1])
    k, rows = jax.vmap(jax.vmap(lambda x: trace_of(0, x, 6)))(xs)
    _, dots = jax.jvp(jax.vmap(jax.vmap(lambda x: trace_of(0, x, 6)[1])), (xs,), (jnp.ones_like(xs),))
    for i in np.ndindex(*xs.shape):
        n, row = trace_of(0, xs[i], 6)
        assert int(k[i]) == int(n)
        np.testing.assert_array_equal(rows[i], row)
        np.testing.assert_array_equal(dots[i][: int(n)], 0.5 ** np.arange(int(n)))


def test_no_buffer_is_ever_selected_under_vmap():
    size = 50
    jaxpr = jax.make_jaxpr(jax.vmap(lambda x: trace_of(0, x, size)))(XS).jaxpr
    loops = [e for e in equations(jaxpr) if e.primitive.name == "while"]
    assert loops
    for loop in loops:
        (predicate,) = loop.params["cond_jaxpr"].jaxpr.outvars
        assert predicate.aval.shape == ()
        for eqn in equations(loop.params["body_jaxpr"].jaxpr):
            if eqn.primitive.name == "select_n":
                assert all(v.aval.size < size for v in eqn.outvars)


def test_a_loop_that_never_starts_returns_what_it_was_given():
    carry, buffers = while_loop(lambda c: c > 10, lambda c, b, on: (c + 1, b + 1), jnp.array(3), jnp.zeros(2))
    assert int(carry) == 3
    assert not buffers.any()


def test_no_lanes_at_all():
    assert jax.vmap(lambda x: GROW["ours"](x, A)[0])(jnp.zeros(0)).shape == (0,)


def test_loops_in_loops():
    """An inner loop whose length differs by lane and iteration: sum over i < n of the number of halvings of x + i."""

    def inner(x):
        def body(s, b, on):
            return (s[0] / 2, s[1] + s[0]), b

        return while_loop(lambda s: s[0] > 1, body, (x, 0.0 * x), ())[0][1]

    def outer(x, n):
        def body(c, b, on):
            return (c[0] + 1, c[1] + inner(x + c[0])), b

        return while_loop(lambda c: c[0] < n, body, (0.0, 0.0 * x), ())[0][1]

    def python(x, n):
        total = 0.0
        for i in range(int(n)):
            y = x + i
            while y > 1:
                total, y = total + y, y / 2
        return total

    xs, ns = XS + 0.3, jnp.array([0.0, 2.0, 3.0, 5.0])  # off the powers of two, where the number of halvings jumps
    want = [python(float(x), n) for x, n in zip(xs, ns, strict=True)]
    np.testing.assert_allclose(jax.vmap(outer)(xs, ns), want, rtol=1e-14)
    h = 1e-6
    slopes = [(python(float(x) + h, n) - python(float(x) - h, n)) / (2 * h) for x, n in zip(xs, ns, strict=True)]
    dots = jax.vmap(lambda x, n: jax.jvp(lambda x: outer(x, n), (x,), (1.0,))[1])(xs, ns)
    # piecewise linear: only rounding, eps * 100 / h
    np.testing.assert_allclose(dots, slopes, rtol=1e-7)


def test_derivatives_with_integers_keys_and_booleans_in_the_carry():
    def run(x, key):
        def body(c, b, on):
            x, k, key, flag = c
            key, _ = jax.random.split(key)
            return (x * x, k + 1, key, ~flag), b

        return while_loop(lambda c: c[1] < 3, body, (x, jnp.int32(0), key, jnp.asarray(True)), ())[0][0]

    value, dot = jax.jvp(lambda x: run(x, jax.random.key(0)), (1.1,), (1.0,))
    assert float(value) == pytest.approx(1.1**8)
    assert float(dot) == pytest.approx(8 * 1.1**7)


def test_reverse_mode_is_refused():
    with pytest.raises(ValueError, match="[Rr]everse-mode"):
        jax.grad(value("ours"))(1.0, A)


@pytest.mark.parametrize("batched", [False, True])
def test_when_runs_its_body_only_where_wanted(batched):
    calls = []

    def body(x, _, on):
        jax.debug.callback(lambda: calls.append(0))
        return x + 1, ()

    def run(on, x):
        return when(on, body, x)[0]

    run, x = (jax.vmap(run), jnp.zeros(2)) if batched else (run, jnp.zeros(()))
    np.testing.assert_array_equal(run(np.zeros(x.shape, bool), x), x)
    jax.effects_barrier()
    assert not calls
    on = np.array([True, False]) if batched else np.array(True)
    got = run(on, x)
    jax.effects_barrier()
    assert calls
    np.testing.assert_array_equal(got, on.astype(float))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda c, b, on: ((c, c), b), "changed the structure of the carry"),
        (lambda c, b, on: (c.astype(int), b), "changed a leaf of the carry from float"),
        (lambda c, b, on: (jnp.stack([c, c]), b), "changed a leaf of the carry"),
        (lambda c, b, on: (c, b[1:]), "changed a leaf of the buffers"),
    ],
)
def test_a_body_that_changes_its_carry_is_refused(body, message):
    with pytest.raises(TypeError, match=message):
        while_loop(lambda c: c < 1, body, jnp.zeros(()), jnp.zeros(3))


@pytest.mark.float32
def test_python_numbers_become_arrays():
    n, total = while_loop(lambda c: c[0] < 4, lambda c, b, on: ((c[0] + 1, c[1] + c[0]), b), (0, 0), ())[0]
    assert int(n) == 4 and int(total) == 6


def test_read_row_clamps_its_index():
    rows = write_row(empty_rows(3, 0.0), 7.0, jnp.int32(2), True)
    assert float(read_row(rows, jnp.int32(2))) == 7.0
