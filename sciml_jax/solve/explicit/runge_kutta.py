"""Explicit Runge-Kutta steps from a tableau: stages unrolled, zero coefficients skipped."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...core import trees
from ..interpolation import Hermite, basis, bernstein, hermite, theta
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time
from .tableau import ButcherTableau, as_floats


class Stages(NamedTuple):
    """Dense data of a step: its first state and the stage derivatives in the order of the tableau's `dense`."""

    y0: State
    k: tuple[State, ...]


class Condensed(NamedTuple):
    """The same as one polynomial: the factors of Bernstein's `basis`, fewer than there are stages."""

    y0: State
    k: tuple[State, ...]


# Fields of more equations than this are compiled once and scanned over the stages, not unrolled: above about
# 200 equations the time saved in compiling outweighs the few percent that the scan costs at run time.
_SCANNED_FIELD = 200


def _scanned_stages(tableau: ButcherTableau, problem: Problem, t: Time, y: State, dt: Time, f0: State) -> list[State]:
    """All stages by a scan over a square tableau."""
    s = tableau.stages
    weights = np.zeros((s, s))
    for i, row in enumerate(as_floats(tableau.a)):
        weights[i, : len(row)] = row
    nodes = np.array([float(c) for c in tableau.c])
    stack = jax.tree.map(lambda x: jnp.zeros((s, *x.shape), x.dtype).at[0].set(x), f0)

    def stage(stack, stage):
        i, row, node = stage
        total = jax.tree.map(lambda x: jnp.tensordot(row.astype(x.dtype), x, 1), stack)
        k = problem.evaluate(t + node.astype(t.dtype) * dt, trees.axpy(dt, total, y))
        return jax.tree.map(lambda x, new: x.at[i].set(new), stack, k), None

    stack, _ = jax.lax.scan(stage, stack, (jnp.arange(1, s), jnp.asarray(weights[1:]), jnp.asarray(nodes[1:])))
    return [jax.tree.map(lambda x, i=i: x[i], stack) for i in range(s)]


class RungeKutta(Method):
    r"""An explicit Runge-Kutta method; subclasses give a `tableau`.

    $$k_i = f(t + c_i h, y + h \sum_{j<i} a_{ij} k_j), \quad y_1 = y + h \sum b_i k_i$$

    The derivative at the end of a step is kept as the first stage of the next, also where the tableau is not
    first-same-as-last: the work per step is the same, a rejected step does not repeat it, and the cubic Hermite
    interpolant comes for free.
    """

    tableau: ClassVar[ButcherTableau]

    @property
    def order(self) -> int:
        return self.tableau.order

    @property
    def interpolation_order(self) -> int:
        return self.tableau.dense_order

    @property
    def adaptive(self) -> bool:
        return self.tableau.b_embedded is not None

    @property
    def prepares(self) -> bool:
        return bool(self.tableau.extra_c)

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(problem.evaluate(t, y))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return MethodState(problem.evaluate(t, y))

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        tableau = self.tableau
        c, b = as_floats((tableau.c, tableau.b))
        k, argument = [state.carry], y
        if getattr(problem.field, "size", 0) > _SCANNED_FIELD:
            k = _scanned_stages(tableau, problem, t, y, dt, state.carry)
            argument = trees.axpy(dt, trees.combine(as_floats(tableau.a[-1:])[0], k[:-1]), y)
        else:
            for row, node in zip(as_floats(tableau.a[1:]), c[1:], strict=True):
                argument = trees.axpy(dt, trees.combine(row, k), y)
                k.append(problem.evaluate(t + float(node) * dt, argument))
        if tableau.fsal:
            y1 = argument
        else:
            y1 = trees.axpy(dt, trees.combine(b, k), y)
            k.append(problem.evaluate(t + dt, y1))
        accepted = MethodState(k[-1])
        dense: Any = Hermite(y, y1, k[0], k[-1]) if tableau.dense is None else Stages(y, tuple(k))
        counts = {"field_evaluations": len(k) - 1}
        return Step(y1, self.error(problem, y, y1, dt, k), accepted, state, dense, True, counts, self.error_order)

    @property
    def error_order(self) -> int:
        """The power of the step size with which the error estimate shrinks."""
        return self.order if self.tableau.embedded_order is None else self.tableau.embedded_order + 1

    def error(self, problem: Problem, y: State, y1: State, dt: Time, k: list[State]) -> State | None:
        """The error estimate of a step, from its stages."""
        weights = self.tableau.b_error
        if weights is None:
            return None
        (w,) = as_floats((weights,))
        total = trees.combine(w, k[: len(w)])
        assert total is not None
        return trees.scale(dt, total)

    @property
    def stability_limit(self) -> float | None:
        return self.tableau.stability_limit

    def prepare(self, problem: Problem, t: Time, dt: Time, dense):
        if not self.tableau.extra_c:
            return dense
        k = list(dense.k)
        for row, node in zip(as_floats(self.tableau.extra_a), self.tableau.extra_c, strict=True):
            argument = trees.axpy(dt, trees.combine(row, k[: len(row)]), dense.y0)
            k.append(problem.evaluate(t + float(node) * dt, argument))
        return Stages(dense.y0, tuple(k))

    def prepare_counts(self) -> dict[str, int]:
        return {"field_evaluations": len(self.tableau.extra_c)}

    def condense(self, dense):
        if self.tableau.dense is None:
            return dense
        columns: Any = [trees.combine(column, dense.k) for column in self.tableau.dense_table.T]
        return Condensed(dense.y0, tuple(columns))

    def interpolate(self, dense, t_left: Time, t_right: Time, t: Time) -> State:
        if self.tableau.dense is None:
            return hermite(dense, t_left, t_right, t)
        return self._at(dense, t_right - t_left, theta(t_left, t_right, t))

    def samples(self, dense, t_left: Time, t_right: Time, fractions: tuple[float, ...]) -> list[State]:
        if self.tableau.dense is None:
            return super().samples(dense, t_left, t_right, fractions)
        return [self._at(dense, t_right - t_left, s) for s in fractions]

    def _at(self, dense: Stages | Condensed, h: Time, s) -> State:
        """The solution at the fraction s of a step of length h."""
        short = isinstance(dense, Condensed)
        weights = basis(len(dense.k), s) if short else bernstein(self.tableau.dense_table, s)
        kept = [(w, k) for w, k in zip(weights, dense.k, strict=True) if w is not None]

        def leaf(y0, *ks):
            total = kept[0][0] * ks[0]
            for (w, _), k in zip(kept[1:], ks[1:], strict=True):
                total = total + w * k
            return (y0 + h * total).astype(y0.dtype)

        return jax.tree.map(leaf, dense.y0, *[k for _, k in kept])
