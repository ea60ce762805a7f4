"""What the exponential time-differencing methods share."""

from abc import abstractmethod
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Inexact

from ..interpolation import Hermite, hermite
from ..method import Method, MethodState
from ..problem import Problem, State, Time
from ..semilinear import SemiLinear, multiply
from .propagators import Kept, Parts, nothing_kept, propagators, refreshed


class Ends(NamedTuple):
    """States and nonlinear parts at both ends of a step."""

    y0: State
    y1: State
    n0: State
    n1: State


class ExponentialRungeKutta(Method):
    r"""An exponential Runge-Kutta method for $\dot y = L y + N(t, y)$, a `sj.SemiLinear` field.

    The variation of constants, $y(t + h) = e^{hL} y(t) + \int_0^h e^{(h - s) L} N(t + s, y(t + s))\, ds$, with N
    replaced by a polynomial: exact where N vanishes or is constant, whatever L and h are, and the stiffness of L does
    not limit h. The functions of hL are kept while the step size stays the same: `propagators.py`.

    The carry is N at the start of the step. Steps are interpolated by cubic Hermite.
    """

    @property
    @abstractmethod
    def parts(self) -> Parts:
        """Which functions of hL the method wants."""

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(nonlinear(problem, t, y), nothing_kept(self.parts, operator(problem), dt, jnp.ndim(y)))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return MethodState(nonlinear(problem, t, y), state.cache)

    def functions(self, problem: Problem, y: State, dt: Time, kept: Kept) -> tuple[tuple, Kept]:
        """The functions of this step, part by part, as maps from vectors to vectors, and what is kept of them."""
        linear, ndim = operator(problem), jnp.ndim(y)
        kept = refreshed(self.parts, kept, linear, dt, ndim)
        values = propagators(self.parts, kept, linear, dt, ndim)
        return tuple(tuple((lambda v, p=p: multiply(p, v)) for p in part) for part in values), kept

    def prepare(self, problem: Problem, t: Time, dt: Time, dense: Ends) -> Hermite:
        linear = operator(problem)
        f0, f1 = multiply(linear, dense.y0) + dense.n0, multiply(linear, dense.y1) + dense.n1
        return Hermite(dense.y0, dense.y1, f0, f1)

    def interpolate(self, dense: Hermite, t_left: Time, t_right: Time, t: Time) -> State:
        return hermite(dense, t_left, t_right, t)

    def check(self, field, y0: State) -> None:
        if not isinstance(field, SemiLinear):
            raise TypeError(
                f"{type(self).__name__} needs a field with a linear part: give sj.SemiLinear(linear, nonlinear), or "
                f"use sj.Exprb43(), which takes any field; got {type(field).__name__}"
            )
        field.check(y0)


def operator(problem: Problem) -> Inexact[Array, "..."]:
    """L, an array."""
    return problem.field.linear  # type: ignore[attr-defined]


def nonlinear(problem: Problem, t: Time, y: State) -> State:
    """N at (t, y), in the shape and dtype of y."""
    value = problem.field.nonlinear(t, y, problem.args)  # type: ignore[attr-defined]
    return jnp.broadcast_to(jnp.asarray(value, jnp.result_type(y)), jnp.shape(y))
