"""ROCK4: a stabilised explicit method of order 4."""

from functools import reduce
from typing import ClassVar

from jaxtyping import Array, Float

from ...core import trees
from ..problem import Problem, State, Time
from .stabilized import Stabilized
from .table import Table
from .tableaux.rock4 import table


class ROCK4(Stabilized):
    r"""The fourth-order orthogonal Runge-Kutta-Chebyshev method, 5 to 142 stages, with an embedded one of order 3, for
    mildly stiff problems whose stiff eigenvalues are real and negative, at tighter tolerances than `ROCK2`.

    After the recurrence, four stages of a Runge-Kutta method that starts at its end make the order 4; the embedded
    method also takes the derivative at the new point. Stable for $h \rho \le 0.352 s^2 - 3$ with s stages.

    **Arguments:**

    - `max_stages`: 5 to 142 (the default): steps are kept short enough for so many.
    - `spectral_radius`: an upper bound of the spectral radius of df/dy, in 1/time: a number, or a function of
      (t, y, args), named (a new lambda recompiles). By default it is estimated, by a few evaluations of the field every
      25 steps.

    A step multiplies rounding in stiff components by about $0.01 (h \rho)^4$. The error estimate sees it, and keeps
    steps at a few dozen stages at tight tolerances, at about ten in float32: prefer `ROCK2` there. With constant steps
    too long for `max_stages`, the solution grows like that of any explicit method. Cost a step: s evaluations of the
    field. Interpolant: cubic Hermite, order 3.

    Source: A. Abdulle, Fourth order Chebyshev methods with recurrence relation, SIAM J. Sci. Comput. 23 (2002)
    2041-2054, doi:10.1137/S1064827500379549.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> heat = lambda t, y, args: 1e4 * (jnp.roll(y, 1) - 2 * y + jnp.roll(y, -1))
    >>> wave = 1 + jnp.cos(2 * jnp.pi * jnp.arange(100) / 100)
    >>> sol = sj.solve_ode(heat, (0.0, 0.1), wave, method=sj.ROCK4(), rtol=1e-2, atol=1e-3)
    >>> bool(jnp.all(abs(sol.y - 1) < 0.05)) and int(sol.stats["field_evaluations"]) < 1500
    True
    """

    error_order: ClassVar[int] = 4

    @property
    def table(self) -> Table:
        return table()

    @property
    def order(self) -> int:
        return 4

    def finish(
        self, problem: Problem, t: Time, dt: Time, t_inner: Time, inner: State, weights: Float[Array, " 15"]
    ) -> tuple[State, State, State]:
        w = [dt * weights[i] for i in range(15)]
        k = [problem.evaluate(t_inner, inner)]
        for row in (w[0:1], w[1:3], w[3:6]):
            k.append(problem.evaluate(t_inner + sum(row), _plus(inner, row, k)))
        b, embedded = w[6:10], w[10:15]
        y1 = _plus(inner, b, k)
        f1 = problem.evaluate(t + dt, y1)
        differences = [e - x for e, x in zip(embedded, b, strict=False)]
        error = _plus(trees.scale(embedded[4], f1), differences, k)
        return y1, f1, error


def _plus(y: State, weights: list[Array], k: list[State]) -> State:
    """`y + sum w_i k_i`."""
    return reduce(lambda y, term: trees.axpy(*term, y), zip(weights, k, strict=True), y)
