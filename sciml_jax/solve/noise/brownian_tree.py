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

    **Raises** `ValueError` for a `tol` that is not positive or needs more than 30 levels.

    The same key is the same path for all steps: adaptive ones may be rejected, and errors of single paths compared.
    To derivatives the path is a constant.
    Cost: `depth` normal numbers for each entry of W and time. Nothing is stored.

    Source: J. G. Gaines & T. J. Lyons, Variable step size control in the numerical solution of stochastic
    differential equations, SIAM J. Appl. Math. 57 (1997) 1455-1484; as a tree of counters X. Li, T.-K. L. Wong,
    R. T. Q. Chen & D. Duvenaud, Scalable gradients for stochastic differential equations, AISTATS 2020, algorithm 3.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> path = sj.BrownianTree((0.0, 1.0), (2,), jax.random.key(0), tol=1e-3)
    >>> path(jnp.zeros(())).shape, bool(jnp.all(path(jnp.zeros(())) == 0.0))
    ((2,), True)
    """

    t_span: tuple[Any, Any]
    words: Words
    shape: Any = eqx.field(static=True)
    depth: int = eqx.field(static=True)

    def __init__(
        self,
        t_span: tuple[ArrayLike, ArrayLike],
        shape: Any,
        key: Any,
        *,
        tol: float | None = None,
        depth: int | None = None,
    ):
        self.t_span, self.shape, self.words = (t_span[0], t_span[1]), shape, key_words(key)
        self.depth = _levels(t_span, tol) if depth is None else depth
        if not isinstance(self.depth, int) or not 1 <= self.depth <= _DEEPEST:
            raise ValueError(f"sj.BrownianTree has 1 to {_DEEPEST} levels; got depth={self.depth!r}")

    def __call__(self, t: Time) -> State:
        """W(t), zero at the earlier end of t_span; constant outside."""
        place, cell = self._place(jax.lax.stop_gradient(t))
        ends, scale = self._root(t.dtype)
        ends, _ = jax.lax.fori_loop(0, self.depth, partial(self._level, cell), (ends, scale))
        return self._inside(ends, place, cell)

    def increment(self, t: Time, dt: Time) -> State:
        t, dt = jax.lax.stop_gradient((t, dt))
        (place_a, cell_a), (place_b, cell_b) = self._place(t), self._place(t + dt)
        # the intervals that hold both times are the same: down to where they part, one descent is enough
        parted = jax.lax.clz(cell_a ^ cell_b).astype(jnp.int32) - (32 - self.depth)
        top = jax.lax.fori_loop(0, parted, partial(self._level, cell_a), self._root(t.dtype))

        def both(k, lanes):
            a, b = lanes
            return self._level(cell_a, k, a), self._level(cell_b, k, b)

        (a, _), (b, _) = jax.lax.fori_loop(parted, self.depth, both, (top, top))
        w_a, w_b = self._inside(a, place_a, cell_a), self._inside(b, place_b, cell_b)
        return jax.tree.map(lambda b, a: b - a, w_b, w_a)

    def _span(self, dtype) -> tuple[Time, Time]:
        t0, t1 = (jax.lax.stop_gradient(jnp.asarray(x, dtype)) for x in self.t_span)
        return t0, t1

    def _place(self, t: Time) -> tuple[Time, UInt32[Array, ""]]:
        """A time in units of the cells of the last level, and the cell that holds it."""
        t0, t1 = self._span(t.dtype)
        place = jnp.clip((t - jnp.minimum(t0, t1)) / jnp.abs(t1 - t0), 0.0, 1.0) * 2**self.depth
        cell = jnp.minimum(place.astype(jnp.int32), 2**self.depth - 1)
        return place, cell.astype(jnp.uint32)

    def _root(self, dtype) -> tuple[tuple[list, list], Time]:
        """W at both ends of t_span, and the deviation in its middle."""
        leaves, _ = split_shapes(self.shape)
        t0, t1 = self._span(dtype)
        size = jnp.sqrt(jnp.abs(t1 - t0))
        total = [size * z for z in self._normals(jnp.uint32(0), dtype)]
        return ([jnp.zeros(s, dtype) for s in leaves], total), 0.5 * size

    def _level(self, cell: UInt32[Array, ""], k, state) -> tuple[tuple[list, list], Time]:
        """From an interval of level k to its half that holds a cell."""
        (left, right), scale = state
        k = k.astype(jnp.uint32)
        # the intervals of level k are numbered from 2^k on
        node = (jnp.uint32(1) << k) | (cell >> (self.depth - k))
        drawn = self._normals(node, scale.dtype)
        middle = [0.5 * (a + b) + scale * z for a, b, z in zip(left, right, drawn, strict=True)]
        up = (cell >> (self.depth - 1 - k)) & 1 == 1
        left = [jnp.where(up, m, a) for m, a in zip(middle, left, strict=True)]
        right = [jnp.where(up, b, m) for m, b in zip(middle, right, strict=True)]
        return (left, right), math.sqrt(0.5) * scale

    def _inside(self, ends: tuple[list, list], place: Time, cell: UInt32[Array, ""]) -> State:
        """W inside a cell, linear between its ends."""
        _, tree = split_shapes(self.shape)
        s = place - cell.astype(place.dtype)
        return jax.tree.unflatten(tree, [a + s * (b - a) for a, b in zip(*ends, strict=True)])

    def _normals(self, node: UInt32[Array, ""], dtype) -> list[Array]:
        leaves, _ = split_shapes(self.shape)
        counter = Words(node, jnp.uint32(1))
        return [normals(self.words, counter, i, s, dtype) for i, s in enumerate(leaves)]


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
