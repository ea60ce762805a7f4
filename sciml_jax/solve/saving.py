"""What a solve keeps: values at given times, every step, or the continuous solution."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from ..core import empty_rows, when, while_loop, write_row
from .method import Method
from .problem import Problem, State, Time, as_times

_CAPACITY = 4096  # steps, where none is given


class StepView(NamedTuple):
    """A step that has just been taken, as savers see it.

    The step was computed from `t` to `t_right`; it ends at `t_next`, earlier where an event cut it, with the state
    `y_next` (after the event's effect). `on` is false where there is nothing to save: a rejected step, or a lane of
    an ensemble that has finished. `dense` is the method's raw dense data.
    """

    t: Time
    t_right: Time
    t_next: Time
    y_next: State
    dense: PyTree
    on: Bool[Array, ""]
    direction: Time


class Save(eqx.Module):
    """A request to save: configuration, and the pure functions by which the driver serves it.

    `function(t, y, args)` maps the state to what is saved (the state itself where it is `None`); `aux` is filled in
    by the solver where the field has auxiliary outputs.
    """

    @property
    @abstractmethod
    def function(self) -> Callable | None:
        """What is saved instead of the state (a field of this name)."""

    @property
    @abstractmethod
    def aux(self) -> Callable | None:
        """The field's auxiliary output (a field of this name)."""

    def value(self, problem: Problem, t: Time, y: State) -> tuple[PyTree, PyTree]:
        """What is saved at (t, y): the value and the auxiliary output."""
        value = y if self.function is None else self.function(t, y, problem.args)
        return value, None if self.aux is None else self.aux(t, y, problem.args)

    @abstractmethod
    def init(self, problem: Problem, method: Method, t0: Time, y0: State, dense: PyTree) -> tuple[PyTree, PyTree]:
        """Counters and buffers before the first step; `dense` is abstract (shapes and dtypes)."""

    @abstractmethod
    def update(self, problem: Problem, method: Method, view: StepView, counters, buffers) -> tuple[PyTree, PyTree]:
        """Counters and buffers after a step."""

    def full(self, counters) -> Bool[Array, ""] | None:
        """Whether the buffers can take no further step; `None` where they always can."""
        return None

    def prepared(self, counters) -> Int[Array, ""] | int:
        """How often the interpolant's extra stages were computed."""
        return 0


class Final(Save):
    """Saves the final state only, or a function of it. This is what `save=None` does.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, save=sj.Final(lambda t, y, args: 2 * y))
    >>> abs(float(sol.y) - 0.73575888) < 1e-5
    True
    """

    function: Callable | None = None
    aux: Callable | None = None

    def init(self, problem, method, t0, y0, dense):
        return (), ()

    def update(self, problem, method, view, counters, buffers):
        return counters, buffers


class Times(Save):
    """Saves at given times, in any number and order, t0 and t1 included; `save=ts` is short for `save=Times(ts)`.

    - `ts`: times within t_span, shape (n,).
    - `function`: `function(t, y, args)`, saved instead of the state.

    Times that a terminating event leaves out repeat the last state; `sol.n` counts the ones reached. Between steps a
    `projection=` does not act: project in `function`. Derivatives go to the times too, but a time equal to t1 is the
    end of the solve and its derivative belongs to t1.
    Cost: one evaluation of the interpolant a time.

    >>> import sciml_jax as sj
    >>> save = sj.Times([0.0, 0.5], lambda t, y, args: {"double": 2 * y})
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, save=save)
    >>> sol.y["double"].shape
    (2,)
    """

    ts: Float[Array, " n"] = eqx.field(converter=as_times)
    function: Callable | None = None
    aux: Callable | None = None
    order: Int[Array, " n"] | None = None  # how the solver sorted them

    def init(self, problem, method, t0, y0, dense):
        value = jax.eval_shape(lambda: self.value(problem, t0, y0))
        first = self._due(jnp.int32(0), t0.dtype)
        counters = (jnp.int32(0), first, jnp.int32(0)) if method.prepares else (jnp.int32(0), first)
        return counters, empty_rows(self.ts.shape[0], value)

    def _due(self, k: Int[Array, ""], dtype) -> Time:
        """The time of row k; NaN, which is never due, after the last."""
        n = self.ts.shape[0]
        return jnp.where(k < n, self.ts[jnp.minimum(k, n - 1)], jnp.nan) if n else jnp.full((), jnp.nan, dtype)

    def update(self, problem, method, view, counters, buffers):
        if self.ts.shape[0] == 0:
            return counters, buffers

        def due(state):
            # right-continuous: a time equal to t_next belongs to the next step, or to the end of the solve
            return view.on & (view.direction * (state[1] - view.t_next) < 0)

        def save(state, rows, on, dense):
            k, t = state
            rows = write_row(rows, self.row(problem, method, dense, view.t, view.t_right, t), k, on)
            return (k + 1, self._due(k + 1, t.dtype)), rows

        if not method.prepares:
            return while_loop(due, lambda s, rows, on: save(s, rows, on, view.dense), counters, buffers)

        def save_all(state, rows, on):
            dense = method.prepare(problem, view.t, view.t_right - view.t, view.dense)
            (k, t), rows = while_loop(lambda s: on & due(s), lambda s, r, on: save(s, r, on, dense), state[:2], rows)
            return (k, t, state[2] + 1), rows

        return when(due(counters), save_all, counters, buffers)

    def row(self, problem: Problem, method: Method, dense, t_left: Time, t_right: Time, t: Time):
        """What is saved at `t` inside a step, from its prepared dense data."""
        return self.value(problem, t, method.interpolate(dense, t_left, t_right, t))

    def prepared(self, counters):
        return counters[2] if len(counters) > 2 else 0


class Steps(Save):
    """Saves t0 and every accepted step, up to `capacity` steps (4,096; exactly N where `steps=N` is given).

    `sol.n` counts the rows that hold something; the others repeat the last. A solve with more steps ends with
    `RESULT.save_capacity_reached`. Memory: (capacity + 1) states.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, save=sj.Steps(64))
    >>> bool(sol.t[0] == 0.0) and bool(sol.t[sol.n - 1] == 1.0)
    True
    """

    capacity: int | None = eqx.field(default=None, static=True)
    function: Callable | None = None
    aux: Callable | None = None

    def init(self, problem, method, t0, y0, dense):
        row = (t0, self.value(problem, t0, y0))
        return jnp.int32(0), write_row(empty_rows(self._size + 1, row), row, jnp.int32(0), True)

    @property
    def _size(self) -> int:
        return _CAPACITY if self.capacity is None else self.capacity

    def update(self, problem, method, view, counters, buffers):
        row = (view.t_next, self.value(problem, view.t_next, view.y_next))
        return counters + view.on, write_row(buffers, row, counters + 1, view.on)

    def full(self, counters):
        return counters >= self._size


class Dense(Save):
    """Saves the continuous solution: `sol(t)` at any time in the span, of the interpolant's order, differentiable.

    Holds up to `capacity` steps (4,096); more end the solve with `RESULT.save_capacity_reached`.
    Memory: capacity times the method's dense data (Tsit5: 8 states).

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, save=sj.Dense(64))
    >>> abs(float(sol(0.5)) - 0.60653066) < 1e-6
    True
    """

    capacity: int = eqx.field(default=_CAPACITY, static=True)
    function: Callable | None = None
    aux: Callable | None = None

    def init(self, problem, method, t0, y0, dense):
        return jnp.int32(0), empty_rows(self.capacity, (t0, t0, dense))

    def update(self, problem, method, view, counters, buffers):
        prepared = method.prepare(problem, view.t, view.t_right - view.t, view.dense)
        return counters + view.on, write_row(buffers, (view.t, view.t_right, prepared), counters, view.on)

    def full(self, counters):
        return counters >= self.capacity

    def prepared(self, counters):
        return counters


def as_saves(save: Any) -> tuple[tuple[Save, ...], tuple[str, ...] | None]:
    """The requests in `save=` and, where it is a dictionary, their names."""
    if isinstance(save, dict):
        if not save:
            raise ValueError("save={} requests nothing: give a dictionary of names and times, or save=None")
        if any(isinstance(request, dict) for request in save.values()):
            raise TypeError("save= is a dictionary of requests, not of dictionaries: give it one level")
        return tuple(as_saves(request)[0][0] for request in save.values()), tuple(save)
    if save is None:
        return (Final(),), None
    if isinstance(save, Save):
        return (save,), None
    try:
        return (Times(save),), None
    except (TypeError, ValueError) as error:
        raise TypeError(
            "save must be None, an array of times, sj.Times, sj.Steps, sj.Dense, sj.Final or a dictionary of these; "
            f"got {save!r}"
        ) from error
