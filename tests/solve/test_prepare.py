"""What users' functions must return: seen while tracing, before anything is compiled."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import decay

TWO = np.ones(2)


def solve(field=decay, y0=TWO, args=None, **options):
    return sj.solve_ode(field, (0.0, 1.0), y0, args, **options)


def half(t, y, args):
    return y[0] - 0.5


MISTAKES = {
    "another structure": (
        lambda: solve(lambda t, y, args: [y[0], y[1]], (1.0, 2.0)),
        TypeError,
        "field must return a pytree like y0, (*, *); it returned [*, *]",
    ),
    "nothing": (lambda: solve(lambda t, y, args: None), TypeError, "field must return a pytree like y0"),
    "another shape": (
        lambda: solve(lambda t, y, args: jnp.ones(3), {"a": TWO}["a"]),
        ValueError,
        "field must return the shapes of y0: y is (2,), its derivative (3,)",
    ),
    "another shape inside": (
        lambda: solve(lambda t, y, args: {"a": y["a"], "b": TWO}, {"a": TWO, "b": 1.0}),
        ValueError,
        "field must return the shapes of y0: y['b'] is (), its derivative (2,)",
    ),
    "complex": (lambda: solve(lambda t, y, args: 1j * y), TypeError, "field is complex where y is real"),
    "aux without has_aux": (
        lambda: solve(lambda t, y, args: (y, t)),
        TypeError,
        "must return a pytree like y0, one array; it returned (*, *): stack the components, jnp.stack([...]), or say "
        "has_aux=True where it returns auxiliary outputs",
    ),
    "has_aux without aux": (lambda: solve(has_aux=True), TypeError, "has_aux=True: the field must return (dy, aux)"),
    "has_aux of another shape": (
        lambda: solve(lambda t, y, args: (y[0], t), has_aux=True),
        ValueError,
        "field must return the shapes of y0",
    ),
    "has_aux of a structured field": (
        lambda: solve(sj.SecondOrder(decay), (TWO, TWO), has_aux=True),
        TypeError,
        "has_aux=True needs a plain field",
    ),
    "acceleration of another shape": (
        lambda: solve(sj.SecondOrder(lambda t, q, args: jnp.ones(3)), (TWO, TWO), method=sj.Yoshida4(), steps=2),
        ValueError,
        "field must return the shapes of y0: y[1] is (2,), its derivative (3,)",
    ),
    "velocity of another structure": (
        lambda: solve(sj.Separable(lambda t, p, args: (p, p), decay), (TWO, TWO), method=sj.Yoshida4(), steps=2),
        TypeError,
        "field must return a pytree like y0",
    ),
    "one state for a second-order field": (
        lambda: solve(sj.SecondOrder(decay), np.ones(3)),
        (TypeError, ValueError),
        "y0 = (q, ",
    ),
    "condition is an array": (
        lambda: solve(events=[sj.Event(half), sj.Event(decay)]),
        ValueError,
        "condition of event 1 must return one real number",
    ),
    "condition is complex": (
        lambda: solve(y0=TWO + 0j, events=sj.Event(half)),
        ValueError,
        "condition of event 0 must return one real number",
    ),
    "affect of another structure": (
        lambda: solve(events=sj.Event(half, lambda t, y, args: (y,))),
        TypeError,
        "affect of event 0 must return a pytree like y0",
    ),
    "affect of another shape": (
        lambda: solve(events=sj.Event(half, lambda t, y, args: y[0])),
        ValueError,
        "affect of event 0 must return the shapes of y0: y is (2,), its state ()",
    ),
    "affect is complex": (
        lambda: solve(events=sj.Event(half, lambda t, y, args: 1j * y)),
        TypeError,
        "affect of event 0 is complex where y is real",
    ),
    "projection of another shape": (
        lambda: solve(projection=lambda t, y, args: y[0]),
        ValueError,
        "projection must return the shapes of y0: y is (2,), its state ()",
    ),
    "projection of another structure": (
        lambda: solve(projection=lambda t, y, args: [y]),
        TypeError,
        "projection must return a pytree like y0",
    ),
    "norm is an array": (lambda: solve(norm=lambda e: e), ValueError, "norm must return one number"),
}


@pytest.mark.float32
@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_of_users_functions(name):
    call, error, message = MISTAKES[name]
    with pytest.raises(error, match=re.escape(message)):
        call()


@pytest.mark.float32
def test_numbers_of_other_dtypes_are_cast():
    """A field, an effect or a projection may return integers, Python numbers or another precision."""
    one = sj.solve_ode(lambda t, y, args: 1, (0.0, 1.0), jnp.float32(1))
    assert one.y.dtype == jnp.float32 and float(one.y) == pytest.approx(2.0, rel=1e-6)
    jump = sj.Event(lambda t, y, args: t - 0.5, lambda t, y, args: jnp.array([1, 2]), direction=1)
    sol = solve(lambda t, y, args: 0 * y, np.zeros(2), events=jump)
    assert sol.y.dtype == jnp.result_type(float) and sol.y.tolist() == [1.0, 2.0]
    sol = solve(y0=TWO.astype(np.float32), projection=lambda t, y, args: np.asarray([0.25, 0.5], np.float64))
    assert sol.y.dtype == np.float32 and sol.y.tolist() == [0.25, 0.5]


def test_the_field_is_traced_a_fixed_number_of_times():
    """The method calls the traced field: stages and saves do not call the user's function again."""
    calls = []

    def field(t, y, args):
        calls.append(0)
        return -y

    solve(field, method=sj.Euler(), dt=0.1)
    few = len(calls)
    calls.clear()
    solve(field, method=sj.Vern7(), save=[0.5])
    assert len(calls) == few <= 2


def test_options_are_static_in_args():
    """Strings, ints and booleans in args arrive as they are: a field may branch on them."""

    def field(t, y, args):
        rate, n, flag, kind = args
        assert isinstance(n, int) and flag is True and kind == "decay"
        return -rate * sum(y for _ in range(n)) / n

    sol = sj.solve_ode(field, (0.0, 1.0), 1.0, (2.0, 3, True, "decay"), rtol=1e-9)
    assert float(sol.y) == pytest.approx(np.exp(-2), rel=1e-7)


def test_closed_over_tracers():
    """Arrays that the field, a condition or an effect captures may be tracers of an outer transformation."""

    def final(rate, dose):
        jump = sj.Event(lambda t, y, args: t - dose, lambda t, y, args: y + dose)
        return sj.solve_ode(lambda t, y, args: -rate * y, (0.0, 1.0), 1.0, events=jump, rtol=1e-10, atol=1e-12).y

    def exact(rate, dose):
        return jnp.exp(-rate) + dose * jnp.exp(-rate * (1 - dose))

    rates = jnp.array([0.5, 2.0])
    np.testing.assert_allclose(jax.vmap(final, (0, None))(rates, 0.3), exact(rates, 0.3), rtol=1e-8)
    np.testing.assert_allclose(jax.grad(final, (0, 1))(2.0, 0.3), jax.grad(exact, (0, 1))(2.0, 0.3), rtol=1e-7)
