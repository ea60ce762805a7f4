"""IncrementPath: Brownian increments drawn where they are needed, by a counter."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from ...core import trees
from ..problem import State, Time
from .levy_area import count, drawn_area, joined_area, pairs, vector
from .normal import key_words, normals, time_words
from .path import Path, split_shapes
from .threefry import Words

_STREAMS = 4  # of every leaf: by the time at which a step begins, or by the cell of a resolution, and their areas
_PLAIN, _CELL, _PLAIN_AREA, _CELL_AREA = range(_STREAMS)
_AREA = 12**-0.5
_LEVY, _CELL_LEVY = 1 << 20, (1 << 20) + 1  # beyond those of any number of leaves


class IncrementPath(Path):
    r"""A Brownian path as its increments over steps: the fast default for constant steps.

    **Arguments:**

    - `t_span`: (t0, t1). `shape`: of W, or a pytree of shapes. `key`: of `jax.random`.
    - `resolution`: into how many cells t_span is cut, at whose ends the path is known. Steps of whole numbers of cells
      sum their increments: the same key is the same path for all of them, finer or coarser, so that errors of single
      paths can be measured. By default there are no cells: the increment of a step is drawn from the time at which it
      begins, as $\sqrt{\Delta t}$ times a normal number, and another step size is another path.

    Methods of order 1.5 also read the space-time area of a step, another normal number. Those of order 1 for general
    noise read the Lévy areas between the noises too, a number for each pair: those of a step of several cells follow
    from their increments and areas; of a single cell, or of a step where there are none, they are drawn with the mean
    and variance that they have given these, but normally distributed.

    Nothing is stored: gradients that repeat a solve draw the same numbers again.
    Cost: one normal number for each entry of W and step, about 2 ns in float32; with a `resolution` one for each cell.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> path = sj.IncrementPath((0.0, 1.0), (), jax.random.key(0), resolution=1024)
    >>> t, h = jnp.zeros(()), jnp.full((), 0.25)
    >>> quarters = sum(path.increment(k * h, h) for k in range(4))
    >>> bool(abs(path.increment(t, 4 * h) - quarters) < 1e-5)
    True
    """

    t_span: tuple[Any, Any]
    words: Words
    shape: Any = eqx.field(static=True)
    resolution: int | None = eqx.field(static=True)

    def __init__(self, t_span: tuple[ArrayLike, ArrayLike], shape: Any, key: Any, *, resolution: int | None = None):
        if resolution is not None and (not isinstance(resolution, int) or resolution < 1):
            raise ValueError(f"resolution of sj.IncrementPath must be a positive int; got {resolution!r}")
        self.t_span = (t_span[0], t_span[1])
        self.words, self.shape, self.resolution = key_words(key), shape, resolution

    @property
    def reconstructible(self) -> bool:
        return False

    def increment(self, t: Time, dt: Time) -> State:
        begin, sign = jnp.minimum(t, t + dt), jnp.sign(dt)  # backwards in time it is the same interval
        if self.resolution is None:
            return trees.scale(sign * jnp.sqrt(jnp.abs(dt)), self._at(begin, _PLAIN))

        def add(k, total):
            return jax.tree.map(jnp.add, total, self._in_cell(k, _CELL, t.dtype))

        first, last, cell = self._cells(begin, dt)
        return trees.scale(sign * jnp.sqrt(cell), jax.lax.fori_loop(first, last, add, self._zero(t.dtype)))

    def increment_and_area(self, t: Time, dt: Time) -> tuple[State, State]:
        begin, sign = jnp.minimum(t, t + dt), jnp.sign(dt)
        if self.resolution is None:
            size = jnp.sqrt(jnp.abs(dt))
            w, area = self._at(begin, _PLAIN), self._at(begin, _PLAIN_AREA)
            return trees.scale(sign * size, w), trees.scale(_AREA * size, area)

        def add(k, so_far):
            total, area, m = so_far
            w, h = self._in_cell(k, _CELL, t.dtype), trees.scale(_AREA, self._in_cell(k, _CELL_AREA, t.dtype))
            # the area of m cells and one more: their own, and that of the triangle between their chords
            area = jax.tree.map(
                lambda big, small, a, b: (m * big + small + 0.5 * (a - m * b)) / (m + 1), area, h, total, w
            )
            return jax.tree.map(jnp.add, total, w), area, m + 1

        first, last, cell = self._cells(begin, dt)
        start = (self._zero(t.dtype), self._zero(t.dtype), jnp.zeros((), t.dtype))
        w, area, _ = jax.lax.fori_loop(first, last, add, start)
        return trees.scale(sign * jnp.sqrt(cell), w), trees.scale(jnp.sqrt(cell), area)

    def increment_and_levy_area(self, t: Time, dt: Time) -> tuple[Float[Array, " m"], Float[Array, "m m"]]:
        begin, sign = jnp.minimum(t, t + dt), jnp.sign(dt)
        m = count(split_shapes(self.shape)[0])
        if self.resolution is None:
            w, h = vector(self._at(begin, _PLAIN)), _AREA * vector(self._at(begin, _PLAIN_AREA))
            between = normals(self.words, time_words(jax.lax.stop_gradient(begin)), _LEVY, (pairs(m),), begin.dtype)
            return sign * jnp.sqrt(jnp.abs(dt)) * w, dt * drawn_area(w, h, between)

        def add(k, so_far):
            total, area = so_far
            w, h = vector(self._in_cell(k, _CELL, t.dtype)), _AREA * vector(self._in_cell(k, _CELL_AREA, t.dtype))
            between = normals(self.words, _counter(k), _CELL_LEVY, (pairs(m),), t.dtype)
            return total + w, area + joined_area(total, w) + drawn_area(w, h, between)

        first, last, cell = self._cells(begin, dt)
        start = jnp.zeros((m,), t.dtype), jnp.zeros((m, m), t.dtype)
        w, area = jax.lax.fori_loop(first, last, add, start)
        return sign * jnp.sqrt(cell) * w, sign * cell * area

    def _cells(self, begin: Time, dt: Time) -> tuple[Int[Array, ""], Int[Array, ""], Time]:
        """The first cell of an interval, the first one behind it, and the length of cells."""
        t0, t1 = (jnp.asarray(x, begin.dtype) for x in self.t_span)
        assert self.resolution is not None
        low, cell = jnp.minimum(t0, t1), jnp.abs(t1 - t0) / self.resolution
        ends = jax.lax.stop_gradient((begin - low, begin - low + jnp.abs(dt)))
        first, last = (jnp.round(x / jax.lax.stop_gradient(cell)).astype(jnp.int32) for x in ends)
        return first, last, cell

    def _zero(self, dtype) -> State:
        shapes, tree = split_shapes(self.shape)
        return jax.tree.unflatten(tree, [jnp.zeros(s, dtype) for s in shapes])

    def _at(self, begin: Time, stream: int) -> State:
        """Normal numbers for the interval that begins at a time."""
        return self._normals(time_words(jax.lax.stop_gradient(begin)), stream, begin.dtype)

    def _in_cell(self, k: Int[Array, ""], stream: int, dtype) -> State:
        return self._normals(_counter(k), stream, dtype)

    def _normals(self, counter: Words, stream: int, dtype) -> State:
        shapes, tree = split_shapes(self.shape)
        drawn = [normals(self.words, counter, _STREAMS * i + stream, s, dtype) for i, s in enumerate(shapes)]
        return jax.tree.unflatten(tree, drawn)


def _counter(k: Int[Array, ""]) -> Words:
    """The counter of a cell."""
    return Words(k.astype(jnp.uint32), jnp.uint32(0))
