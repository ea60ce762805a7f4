"""The integral of a function along a solve, by Gauss quadrature in every step."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...core import when, while_loop
from ..problem import Time
from ..saving import Save, StepView


class Integral(Save):
    r"""Sums up $\int r(t, y(t))\, dt$ over the accepted steps, with `points` Gauss points on the interpolant of each
    part of a step: a rate that is smooth between knots only is summed up from knot to knot.

    Nothing else is saved: the integral is what this request counts. `next_knot(t)` is the first knot behind t in the
    direction of the solve.
    """

    rate: Callable
    next_knot: Callable[[Time], Time]
    points: int = eqx.field(default=3, static=True)
    function: Any = None
    aux: Any = None

    def init(self, problem, method, t0, y0, dense):
        return jax.tree.map(jnp.zeros_like, self.rate(t0, y0)), ()

    def update(self, problem, method, view: StepView, counters, buffers):
        nodes, weights = np.polynomial.legendre.leggauss(self.points)
        ahead = lambda t, other: view.direction * (other - t) > 0  # noqa: E731

        def add(total, _, on):
            dense = method.prepare(problem, view.t, view.t_right - view.t, view.dense)

            def part(state, _, on):
                t, total = state
                knot = self.next_knot(t)
                end = jnp.where(ahead(t, knot) & ahead(knot, view.t_right), knot, view.t_right)
                for s, w in zip(0.5 * (1 + nodes), 0.5 * weights, strict=True):
                    inside = t + float(s) * (end - t)
                    rate = self.rate(inside, method.interpolate(dense, view.t, view.t_right, inside))
                    factor = float(w) * (end - t)
                    total = jax.tree.map(lambda x, r, c=factor: (x + c * r).astype(x.dtype), total, rate)
                return (end, total), ()

            (_, total), _ = while_loop(lambda state: on & ahead(state[0], view.t_right), part, (view.t, total), ())
            return total, ()

        return when(view.on, add, counters, ())[0], buffers
