"""Milstein: the method of strong order 1."""

from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ...core import trees
from ..problem import Problem, State, Time
from .field import Stochastic
from .forms import ENTRIES, ONE
from .method import StochasticMethod, added


class Milstein(StochasticMethod):
    r"""Milstein's method,

    $$y_1 = y_0 + f h + g \Delta W
    + \sum_{jk} (g_j \cdot \nabla) g_k \big(\tfrac12 (\Delta W_j \Delta W_k - \delta_{jk} h) + A_{jk}\big),$$

    without $\delta_{jk} h$ in Stratonovich's sense: it solves both as they are. The Lévy areas
    $A_{jk} = \tfrac12 \int (W_j\, dW_k - W_k\, dW_j)$ cancel where the noise commutes, and are read for `"general"`
    noise only. Strong order 1; for general noise on a `sj.IncrementPath` with a `resolution`, whose cells are the path
    (the areas within a cell have their mean and variance, but are normal numbers).

    Every kind of noise; constant steps. One evaluation of the drift, and of the diffusion with a directional derivative
    (one for each general noise; commutative noise in Itô's sense: one more for each noise).

    Source: G. N. Milstein, Theory Probab. Appl. 19 (1975) 557-562; P. E. Kloeden & E. Platen, Numerical Solution of
    Stochastic Differential Equations, Springer 1992, section 10.3.

    >>> import jax, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: 0.1 * y)
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, jax.random.key(0), method=sj.Milstein(), steps=100)
    >>> 0.2 < float(sol.y) < 0.6
    True
    """

    strong_order: ClassVar[float] = 1.0
    drift_order: ClassVar[int] = 1
    stages: ClassVar[int] = 1

    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> tuple[State, State | None]:
        field, args = problem.field, problem.args
        spread = lambda y: field.spread(t, y, args)  # noqa: E731
        if field.noise == "general":
            return _general(problem, t, y, dt, spread), None
        w = field.increment(t, dt)
        term = lambda y: field.apply(spread(y), w)  # noqa: E731
        noise = term(y)
        euler = [y, trees.scale(dt, problem.evaluate(t, y)), noise]
        if field.noise == "additive":
            return added(*euler), None
        ito = dt if field.interpretation == "ito" else 0.0
        if field.form in (ENTRIES, ONE):  # of diagonal noise, the directions of other entries must not mix
            squares = jax.tree.map(lambda z: z * z - ito, w)
            return added(*euler, field.apply(field.correction(t, y, args), squares)), None
        second = trees.scale(0.5, jax.jvp(term, (y,), (noise,))[1])
        if field.interpretation == "ito":
            second = trees.axpy(-dt, field.correction(t, y, args), second)
        return added(*euler, second), None


def _general(problem: Problem, t: Time, y: State, dt: Time, spread: Callable[[State], PyTree]) -> State:
    """The end of a step with noise that does not commute: all iterated integrals."""
    field = problem.field
    assert isinstance(field, Stochastic)
    w, area = field.increment_and_levy_area(t, dt)
    ito = dt if field.interpretation == "ito" else 0.0
    integrals = 0.5 * (w[:, None] * w[None, :] - ito * jnp.eye(w.shape[0], dtype=w.dtype)) + area

    def term(direction: State, row: Array) -> State:
        """The derivative of all noises, weighted with a row of the integrals, along one of them."""
        weights = field.as_noise(row)
        along = field.apply(spread(y), direction)
        return jax.jvp(lambda y: field.apply(spread(y), weights), (y,), (along,))[1]

    second = jax.tree.map(lambda x: jnp.sum(x, 0), jax.vmap(term)(field.directions(y), integrals))
    drift = trees.scale(dt, problem.evaluate(t, y))
    return added(y, drift, field.apply(spread(y), field.as_noise(w)), second)
