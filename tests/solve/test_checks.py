"""Every mistake that can be seen before solving: the message names the argument and the cure."""

import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import decay

Y = np.ones(3)
SPAN = (0.0, 1.0)


def solve(field=decay, t_span=SPAN, y0=1.0, args=None, **options):
    return sj.solve_ode(field, t_span, y0, args, **options)


def ended():
    """A solve to continue from."""
    return solve(y0=2.0)


# name: (what is called, the exception, what its message says)
MISTAKES = {
    "field is no function": (lambda: solve(3), TypeError, "field must be a function field(t, y, args); got 3"),
    "field of two arguments": (
        lambda: solve(lambda t, y: -y),
        TypeError,
        "field is called as field(t, y, args), but its signature is (t, y)",
    ),
    "projection of one argument": (
        lambda: solve(projection=lambda y: y),
        TypeError,
        "projection is called as projection(t, y, args), but its signature is (y)",
    ),
    "saved function of one argument": (
        lambda: solve(save=sj.Times([0.5], lambda y: y)),
        TypeError,
        "function of sj.Times is called as function(t, y, args), but its signature is (y)",
    ),
    "condition is a number": (
        lambda: solve(events=sj.Event(0.5)),
        TypeError,
        "condition of event 0 must be a function condition(t, y, args); got 0.5",
    ),
    "affect of one argument": (
        lambda: solve(events=sj.Event(decay, lambda y: y)),
        TypeError,
        "affect of event 0 is called as affect(t, y, args), but its signature is (y)",
    ),
    "condition is a comparison": (
        lambda: solve(events=sj.Event(lambda t, y, args: y < 0.5)),
        TypeError,
        "condition of event 0 returned True or False: return a real number whose sign changes",
    ),
    "terminate is text": (
        lambda: sj.Event(decay, terminate="yes"),
        TypeError,
        "terminate of an Event must be True, False or None; got 'yes'",
    ),
    "half precision": (
        lambda: solve(y0=np.float16(1.0)),
        TypeError,
        "y0 is float16, too coarse for step-size control: give float32 or float64",
    ),
    "bounds that cross": (
        lambda: solve(dt_min=1.0, dt_max=0.1),
        ValueError,
        "dt_min=1.0 is larger than dt_max=0.1: no step fits between them",
    ),
    "a negative safety": (
        lambda: sj.PIDController(safety=-1.0),
        ValueError,
        "0 < safety <= 1 and 0 < factor_min < 1 < factor_max; got safety=-1.0",
    ),
    "given steps, unordered": (
        lambda: solve(controller=sj.GivenSteps([0.0, 0.6, 0.3, 1.0])),
        ValueError,
        "times of sj.GivenSteps must be in order from t0 to t1, every one once",
    ),
    "given steps without t0": (
        lambda: solve(controller=sj.GivenSteps([0.3, 0.6, 1.0])),
        ValueError,
        "times of sj.GivenSteps must start at t0 = 0.0; got 0.3",
    ),
    "given steps, one time": (
        lambda: solve(controller=sj.GivenSteps([0.0])),
        ValueError,
        "times of sj.GivenSteps must have shape (n,), n >= 2; got (1,)",
    ),
    "a dense batch called outside vmap": (
        lambda: jax.vmap(lambda y: solve(y0=y, save=sj.Dense(64)))(np.ones(2))(0.5),
        ValueError,
        "this solution holds a batch of shape (2,), made by vmap: call it under vmap too",
    ),
    "t_span is a number": (lambda: solve(t_span=1.0), ValueError, "t_span must be (t0, t1), two numbers; got 1.0"),
    "t_span has three": (lambda: solve(t_span=(0.0, 1.0, 2.0)), ValueError, "t_span must be (t0, t1), two numbers"),
    "t_span is text": (lambda: solve(t_span=("a", 1.0)), TypeError, "t0 in t_span must be one real number; got 'a'"),
    "t_span is empty": (lambda: solve(t_span=(0.0, None)), TypeError, "t1 in t_span must be one real number"),
    "t_span is complex": (lambda: solve(t_span=(0.0, 1j)), TypeError, "t1 in t_span must be one real number"),
    "t_span is a batch": (lambda: solve(t_span=(0.0, np.ones(2))), ValueError, "use vmap for batches"),
    "t_span is a batch, times saved": (
        lambda: solve(t_span=(np.zeros(2), np.ones(2)), save=[0.5]),
        ValueError,
        "use vmap for batches",
    ),
    "t_span is infinite": (lambda: solve(t_span=(0.0, np.inf)), ValueError, "t_span must be finite"),
    "t_span is NaN": (lambda: solve(t_span=(np.nan, 0.0)), ValueError, "t_span must be finite"),
    "y0 is empty": (lambda: solve(y0=None), ValueError, "y0 has no arrays: give an array, a number or a pytree"),
    "y0 is text": (lambda: solve(y0={"a": "x"}), TypeError, "y0['a'] is no array or number: 'x'"),
    "y0 is NaN": (lambda: solve(y0={"a": [0.0, np.nan]}), ValueError, "y0['a'][1] is not finite"),
    "y0 is infinite": (lambda: solve(y0=np.array([0.0, np.inf])), ValueError, "y0 is not finite"),
    "args unhashable": (lambda: solve(args={1, 2}), TypeError, "wrap the object so that it is a pytree"),
    "method is a class": (lambda: solve(method=sj.Tsit5), TypeError, "write Tsit5() instead of Tsit5"),
    "method is text": (lambda: solve(method="tsit5"), TypeError, "method must be a sj.Method; got 'tsit5'"),
    "controller is a class": (lambda: solve(controller=sj.PIDController), TypeError, "write PIDController()"),
    "controller is a function": (
        lambda: solve(controller=sj.PIController),
        TypeError,
        "controller must be a sj.Controller; got the function PIController: write PIController()",
    ),
    "controller is text": (lambda: solve(controller="pi"), TypeError, "controller must be a sj.Controller"),
    "gradient is a class": (lambda: solve(gradient=sj.Recorded), TypeError, "write Recorded() instead of Recorded"),
    "gradient is text": (lambda: solve(gradient="adjoint"), TypeError, "gradient must be a sj.Gradient"),
    "snapshots": (lambda: sj.Recorded(snapshots=3), ValueError, "snapshots of Recorded must be a power of two"),
    "one snapshot": (lambda: sj.Recorded(snapshots=1), ValueError, "snapshots of Recorded must be a power of two"),
    "rtol is negative": (lambda: solve(rtol=-1.0), ValueError, "rtol must be finite and not negative; got -1.0"),
    "rtol is NaN": (lambda: solve(rtol=np.nan), ValueError, "rtol must be finite and not negative"),
    "atol is infinite": (lambda: solve(atol=[np.inf], y0=[1.0]), ValueError, "atol must be finite and not negative"),
    "rtol is text": (lambda: solve(rtol="tight"), TypeError, "rtol must be a number, an array or a pytree of them"),
    "rtol is None": (lambda: solve(rtol=None), ValueError, "rtol must be a number, an array that broadcasts to y0, or"),
    "rtol of another tree": (
        lambda: solve(rtol=(1e-3, 1e-3)),
        ValueError,
        "one array; got (*, *): make it an array, jnp.array([...])",
    ),
    "rtol of another shape": (
        lambda: solve(y0=Y, rtol=np.full(2, 1e-3)),
        ValueError,
        "rtol of shape (2,) does not broadcast to y0 of shape (3,)",
    ),
    "atol too large a shape": (
        lambda: solve(y0=Y, atol=np.full((2, 3), 1e-3)),
        ValueError,
        "atol of shape (2, 3) does",
    ),
    "both zero": (
        lambda: solve(rtol=0.0, atol=0),
        ValueError,
        "rtol and atol are both zero: no step could be accepted",
    ),
    "dt0 zero": (lambda: solve(dt0=0.0), ValueError, "dt0 must be finite and not zero; got 0.0"),
    "dt NaN": (lambda: solve(dt=np.nan), ValueError, "dt must be finite and not zero; got nan"),
    "dt text": (lambda: solve(dt="small"), TypeError, "dt must be one real number; got 'small'"),
    "dt_min negative": (lambda: solve(dt_min=-0.1), ValueError, "dt_min is the size of a step and must be positive"),
    "dt_max array": (lambda: solve(dt_max=np.ones(2)), ValueError, "dt_max must be one real number; got an array"),
    "dt and steps": (lambda: solve(dt=0.1, steps=4), ValueError, "dt= and steps= exclude one another"),
    "dt and controller": (
        lambda: solve(dt=0.1, controller=sj.IController()),
        ValueError,
        "controller= and dt= exclude one another: give one of them",
    ),
    "dt and dt0": (lambda: solve(dt=0.1, dt0=0.1), ValueError, "dt= is a constant step and dt0= the first of adaptive"),
    "steps zero": (lambda: solve(steps=0), ValueError, "steps must be a positive int (it is static); got 0"),
    "steps a float": (lambda: solve(steps=3.0), ValueError, "steps must be a positive int (it is static); got 3.0"),
    "steps a boolean": (lambda: solve(steps=True), ValueError, "steps must be a positive int"),
    "max_steps": (lambda: solve(max_steps=0), ValueError, "max_steps must be a positive int (it is static); got 0"),
    "max_events": (lambda: solve(max_events=1.5), ValueError, "max_events must be a positive int"),
    "no error estimate": (
        lambda: solve(method=sj.RK4()),
        ValueError,
        "RK4 has no error estimate, so it cannot choose its steps: give a constant step, dt=..., or a number of steps",
    ),
    "step_to NaN": (lambda: solve(step_to=[0.5, np.nan]), ValueError, "step_to must be finite"),
    "step_to text": (lambda: solve(step_to="noon"), TypeError, "step_to must be times, shape (n,); got 'noon'"),
    "step_to matrix": (lambda: solve(step_to=np.ones((2, 2))), ValueError, "step_to must be times, shape (n,)"),
    "save is text": (lambda: solve(save="all"), TypeError, "save must be None, an array of times, sj.Times, sj.Steps"),
    "save is a number": (lambda: solve(save=0.5), ValueError, "write save=[t] for one time"),
    "save is a matrix": (
        lambda: solve(save=np.ones((2, 2))),
        ValueError,
        "times in save= must have shape (n,); got (2, 2)",
    ),
    "save is NaN": (lambda: solve(save=[0.0, np.nan]), ValueError, "times in save= must be finite"),
    "save outside": (
        lambda: solve(save=[0.5, 1.5]),
        ValueError,
        "times in save= run from 0.5 to 1.5, but t_span from 0.0 to 1.0: clip them to the span, or widen it",
    ),
    "save is empty": (lambda: solve(save={}), ValueError, "save={} requests nothing"),
    "save is nested": (lambda: solve(save={"a": {"b": [0.5]}}), TypeError, "give it one level"),
    "two dense": (
        lambda: solve(save={"a": sj.Dense(), "b": sj.Dense()}),
        ValueError,
        "save= asks for sj.Dense() twice, but sol(t) is one function: ask once",
    ),
    "Steps capacity": (lambda: solve(save=sj.Steps(0)), ValueError, "capacity of sj.Steps must be a positive int"),
    "Dense capacity": (lambda: solve(save=sj.Dense(2.5)), ValueError, "capacity of sj.Dense must be a positive int"),
    "event is a function": (lambda: solve(events=decay), TypeError, "write sj.Event(condition)"),
    "event list of functions": (
        lambda: solve(events=[decay]),
        TypeError,
        "events must be a sj.Event or a list of them",
    ),
    "event direction": (
        lambda: sj.Event(decay, direction=2),
        ValueError,
        "direction of an Event must be -1, 0 or 1; got 2",
    ),
    "state is garbage": (lambda: solve(state=3), TypeError, "state must be sol.state of an earlier solve; got 3"),
    "state of another tree": (
        lambda: solve(t_span=(1.0, 2.0), y0=[2.0], state=ended().state),
        ValueError,
        "its y and y0 have different structures. Give y0=sol.state.y",
    ),
    "state with another y0": (
        lambda: solve(t_span=(1.0, 2.0), y0=2.0, state=ended().state),
        ValueError,
        "state= continues from its own y, but y0 is another state: give y0=sol.state.y, or no state=",
    ),
    "state at another time": (
        lambda: solve(t_span=(5.0, 6.0), y0=ended().y, state=ended().state),
        ValueError,
        "state= continues from t = 1.0, but t_span starts at 5.0",
    ),
    "state of another method": (
        lambda: solve(t_span=(1.0, 2.0), y0=ended().y, state=ended().state, method=sj.ReversibleHeun()),
        ValueError,
        "state= belongs to another method than ReversibleHeun",
    ),
    "plain field, separable method": (
        lambda: solve(y0=(1.0, 0.0), method=sj.Yoshida4(), steps=3),
        TypeError,
        "Yoshida4 needs a field that is separable: give sj.Separable(velocity, force) or sj.SecondOrder(acceleration)",
    ),
    "separable method, one state": (
        lambda: solve(sj.SecondOrder(decay), y0=Y, method=sj.Yoshida4(), steps=3),
        TypeError,
        "sj.SecondOrder needs y0 = (q, p), a tuple of two",
    ),
}


@pytest.mark.float32
@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named_with_their_cure(name):
    call, error, message = MISTAKES[name]
    with pytest.raises(error, match=re.escape(message)):
        call()


@pytest.mark.float32
@pytest.mark.parametrize(
    "options",
    [
        {"max_steps": np.int64(100)},
        {"steps": np.int32(4)},
        {"t_span": [0, 1]},
        {"t_span": (jnp.float32(0), np.float64(1))},
        {"t_span": np.array([0.0, 1.0])},
        {"y0": 1},
        {"y0": True},
        {"rtol": 0, "atol": 1e-3},
        {"rtol": 1e-3, "atol": 0},
        {"save": (0, 1)},
        {"save": range(2)},
        {"save": []},
        {"step_to": []},
        {"step_to": 0.5},
        {"step_to": [-1, 0.5, 7]},
        {"events": ()},
        {"dt0": -0.1},
        {"dt": -0.1, "method": sj.RK4()},
    ],
    ids=str,
)
def test_what_is_not_a_mistake(options):
    options = {"rtol": 1e-3} | options
    sol = solve(**options)
    assert float(sol.state.t) == 1.0
    # no tolerance here is looser than 1e-3; ten steps of order 4 at dt = 0.1
    np.testing.assert_allclose(sol.state.y, np.exp(-1), rtol=3e-3)


WARNING = "rtol=.* is near or below the rounding error of float32"


@pytest.mark.float32
def test_a_tolerance_below_rounding_warns_and_runs():
    with pytest.warns(UserWarning, match=WARNING):
        sol = solve(y0=jnp.float32(1), rtol=1e-7, throw=False)
    assert sol.y.dtype == jnp.float32


@pytest.mark.float32
@pytest.mark.parametrize(
    "options", [{}, {"rtol": 1e-5}, {"rtol": 0.0, "atol": 1e-3}, {"rtol": 1e-9, "steps": 5}], ids=str
)
def test_other_tolerances_do_not_warn(options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solve(y0=jnp.float32(1), **options)


def test_a_tolerance_below_float64_warns_without_advising_float64():
    with pytest.warns(UserWarning, match="rounding error of float64") as caught:
        solve(rtol=1e-16, atol=1e-9, throw=False)
    assert "jax_enable_x64" not in str(caught[0].message)


def test_the_warning_points_at_the_caller():
    with pytest.warns(UserWarning, match="rounding") as caught:
        sj.solve_ode(decay, SPAN, 1.0, rtol=1e-16, throw=False)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("method", [sj.Feagin14(), sj.KahanLi8()], ids=lambda m: type(m).__name__)
def test_a_coarse_interpolant_is_warned_of(method):
    oscillator = sj.SecondOrder(lambda t, q, args: -q)
    options = {"method": method} if method.adaptive else {"method": method, "dt": 0.1}

    def run(**more):
        return sj.solve_ode(oscillator, (0.0, 1.0), (1.0, 0.0), **options, **more)

    with pytest.warns(UserWarning, match="its interpolant order 3: .* step_to=") as caught:
        jax.eval_shape(lambda: run(save=[0.5]))  # nothing is compiled
    assert caught[0].filename == __file__
    # the times stepped to are as accurate as the steps
    assert float(run(save=[0.5], step_to=[0.5]).y[0][0]) == pytest.approx(np.cos(0.5), abs=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jax.eval_shape(run)
        jax.eval_shape(lambda: run(save=sj.Steps(64)))
