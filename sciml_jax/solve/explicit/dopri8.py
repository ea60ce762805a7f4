"""Dopri8: an explicit Runge-Kutta method."""

from typing import ClassVar

import jax.numpy as jnp

from ...core import trees
from ..problem import Problem, State, Time
from .runge_kutta import RungeKutta
from .tableau import ButcherTableau, as_floats
from .tableaux.dopri8 import ERROR3, ERROR5, TABLEAU


class Dopri8(RungeKutta):
    r"""Dormand and Prince's method of order 8 as in Hairer's DOP853: twelve stages, and an interpolant of order 7
    (three extra stages).

    The error estimate joins those of order 5 and 3: $e_5\, |e_5| / \sqrt{|e_5|^2 + 0.01 |e_3|^2}$, which shrinks like
    $h^8$.

    Source: P. J. Prince & J. R. Dormand, J. Comput. Appl. Math. 7 (1981) 67-75, doi:10.1016/0771-050X(81)90010-3;
    Hairer, Norsett & Wanner I, II.5 (eq. 10.17) and II.6.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=sj.Dopri8())
    >>> abs(float(sol.y) - 0.36787944) < 1e-05
    True
    """

    tableau: ClassVar[ButcherTableau] = TABLEAU

    @property
    def error_order(self) -> int:
        return 8

    def error(self, problem: Problem, y: State, y1: State, dt: Time, k: list[State]) -> State | None:
        w5, w3 = as_floats((ERROR5, ERROR3))
        e5, e3 = (trees.combine(w, k[: len(w)]) for w in (w5, w3))
        n5, n3 = (jnp.abs(dt) * problem.error_norm(e, y, y1) for e in (e5, e3))
        size = jnp.sqrt(n5**2 + 0.01 * n3**2)
        weight = jnp.where(size == 0, 0.0, n5 / jnp.where(size == 0, 1.0, size))
        return trees.scale(dt * weight, e5)
