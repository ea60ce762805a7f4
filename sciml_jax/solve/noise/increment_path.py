"""IncrementPath: Brownian increments drawn where they are needed, by a counter."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike

from ..problem import State, Time
from .normal import key_words, normals, time_words
from .path import Path, scaled, split_shapes
from .threefry import Words

_PLAIN, _CELL = 0, 1  # streams of numbers: by the time at which a step begins, by the cell of a resolution


class IncrementPath(Path):
    r"""A Brownian path as its increments over steps: the fast default for constant steps.

    **Arguments:**

    - `t_span`: (t0, t1). `shape`: of W, or a pytree of shapes. `key`: of `jax.random`.
    - `resolution`: into how many cells t_span is cut, at whose ends the path is known. Steps of whole numbers of cells
      sum their increments: the same key is the same path for all of them, finer or coarser, so that errors of single
      paths can be measured. By default there are no cells: the increment of a step is drawn from the time at which it
      begins, as $\sqrt{\Delta t}$ times a normal number, and another step size is another path.

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
            drawn = self._normals(time_words(jax.lax.stop_gradient(begin)), _PLAIN, t.dtype)
            return scaled(sign * jnp.sqrt(jnp.abs(dt)), drawn)
        t0, t1 = (jnp.asarray(x, t.dtype) for x in self.t_span)
        low, cell = jnp.minimum(t0, t1), jnp.abs(t1 - t0) / self.resolution
        ends = jax.lax.stop_gradient((begin - low, begin - low + jnp.abs(dt)))
        first, last = (jnp.round(x / jax.lax.stop_gradient(cell)).astype(jnp.int32) for x in ends)

        def add(k, total):
            drawn = self._normals(Words(k.astype(jnp.uint32), jnp.uint32(0)), _CELL, t.dtype)
            return jax.tree.map(jnp.add, total, drawn)

        leaves, tree = split_shapes(self.shape)
        zero = jax.tree.unflatten(tree, [jnp.zeros(s, t.dtype) for s in leaves])
        return scaled(sign * jnp.sqrt(cell), jax.lax.fori_loop(first, last, add, zero))

    def _normals(self, counter: Words, stream: int, dtype) -> State:
        leaves, tree = split_shapes(self.shape)
        # streams of odd numbers are for cells: a leaf has two
        drawn = [normals(self.words, counter, 2 * i + stream, s, dtype) for i, s in enumerate(leaves)]
        return jax.tree.unflatten(tree, drawn)
