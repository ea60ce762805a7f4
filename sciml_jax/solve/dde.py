"""`solve_dde`: the front of delay differential equations."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, PyTree

from . import arguments
from .delay import Delayed
from .events import EventLog
from .failure import known
from .method import Method
from .ode import solve_ode
from .sensitivity import Forward, Gradient, Recorded
from .solution import Solution


def solve_dde(
    field: Callable,
    t_span: tuple[ArrayLike, ArrayLike],
    history: Callable | Solution | PyTree[ArrayLike],
    lags: ArrayLike | Callable | Sequence[ArrayLike | Callable],
    args: PyTree = None,
    *,
    y0: PyTree[ArrayLike] | None = None,
    discontinuities: Sequence[ArrayLike] = (),
    capacity: int = 4096,
    method: Method | None = None,
    gradient: Gradient | None = None,
    events: Any = (),
    **options: Any,
) -> Solution:
    r"""Solves $\dot y(t) = f\big(t, y(t), y(t - \tau_1), \ldots, y(t - \tau_m), \mathrm{args}\big)$ from t0 to t1,
    with y given up to t0.

    **Arguments:**

    - `field`: `field(t, y, y_delayed, args) -> dy/dt`; `y_delayed` is a tuple of states in the order of the lags.
    - `t_span`: `(t0, t1)` with t1 > t0. `args`: as of `solve_ode`.
    - `history`: y for t <= t0: a function `history(t, args)`, the solution of an earlier solve with
      `save=sj.Dense()`, or a constant state.
    - `lags`: one lag or several: positive numbers (or an array (m,)), or functions `lag(t, y, args)` of time and
      state, which may come down to zero but not below.
    - `y0`: the state at t0, where it is not `history(t0, args)`: the solution jumps there.
    - `discontinuities`: times before t0 at which the history jumps.
    - `capacity`: how many of the last steps are kept to be looked up (4,096); the oldest are written over, and a lag
      that reaches further back ends the solve with `history_capacity_reached`, as more steps than these do where a
      gradient goes backwards.
    - `method`: `sj.Tsit5()` by default; `sj.Rodas5P()` or `sj.BDF()` for stiff equations.
    - `gradient`: `sj.Recorded()` (the default; by all methods but `sj.Auto`, `sj.ROCK2`, `sj.ROCK4` and an
      `sj.RadauIIA` of changing order), or `sj.Forward()` (by all methods): derivatives to args, lags, history and
      times, of what was computed, breaking points included.
    - `events`, `options`: those of `solve_ode`: `rtol`, `atol`, `save`, `step_to`, `dt_max`, `projection`, `throw`, ...

    **Returns** a `Solution`, as of `solve_ode`; with `save=sj.Dense()` it can be the `history` of another solve.

    **Breaking points.** At t0 the first derivative jumps as a rule, one lag later the second one, and so on: each such
    time is a step's end, up to the derivative that the method's order sees. Constant lags carry them on by addition,
    varying ones by a root that is found on the interpolant. So do events whose `affect` moves the state, and the times
    in `step_to=`, where the field jumps. Times that lie before one are looked up in the steps before it.

    **Lags shorter than the step** look into the step that is being taken: it is repeated, each time with the last
    attempt's interpolant, until it has settled within a fiftieth of the tolerance; a step that does not is cut in half.
    A stiff delayed term keeps the steps of explicit and Rosenbrock methods short; methods with Newton's iteration
    (`sj.BDF()`, `sj.Radau5()`, `sj.Kvaerno5()`) take steps far longer than its lag.

    Neutral equations, with $\dot y(t - \tau)$ on the right, are refused: breaking points are not smoothed there, and
    steps and error estimates made for these equations do not hold.

    **Raises** `ValueError` or `TypeError` for what can be seen before solving, else what `solve_ode` raises. A lag that
    becomes negative gives NaN, and the solve ends with `non_finite`.

    Cost: for each lag and stage a bisection over the kept steps and one interpolant. Memory: `capacity` steps' dense
    data (Tsit5: 5 states), and for a gradient twice that and four states a step. A gradient takes 2 to 4 solves in
    time; it compiles in seconds, with methods of many stages in some twenty (Vern7).

    Source: A. Bellen & M. Zennaro, Numerical Methods for Delay Differential Equations, Oxford 2003, chapters 3-5;
    L. F. Shampine & S. Thompson, Solving DDEs in Matlab, Appl. Numer. Math. 37 (2001),
    doi:10.1016/S0168-9274(00)00055-6.

    >>> import sciml_jax as sj
    >>> mackey_glass = lambda t, y, y_delayed, args: 0.2 * y_delayed[0] / (1 + y_delayed[0] ** 10) - 0.1 * y
    >>> sol = sj.solve_dde(mackey_glass, (0.0, 100.0), 0.5, lags=14.0)
    >>> 0.2 < float(sol.y) < 1.4
    True
    """
    _check_field(field)
    span = arguments.span(t_span)
    if known(span) and not float(span[1]) >= float(span[0]):
        raise ValueError(f"a delay equation goes forwards in time: t_span must have t1 >= t0; got {t_span}")
    gradient = Recorded() if gradient is None else arguments.instance("gradient", gradient, Gradient)
    if not isinstance(gradient, Forward | Recorded):
        raise ValueError(f"gradient=sj.{type(gradient).__name__}() is not for delay equations: give sj.Forward()")
    for name in ("mass", "state", "has_aux"):
        if options.get(name) is not None and options[name] is not False:
            cure = ": give history=sol to go on after an earlier solve" if name == "state" else ""
            raise ValueError(f"solve_dde has no {name}={cure}")
    if options.get("steps") is not None:
        raise ValueError("solve_dde has no steps=, as steps end at breaking points too: give dt= for equal ones")
    past = _past(history)
    start = arguments.floats(past(span[0], args) if y0 is None else y0)
    delayed = Delayed(
        field,
        _lags(lags),
        past,
        span[0],
        marks=tuple(arguments.number("a time in discontinuities", t) for t in discontinuities),
        levels=(1 if y0 is None else 0, *(0 for _ in discontinuities)),
        capacity=arguments.count("capacity", capacity),
    )
    listed = arguments.event_list(events)
    solution = solve_ode(delayed, t_span, start, args, method=method, gradient=gradient, events=listed, **options)
    return _without_crossings(solution, len(listed))


class _Constant(eqx.Module):
    """A history that does not change."""

    y: PyTree

    def __call__(self, t, args):
        return self.y


class _Continued(eqx.Module):
    """The history in an earlier solution."""

    solution: Solution

    def __call__(self, t, args):
        dense = self.solution.dense
        assert dense is not None
        return dense(t)


def _past(history: Any) -> Callable:
    if isinstance(history, Solution):
        if history.dense is None:
            raise TypeError("history= is a solution that is not dense: solve with save=sj.Dense()")
        return _Continued(history)
    if callable(history):
        arguments.callable_with("history", history, "t, args")
        return history
    return _Constant(jax.tree.map(jnp.asarray, arguments.floats(history)))


def _lags(lags: Any) -> tuple:
    """The lags as a tuple of numbers and functions."""
    if callable(lags):
        lags = (lags,)
    elif not isinstance(lags, tuple | list):
        lags = [lags] if np.ndim(lags) == 0 else list(lags)
    if not lags:
        raise ValueError("lags is empty: give one lag, or solve an ordinary differential equation with solve_ode")
    return tuple(_lag(j, lag) for j, lag in enumerate(lags))


def _lag(j: int, lag: Any) -> Any:
    if callable(lag):
        arguments.callable_with(f"lag {j}", lag, "t, y, args")
        return lag
    lag = arguments.number(f"lag {j}", lag)
    if known(lag) and not 0 < float(lag) < np.inf:
        raise ValueError(
            f"lag {j} must be positive and finite; got {float(lag)}: a term without lag is one of y itself"
        )
    return lag


def _check_field(field: Any) -> None:
    try:
        arguments.callable_with("field", field, "t, y, y_delayed, args")
    except TypeError as four:
        try:
            arguments.callable_with("field", field, "t, y, y_delayed, dy_delayed, args")
        except TypeError:
            raise four from None
        raise ValueError(
            "field takes five arguments: an equation with delayed derivatives is neutral, and solve_dde is for "
            "field(t, y, y_delayed, args). In neutral equations breaking points are not smoothed from lag to lag"
        ) from None


def _without_crossings(solution: Solution, events: int) -> Solution:
    """The solution whose log holds the user's events alone: lags that pass breaking points are events too."""
    log = solution.event
    if log is None:
        return solution
    if not events:
        return eqx.tree_at(lambda s: s.event, solution, None)
    used = (jnp.arange(log.t.shape[-1]) < log.n) & (log.which < events)
    order = jnp.argsort(~used, stable=True)
    keep = lambda x: jnp.where(used[order].reshape(-1, *(1,) * (x.ndim - 1)), x[order], 0)  # noqa: E731
    kept = EventLog(keep(log.t), keep(log.which), jax.tree.map(keep, log.y), jnp.sum(used))
    return eqx.tree_at(lambda s: s.event, solution, kept)
