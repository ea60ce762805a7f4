"""The field of a controlled equation, and one-step methods that go from piece to piece of its path."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from ...core.once import once
from ...linalg import times_columns
from ..method import Method, MethodState, Step
from ..problem import State, Time, beside
from ..structured import StructuredField
from .control import Control


class Side(eqx.Module):
    """Which piece a solve means at a knot: the one that it is about to enter, and at its end the one that it is in."""

    backwards: Bool[Array, ""]
    first: Int[Array, ""]
    last: Int[Array, ""]

    @classmethod
    def of(cls, control: Control, span: tuple[Any, Any], dtype: Any) -> "Side":
        """That of a solve over a span."""
        t0, t1 = (jax.lax.stop_gradient(jnp.asarray(t, dtype)) for t in span)
        low, high = jnp.minimum(t0, t1), jnp.maximum(t0, t1)
        return cls(t1 < t0, control.locate(low), control.locate(beside(high, -1)))

    def piece(self, control: Control, t: Time) -> Int[Array, ""]:
        """The number of the piece at time t."""
        k = control.locate(t)
        at_knot = t == control.ts[k].astype(t.dtype)
        return jnp.clip(k - (self.backwards & at_knot), self.first, self.last)


class Controlled(StructuredField):
    r"""$dy/dt = F(t, y, \mathrm{args})\, dX/dt$; made by `sj.solve_cde`.

    With a `locked` piece number, "time" is the path's own parameter, which runs from k to k + 1 on piece k: the
    equation does not change with the parameter, and a step that ends at a knot sees its own piece there.
    """

    matrix: Callable
    control: Control
    span: tuple[Any, Any] | None = None
    side: Side | None = None
    locked: Int[Array, ""] | None = None

    def __call__(self, t: Time, y: State, args: PyTree) -> State:
        if self.locked is None:
            k = self.control.locate(t) if self.side is None else self.side.piece(self.control, t)
            slope = self.control.slope_on(k, t)
        else:
            share = t - self.locked.astype(t.dtype)
            slope, t = self.control.piece_slope(self.locked, share), self.control.time(self.locked, share)
        slope = once(slope)
        return jax.tree.map(lambda f: times_columns(f, slope.astype(f.dtype)), self.matrix(t, y, args))

    def check(self, y0: State) -> None:
        """Any state will do."""

    def closed(self, close: Callable, t: Time, y: State) -> "Controlled":
        matrix = close(self.matrix, t, y)
        _check_shapes(matrix.out_shape, y, self.control.channels)
        side = None if self.span is None or self.control.smooth else Side.of(self.control, self.span, t.dtype)
        return Controlled(matrix, self.control, None, side)

    def on(self, k: Int[Array, ""]) -> "Controlled":
        """The same equation on piece k, in the path's own parameter."""
        return Controlled(self.matrix, self.control, locked=k)


def _check_shapes(value: PyTree, y: State, channels: int) -> None:
    """The field must have the structure of y, every leaf with one more axis, the channels."""
    ours: Any = jax.tree.structure(y)
    theirs: Any = jax.tree.structure(value)
    if ours != theirs:
        raise TypeError(f"field must return a pytree like y0, {ours}; it returned {theirs}")
    for (path, want), got in zip(jax.tree.leaves_with_path(y), jax.tree.leaves(value), strict=True):
        wanted = (*want.shape, channels)
        if got.shape != wanted:
            place = f"y{jax.tree_util.keystr(path)}"
            hint = ": it is F alone, without dX" if got.shape == want.shape else ""
            raise ValueError(
                f"field must return F of shape (*{place}.shape, channels), {wanted} for the {channels} channels of "
                f"control; it returned {got.shape}{hint}"
            )


class ByPieces(Method):
    """A one-step method in the parameter of the path, each step within one piece."""

    method: Method

    @property
    def order(self) -> int:
        return self.method.order

    @property
    def interpolation_order(self) -> int:
        return self.method.interpolation_order

    @property
    def uses_jacobian(self) -> bool:
        return self.method.uses_jacobian

    def init(self, problem, t, y, dt) -> MethodState:
        return MethodState(())

    def restart(self, problem, t, y, state) -> MethodState:
        return state

    def init_counts(self) -> dict[str, int]:
        return {"field_evaluations": 0}

    def step(self, problem, t, y, dt, state) -> Step:
        # the middle of the step is well inside its piece, whatever the rounding of t
        k = jnp.clip(jnp.floor(t + 0.5 * dt).astype(jnp.int32), 0, problem.field.control.pieces - 1)
        on_piece = eqx.tree_at(lambda p: p.field, problem, problem.field.on(k))
        step = self.method.step(on_piece, t, y, dt, self.method.init(on_piece, t, y, dt))
        # a derivative kept for the next step would be that of this piece: what nobody reads is not computed
        counts = dict(step.counts)
        counts["field_evaluations"] = counts.get("field_evaluations", 0) + self._start_evaluations
        return step._replace(accepted=state, rejected=state, counts=counts)

    @property
    def _start_evaluations(self) -> int:
        return self.method.init_counts().get("field_evaluations", 0)

    def interpolate(self, dense, t_left, t_right, t):
        return self.method.interpolate(dense, t_left, t_right, t)

    def check(self, field, y0) -> None:
        self.method.check(field, y0)
