"""Delayed fields: a function of the present state and of earlier ones."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..problem import State, Time, as_derivative, check_like
from ..structured import StructuredField
from .history import History, look_up
from .memory import Memory


class Delayed(StructuredField):
    r"""A delay differential equation $\dot y = f(t, y(t), y(t - \tau_1), \ldots, y(t - \tau_m), \mathrm{args})$; one
    is solved by `sj.solve_dde`.

    - `function`: `field(t, y, y_delayed, args) -> dy/dt`, with `y_delayed` a tuple in the order of the lags.
    - `lags`: positive numbers, or functions `lag(t, y, args)`.
    - `past`: `history(t, args) -> y` for t <= t0. `t0`: the start.
    - `marks`, `levels`: further breaking points, and the derivative that jumps at t0 and at each of them.
    - `capacity`: steps that are kept.
    """

    function: Callable
    lags: tuple[Any, ...]
    past: Callable
    t0: Any
    history: History | None = None
    marks: Any = ()
    levels: tuple[int, ...] = eqx.field(static=True, default=())
    capacity: int = eqx.field(static=True, default=4096)

    def __call__(self, t: Time, y: State, args: PyTree) -> State:
        return self.function(t, (y, self.delayed(t, y, args)), args)

    def delayed(self, t: Time, y: State, args: PyTree) -> tuple[State, ...]:
        """The states at all delayed times."""
        past = lambda s: self.past(s, y, args)  # noqa: E731
        times = [t - self.lag(j, t, y, args) for j in range(len(self.lags))]
        states = tuple(look_up(self.history, past, self.t0, j, s, t) for j, s in enumerate(times))
        return states if self.history is None else self.history.along(states, times, t, y)

    def lag(self, j: int, t: Time, y: State, args: PyTree) -> Time:
        """Lag number j at (t, y)."""
        lag = self.lags[j]
        return jnp.asarray(lag(t, y, args) if callable(lag) else lag, t.dtype).reshape(())

    @property
    def varying(self) -> tuple[int, ...]:
        """The places of the lags that depend on time or state."""
        return tuple(j for j, lag in enumerate(self.lags) if callable(lag))

    def memory(self, order: int, events: int) -> Memory:
        t0 = jnp.asarray(self.t0)
        marks = jnp.stack([t0, *(jnp.asarray(m, t0.dtype) for m in self.marks)])
        return Memory(marks, self.levels, self.capacity, order, events)

    @property
    def notes(self) -> bool:
        return self.history is not None and self.history.taps is not None

    @property
    def silent(self) -> "Delayed":
        return replace(self, history=self.history._replace(taps=None)) if self.history is not None else self

    def check(self, y0: State) -> None:
        """Any state will do."""

    def closed(self, close: Callable, t: Time, y: State) -> "Delayed":
        many = (y,) * len(self.lags)
        function = close(lambda t, states, args: self.function(t, *states, args), t, (y, many))
        past = close(lambda t, y, args: _like(self.past(t, args), y), t, y)
        lags = tuple(close(lag, t, y) if callable(lag) else jnp.asarray(lag, t.dtype) for lag in self.lags)
        for j, lag in enumerate(lags):
            out = jax.tree.leaves(getattr(lag, "out_shape", lag))
            if len(out) != 1 or out[0].size != 1 or not jnp.issubdtype(out[0].dtype, jnp.floating):
                raise ValueError(f"lag {j} must be one real number, or a function that returns one; got {out}")
        closed = {"function": function, "lags": lags, "past": past, "t0": jnp.asarray(self.t0, t.dtype)}
        return replace(self, **closed, marks=tuple(jnp.asarray(m, t.dtype) for m in self.marks))


def _like(given: PyTree, y: State) -> State:
    """What the history returned, in the dtypes of the state."""
    try:
        check_like(jax.tree.map(jnp.asarray, given), y, "it", "state")
    except (TypeError, ValueError) as error:
        raise ValueError(f"history must return states like y0: {error}") from None
    return as_derivative(given, y)
