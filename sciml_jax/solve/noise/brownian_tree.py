"""BrownianTree: a Brownian path that can be read at any time, in any order."""

import math
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, UInt32

from ..failure import known
from ..problem import State, Time
from .bisection import Chord, Interval, Parabola
from .normal import key_words, normals
from .path import Path, split_shapes
from .threefry import Words

_DEEPEST = 30  # levels that fit into a counter of 32 bits


class BrownianTree(Path):
    r"""A Brownian path by bisection: the middle of an interval is a normal number around the mean of its ends,

    $$W\big(\tfrac{s+u}2\big) = \tfrac12 (W(s) + W(u)) + \tfrac12 \sqrt{u - s}\, Z,$$

    drawn from a counter that numbers the intervals; below the last level the path is linear.

    **Arguments:**

    - `t_span`: (t0, t1). `shape`: of W, or a pytree of shapes. `key`: of `jax.random`.
    - `tol`: the length of the last intervals (at least); by default 2^-14 of t_span. No step should be shorter.
      `depth`: their number of levels instead, 30 at most, where t_span or tol is not known while tracing.
    - `area`: whether the space-time areas of steps are known too, which methods of order 1.5 need. The same key is then
      another path, a parabola below the last level, and costs twice as much.

    **Raises** `ValueError` for a `tol` that is not positive or needs more than 30 levels.

    The same key is the same path for all steps: adaptive ones may be rejected, and errors of single paths compared.
    To derivatives the path is a constant.
    Cost: `depth` normal numbers for each entry of W and time. Nothing is stored.

    Source: J. G. Gaines & T. J. Lyons, Variable step size control in the numerical solution of stochastic
    differential equations, SIAM J. Appl. Math. 57 (1997) 1455-1484; as a tree of counters X. Li, T.-K. L. Wong,
    R. T. Q. Chen & D. Duvenaud, Scalable gradients for stochastic differential equations, AISTATS 2020.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> path = sj.BrownianTree((0.0, 1.0), (2,), jax.random.key(0), tol=1e-3)
    >>> path(jnp.zeros(())).shape, bool(jnp.all(path(jnp.zeros(())) == 0.0))
    ((2,), True)
    """

    t_span: tuple[Any, Any]
    words: Words
    shape: Any = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    area: bool = eqx.field(static=True)

    def __init__(
        self,
        t_span: tuple[ArrayLike, ArrayLike],
        shape: Any,
        key: Any,
        *,
        tol: float | None = None,
        depth: int | None = None,
        area: bool = False,
    ):
        self.t_span, self.shape, self.words, self.area = (t_span[0], t_span[1]), shape, key_words(key), area
        self.depth = _levels(t_span, tol) if depth is None else depth
        if not isinstance(self.depth, int) or not 1 <= self.depth <= _DEEPEST:
            raise ValueError(f"sj.BrownianTree has 1 to {_DEEPEST} levels; got depth={self.depth!r}")

    @property
    def finest(self) -> Time:
        return jnp.abs(jnp.subtract(*self.t_span)) / 2**self.depth

    def __call__(self, t: Time) -> State:
        """W(t), zero at the earlier end of t_span; constant outside."""
        place, cell = self._place(jax.lax.stop_gradient(t))
        last = jax.lax.fori_loop(0, self.depth, partial(self._half, cell), self._root(t.dtype))
        return self._tree(last.at(place - cell.astype(place.dtype)))

    def increment(self, t: Time, dt: Time) -> State:
        (a, s_a), (b, s_b), _ = self._ends(*jax.lax.stop_gradient((t, dt)))
        return self._tree([y - x for x, y in zip(a.at(s_a), b.at(s_b), strict=True)])

    def increment_and_area(self, t: Time, dt: Time) -> tuple[State, State]:
        if not self.area:
            return super().increment_and_area(t, dt)
        (a, s_a), (b, s_b), between = self._ends(*jax.lax.stop_gradient((t, dt)))
        none = between == 0  # an interval of no length has no area
        h = jnp.where(none, 1.0, between)
        w_a, w_b, j_a, j_b = a.at(s_a), b.at(s_b), a.integral_to(s_a), b.integral_to(s_b)
        chord = [y - x for x, y in zip(w_a, w_b, strict=True)]
        means = [(v - u) / h for u, v in zip(j_a, j_b, strict=True)]
        areas = [jnp.where(none, 0.0, m - 0.5 * (x + y)) for m, x, y in zip(means, w_a, w_b, strict=True)]
        return self._tree(chord), self._tree(areas)

    def _ends(self, t: Time, dt: Time) -> tuple[tuple[Interval, Time], tuple[Interval, Time], Time]:
        """The last intervals that hold t and t + dt, the places in them, and the time between the two."""
        (place_a, cell_a), (place_b, cell_b) = self._place(t), self._place(t + dt)
        # the intervals that hold both times are the same: down to where they part, one descent is enough
        parted = jax.lax.clz(cell_a ^ cell_b).astype(jnp.int32) - (32 - self.depth)
        top = jax.lax.fori_loop(0, parted, partial(self._half, cell_a), self._root(t.dtype)).restarted()

        def both(k, pair):
            return self._half(cell_a, k, pair[0]), self._half(cell_b, k, pair[1])

        a, b = jax.lax.fori_loop(parted, self.depth, both, (top, top))
        t0, t1 = self._span(t.dtype)
        between = (place_b - place_a) * (jnp.abs(t1 - t0) / 2**self.depth)
        return (a, place_a - cell_a.astype(t.dtype)), (b, place_b - cell_b.astype(t.dtype)), between

    def _span(self, dtype) -> tuple[Time, Time]:
        t0, t1 = (jax.lax.stop_gradient(jnp.asarray(x, dtype)) for x in self.t_span)
        return t0, t1

    def _place(self, t: Time) -> tuple[Time, UInt32[Array, ""]]:
        """A time in units of the cells of the last level, and the cell that holds it."""
        t0, t1 = self._span(t.dtype)
        length = jnp.abs(t1 - t0)
        place = jnp.clip((t - jnp.minimum(t0, t1)) / jnp.where(length == 0, 1.0, length), 0.0, 1.0) * 2**self.depth
        cell = jnp.minimum(place.astype(jnp.int32), 2**self.depth - 1)
        return place, cell.astype(jnp.uint32)

    def _root(self, dtype) -> Interval:
        t0, t1 = self._span(dtype)
        rule = Parabola if self.area else Chord
        return rule.root(self._normals(jnp.uint32(0), dtype), jnp.sqrt(jnp.abs(t1 - t0)))

    def _half(self, cell: UInt32[Array, ""], k, interval: Interval) -> Interval:
        """From an interval of level k to its half that holds a cell."""
        k = k.astype(jnp.uint32)
        # the intervals of level k are numbered from 2^k on
        node = (jnp.uint32(1) << k) | (cell >> (self.depth - k))
        up = (cell >> (self.depth - 1 - k)) & 1 == 1
        return interval.half(up, self._normals(node, jax.tree.leaves(interval)[0].dtype))

    def _tree(self, leaves: list[Array]) -> State:
        return jax.tree.unflatten(split_shapes(self.shape)[1], leaves)

    def _normals(self, node: UInt32[Array, ""], dtype) -> list[Array]:
        """Normal numbers for every leaf; two for each entry where there are areas."""
        counter, pair = Words(node, jnp.uint32(1)), (2,) if self.area else ()
        shapes, _ = split_shapes(self.shape)
        return [normals(self.words, counter, i, (*pair, *s), dtype) for i, s in enumerate(shapes)]


def _levels(t_span: tuple, tol: Any) -> int:
    """How often t_span is halved until intervals are no longer than `tol`."""
    if tol is None:
        return 14
    if not known(t_span, tol):
        raise ValueError("tol= of sj.BrownianTree needs known numbers: inside jit give depth=, its number of levels")
    span, tol = abs(float(t_span[1]) - float(t_span[0])), float(tol)
    if not (tol > 0 and math.isfinite(span)):
        raise ValueError(f"tol of sj.BrownianTree must be positive, and t_span finite; got {tol} and {t_span}")
    levels = max(1, math.ceil(math.log2(span / tol))) if span > tol else 1
    if levels > _DEEPEST:
        raise ValueError(
            f"sj.BrownianTree with tol={tol} on a span of {span} needs {levels} levels, more than {_DEEPEST}"
        )
    return levels
