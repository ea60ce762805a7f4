"""Gradients under jit, vmap and scan, of modules, captured arrays, keys and integers; what takes no gradient."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

TIGHT = {"rtol": 1e-9, "atol": 1e-9, "throw": False, "max_steps": 500}
GRADIENTS = {"Recorded": sj.Recorded(), "Forward": sj.Forward(), "Backsolve": sj.Backsolve()}


def rotation(t, y, k):
    """y' = k J y: turns by the angle k t."""
    return k * jnp.stack([-y[1], y[0]])


def angle(k, gradient=None):
    """First component after a unit of time from (1, 0): cos k."""
    options = TIGHT if gradient is None else TIGHT | {"gradient": gradient}
    return sj.solve_ode(rotation, (0.0, 1.0), jnp.array([1.0, 0.0]), k, **options).y[0]


def derivative(gradient):
    return jax.jacfwd if isinstance(gradient, sj.Forward) else jax.grad


KS = jnp.array([0.5, 1.0, 2.0])


@pytest.mark.parametrize("gradient", GRADIENTS.values(), ids=GRADIENTS)
def test_jit_vmap_and_scan_agree_with_one_by_one(gradient):
    slope = derivative(gradient)(lambda k: angle(k, gradient))
    one_by_one = jnp.stack([slope(k) for k in KS])
    # a hundred times the tolerance
    np.testing.assert_allclose(one_by_one, -np.sin(KS), atol=1e-7)
    # the same steps but for rounding
    np.testing.assert_allclose(jax.jit(jax.vmap(slope))(KS), one_by_one, rtol=1e-9)
    scanned = jax.lax.scan(lambda c, k: (c, slope(k)), 0.0, KS)[1]
    np.testing.assert_allclose(scanned, one_by_one, rtol=1e-9)


METHODS = [sj.Radau5(), sj.GaussLegendre4(), sj.Kvaerno3(), sj.BDF(), sj.Rodas4(), sj.Tsit5(), sj.VCABM()]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_forward_derivatives_where_only_a_parameter_moves(method):
    """The state is a constant at the start, and moves from the first step on."""
    options = {"method": method, "gradient": sj.Forward()} | ({} if method.adaptive else {"dt": 0.05})

    def first(k):
        return sj.solve_ode(rotation, (0.0, 1.0), np.array([1.0, 0.0]), k, rtol=1e-6, atol=1e-6, **options).y[0]

    # errors of the steps, a few of which are taken
    np.testing.assert_allclose(jax.jvp(first, (1.0,), (1.0,))[1], -np.sin(1.0), atol=1e-4)


def test_the_gradient_of_a_vmap_is_the_vmap_of_gradients():
    total = jax.grad(lambda ks: jnp.sum(jax.vmap(angle)(ks)))(KS)
    np.testing.assert_allclose(total, jax.vmap(jax.grad(angle))(KS), rtol=1e-9)
    nested = jax.vmap(jax.vmap(jax.grad(angle)))(jnp.stack([KS, KS + 0.1]))
    np.testing.assert_allclose(nested, -np.sin(np.stack([KS, KS + 0.1])), atol=1e-7)


def test_a_gradient_through_a_scan_of_solves():
    """Ten solves of a tenth each are the whole."""

    def whole(k):
        def go(y, t):
            return sj.solve_ode(rotation, (t, t + 0.1), y, k, **TIGHT).y, None

        return jax.lax.scan(go, jnp.array([1.0, 0.0]), jnp.arange(10) / 10)[0][0]

    np.testing.assert_allclose(jax.jit(jax.value_and_grad(whole))(1.3), (np.cos(1.3), -np.sin(1.3)), atol=1e-7)


def test_hessian_vector_products():
    hvp = jax.jvp(jax.grad(angle), (0.7,), (2.0,))
    np.testing.assert_allclose(hvp, (-np.sin(0.7), -2 * np.cos(0.7)), atol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.hessian(angle))(KS), -np.cos(KS), atol=1e-6)


class Turn(eqx.Module):
    """A module as field: its leaves get gradients, its name does not."""

    k: jax.Array
    name: str = "turn"

    def __call__(self, t, y, args):
        return rotation(t, y, self.k)


REVERSE = {"Recorded": {}, "Interpolating": {"gradient": sj.Interpolating()}, "Backsolve": {"gradient": sj.Backsolve()}}
REVERSE["Reversible"] = {"gradient": sj.Reversible(), "method": sj.ReversibleHeun(), "steps": 20}


@pytest.mark.parametrize("options", REVERSE.values(), ids=REVERSE)
def test_the_gradient_of_a_jit_with_constants(options):
    """JAX hands constants of the compiled function to the backward pass as numbers."""

    def end(k):
        return sj.solve_ode(lambda t, y, k: -k * y, (0.0, 1.0), 1.0, k, **(TIGHT | options)).y

    # but for rounding the same program
    np.testing.assert_allclose(jax.grad(jax.jit(end))(0.7), jax.jit(jax.grad(end))(0.7), rtol=1e-9)


def in_field(k, gradient):
    return sj.solve_ode(Turn(k), (0.0, 1.0), jnp.array([1.0, 0.0]), gradient=gradient, **TIGHT).y[0]


def in_args(k, gradient):
    def field(t, y, args):
        return args["turn"](t, y, None) * args["n"] / 2

    args = {"turn": Turn(k), "n": 2, "unused": jnp.ones(3)}
    return sj.solve_ode(field, (0.0, 1.0), jnp.array([1.0, 0.0]), args, gradient=gradient, **TIGHT).y[0]


def captured(k, gradient):
    def field(t, y, args):
        return rotation(t, y, k)

    return sj.solve_ode(field, (0.0, 1.0), jnp.array([1.0, 0.0]), gradient=gradient, **TIGHT).y[0]


def in_a_method(k, gradient):
    return sj.solve_ode(Turn(k).__call__, (0.0, 1.0), jnp.array([1.0, 0.0]), gradient=gradient, **TIGHT).y[0]


@pytest.mark.parametrize("gradient", GRADIENTS.values(), ids=GRADIENTS)
@pytest.mark.parametrize("place", [in_field, in_args, captured, in_a_method], ids=lambda f: f.__name__)
def test_wherever_a_parameter_is(place, gradient):
    slope = derivative(gradient)(lambda k: place(k, gradient))
    np.testing.assert_allclose(slope(0.7), -np.sin(0.7), atol=1e-7)


def test_a_module_as_the_argument_of_the_gradient():
    gradient = eqx.filter_jit(
        eqx.filter_grad(lambda m: sj.solve_ode(m, (0.0, 1.0), jnp.array([1.0, 0.0]), **TIGHT).y[0])
    )
    got = gradient(Turn(jnp.array(0.7)))
    np.testing.assert_allclose(got.k, -np.sin(0.7), atol=1e-7)
    assert got.name is None


@pytest.mark.parametrize("typed", [True, False])
def test_keys_and_integers_beside_what_is_differentiated(typed):
    key = jax.random.key(1) if typed else jax.random.PRNGKey(1)
    noise = float(jax.random.uniform(key))

    def field(t, y, args):
        return rotation(t, y, args["k"]) * (1 + jax.random.uniform(args["key"])) * jnp.sum(args["i"]) / 3

    def end(k):
        args = {"k": k, "key": key, "i": jnp.arange(3), "flag": True}
        return sj.solve_ode(field, (0.0, 1.0), jnp.array([1.0, 0.0]), args, **TIGHT).y[0]

    w = 1 + noise
    np.testing.assert_allclose(jax.grad(end)(0.7), -w * np.sin(0.7 * w), atol=1e-7)


def test_batched_and_unbatched_together():
    """Some lanes have their own parameter, others their own start; the shared ones sum up."""
    y0s = jnp.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0]])

    def total(k, y0s):
        return jnp.sum(jax.vmap(lambda y0: sj.solve_ode(rotation, (0.0, 1.0), y0, k, **TIGHT).y[0])(y0s))

    dk, dy = jax.jit(jax.grad(total, (0, 1)))(0.7, y0s)
    c, s = np.cos(0.7), np.sin(0.7)
    np.testing.assert_allclose(dk, -3 * s - c, atol=1e-7)
    np.testing.assert_allclose(dy, [[c, -s]] * 3, atol=1e-7)


def test_lanes_of_very_different_length():
    """A finished lane adds nothing to its gradient while others go on, with replayed segments too."""
    ks = jnp.array([0.01, 30.0, 3.0])
    for gradient in (sj.Recorded(), sj.Recorded(snapshots=4)):
        lanes = jax.vmap(jax.grad(lambda k, g=gradient: angle(k, g)))(ks)
        alone = jnp.stack([jax.grad(lambda k, g=gradient: angle(k, g))(k) for k in ks])
        np.testing.assert_allclose(lanes, alone, rtol=1e-8)
        np.testing.assert_allclose(lanes, -np.sin(ks), atol=1e-5)


@pytest.mark.parametrize("gradient", [sj.Recorded(), sj.Backsolve()], ids=["Recorded", "Backsolve"])
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_forward_mode_through_a_reverse_mode_gradient_is_refused(gradient, wrap):
    name = type(gradient).__name__
    with pytest.raises(TypeError, match=rf"gradient={name}\(\) .*reverse mode.* give gradient=sj\.Forward\(\)"):
        wrap(jax.jacfwd(lambda k: angle(k, gradient)))(0.7)


@pytest.mark.parametrize("transform", [jax.grad, lambda f: lambda k: jax.linearize(f, k)], ids=["grad", "linearize"])
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_reverse_mode_through_forward_is_refused(transform, wrap):
    with pytest.raises(TypeError, match=r"gradient=Forward\(\) .*forward mode.* give gradient=sj\.Recorded\(\)"):
        wrap(transform(lambda k: angle(k, sj.Forward())))(0.7)


@pytest.mark.parametrize("gradient", [sj.Recorded(), sj.Backsolve()], ids=["Recorded", "Backsolve"])
def test_reverse_mode_twice_is_refused(gradient):
    with pytest.raises(TypeError, match=r"forwards over backwards, not backwards twice: jax\.jacfwd\(jax\.grad\(f\)\)"):
        jax.grad(jax.grad(lambda k: angle(k, gradient)))(0.7)


def test_errors_of_the_users_field_stay_as_they_are():
    def field(t, y, args):
        raise TypeError("mine: forward is not a mode")

    with pytest.raises(TypeError, match="mine"):
        sj.solve_ode(field, (0.0, 1.0), 1.0)


def test_a_gradient_of_what_does_not_depend():
    unrelated = jax.grad(lambda k: angle(0.3) * jnp.cos(k))(0.0)
    assert float(unrelated) == 0.0
    steps = jax.grad(lambda k: sj.solve_ode(rotation, (0.0, 1.0), jnp.ones(2), k, **TIGHT).stats["accepted"] * 1.0)(0.7)
    assert float(steps) == 0.0
