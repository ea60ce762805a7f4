"""Semilinear fields: a constant linear part that exponential methods solve exactly, and the rest."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact, PyTree

from ..core import Closed
from .problem import State, Time
from .structured import StructuredField


class SemiLinear(StructuredField):
    r"""A semilinear equation $\dot y = L y + N(t, y, \mathrm{args})$ for one array y, real or complex.

    - `linear`: L, an array or a function `linear(args) -> array`: of the shape of y (a diagonal, such as the Fourier
      symbol of a differential operator), or a matrix of shape (n, n) where y has shape (n,). Complex only where y is.
    - `nonlinear`: `nonlinear(t, y, args) -> N`, of the shape of y.

    Gradients reach L, args and what both functions close over. `linear(args)` is evaluated once in a solve. For other
    methods this is a plain field.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> field = sj.SemiLinear(jnp.array([-1000.0, -1.0]), lambda t, y, args: jnp.sin(y[::-1]))
    >>> sol = sj.solve_ode(field, (0.0, 1.0), jnp.array([0.0, 1.0]), method=sj.ETDRK4(), dt=0.1)
    >>> [round(float(x), 4) for x in sol.y]
    [0.0004, 0.3682]
    """

    linear: Any
    nonlinear: Callable

    def __call__(self, t, y, args):
        linear = self.linear(args) if callable(self.linear) else self.linear
        return multiply(jnp.asarray(linear), y) + self.nonlinear(t, y, args)

    def check(self, y0):
        leaves = jax.tree.leaves(y0)
        if len(leaves) != 1 or leaves[0] is not y0:
            raise TypeError(f"sj.SemiLinear needs y0 to be one array, real or complex; got {type(y0).__name__}")
        if not callable(self.linear):
            as_operator(self.linear, y0)

    def closed(self, close, t, y):
        given = self.linear
        if callable(given):
            linear = OfArgs(close(lambda t, y, args: as_operator(given(args), y), t, y), t, y)
        else:
            linear = as_operator(given, y)
        return SemiLinear(linear, close(self.nonlinear, t, y))

    def bound(self, args: PyTree) -> "SemiLinear":
        """The same field with L as an array, once traced."""
        return SemiLinear(self.linear(args), self.nonlinear) if callable(self.linear) else self

    def ignores(self, argument):
        return argument == 0 and isinstance(self.nonlinear, Closed) and self.nonlinear.ignores(0)


class OfArgs(eqx.Module):
    """A traced function of (t, y, args) as a function of args alone."""

    function: Closed
    t: Time
    y: State

    def __call__(self, args: PyTree) -> Array:
        return self.function(self.t, self.y, args)


def as_operator(linear: Any, y: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
    """L in the dtype of y; raises where it fits no such state."""
    leaves = jax.tree.leaves(linear)
    if len(leaves) != 1 or leaves[0] is not linear:
        raise TypeError(
            f"linear of sj.SemiLinear must be one array, or a function of args; got {type(linear).__name__}"
        )
    shape, dtype = jnp.shape(y), jnp.result_type(y)
    if jnp.shape(linear) != shape and not (len(shape) == 1 and jnp.shape(linear) == shape * 2):
        matrix = f", or of shape {shape * 2} (a matrix)" if len(shape) == 1 else ""
        raise ValueError(
            f"linear of sj.SemiLinear must have the shape of y0, {shape} (a diagonal){matrix}; it has shape "
            f"{jnp.shape(linear)}"
        )
    linear = jnp.asarray(linear)
    if jnp.iscomplexobj(linear) and not jnp.issubdtype(dtype, jnp.complexfloating):
        raise TypeError(f"linear of sj.SemiLinear is complex where y0 is real ({dtype}): give a complex y0")
    return linear.astype(dtype if jnp.issubdtype(dtype, jnp.inexact) else float)


def multiply(linear: Inexact[Array, "..."], y: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
    """L y, of a matrix where L has one axis more than y, else entry by entry."""
    return linear @ y if jnp.ndim(linear) > jnp.ndim(y) else linear * y
