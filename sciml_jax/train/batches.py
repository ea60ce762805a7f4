"""Where batches come from: all of the data, shuffled minibatches, or a sampler. Drawn on the device from a key."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray, PyTree, Shaped

from .shuffle import permute, round_keys


class Batches(eqx.Module):
    """Minibatches of rows, in a new random order each epoch.

    Every epoch visits each row exactly once; where `batch_size` does not divide the number of rows a batch straddles
    two epochs, so that no row is dropped. The order is computed from the key and the position alone (no memory, and a
    resumed run draws what the uninterrupted one would have).

    **Arguments:**

    - `arrays`: a pytree of arrays with one common leading axis, the rows.
    - `batch_size`: rows in a batch, between 1 and the number of rows.
    - `shuffle`: default `True`; `False` goes through the rows in their order.

    **Raises:** `ValueError` for leading axes that differ or are empty and for a batch size out of range.

    >>> import jax, jax.numpy as jnp
    >>> from sciml_jax.train import Batches
    >>> batches = Batches(jnp.arange(6), batch_size=4)
    >>> key = jax.random.key(0)
    >>> rows = [batches.draw(key, batches.cursor(i)) for i in range(3)]     # two epochs
    >>> sorted(jnp.concatenate(rows).tolist()[:6])
    [0, 1, 2, 3, 4, 5]
    """

    arrays: PyTree[Shaped[Array, "N ..."]]
    batch_size: int
    shuffle: bool = True

    def __check_init__(self):
        leaves = jax.tree.leaves_with_path(self.arrays)
        shapes = {jax.tree_util.keystr(path) or "arrays": np.shape(x) for path, x in leaves}
        if not shapes or any(not shape or shape[0] == 0 for shape in shapes.values()):
            raise ValueError(
                f"Batches(arrays) needs arrays with at least one row along their leading axis; got {shapes}"
            )
        if len({shape[0] for shape in shapes.values()}) > 1:
            raise ValueError(
                f"Batches(arrays): the leading axes differ, every array needs one row a sample; got {shapes}"
            )
        n = self.rows
        if not isinstance(self.batch_size, int) or not 1 <= self.batch_size <= n:
            raise ValueError(
                f"batch_size must be an integer from 1 to the number of rows, {n}; got {self.batch_size!r}"
            )

    @property
    def rows(self) -> int:
        """The number of rows."""
        return np.shape(jax.tree.leaves(self.arrays)[0])[0]

    def cursor(self, draw: int) -> tuple[np.int32, np.int32]:
        """`(epoch, row)` at which draw number `draw` starts; counted on the host, where integers have no end."""
        epoch, row = divmod(draw * self.batch_size, self.rows)
        return np.int32(epoch), np.int32(row)

    def advance(self, cursor: PyTree) -> PyTree:
        """The cursor of the next draw."""
        epoch, row = cursor[0], cursor[1] + self.batch_size
        over = row >= self.rows
        return epoch + over.astype(jnp.int32), row - over.astype(jnp.int32) * self.rows

    def indices(self, key: PRNGKeyArray, cursor: PyTree) -> Int[Array, " batch_size"]:
        """The rows of a batch."""
        epoch, row = cursor
        place = row + jnp.arange(self.batch_size, dtype=jnp.int32)
        later = place >= self.rows
        place = place - later.astype(jnp.int32) * self.rows
        if not self.shuffle:
            return place
        # at most two epochs meet in a batch, because batch_size <= rows
        now, then = (round_keys(jax.random.fold_in(key, e)) for e in (epoch, epoch + 1))
        keys = jnp.where(later, then[:, None], now[:, None])
        return permute(keys, place.astype(jnp.uint32), self.rows).astype(jnp.int32)

    def draw(self, key: PRNGKeyArray, cursor: PyTree) -> PyTree[Shaped[Array, "batch_size ..."]]:
        """The batch at a cursor."""
        index = self.indices(key, cursor)
        return jax.tree.map(lambda x: jnp.asarray(x)[index], self.arrays)


class Whole(eqx.Module):
    """The same batch at every step: all of the data, or `None`."""

    arrays: PyTree[Array]

    def cursor(self, draw: int) -> tuple[()]:
        """Nothing to remember."""
        return ()

    def advance(self, cursor: PyTree) -> PyTree:
        """Nothing changes."""
        return cursor

    def draw(self, key: PRNGKeyArray, cursor: PyTree) -> PyTree[Array]:
        """The data."""
        return jax.tree.map(jnp.asarray, self.arrays)


class Sampler(eqx.Module):
    """Batches from the user's `function(key)`; called under jit."""

    function: Callable[[PRNGKeyArray], PyTree[Array]]

    def cursor(self, draw: int) -> np.uint32:
        """The number of the draw."""
        return np.uint32(draw)

    def advance(self, cursor: PyTree) -> PyTree:
        """The number of the next draw."""
        return cursor + jnp.uint32(1)

    def draw(self, key: PRNGKeyArray, cursor: PyTree) -> PyTree[Array]:
        """A batch of its own key."""
        return self.function(jax.random.fold_in(key, cursor))


Source = Batches | Whole | Sampler


def as_source(data: Any) -> Source:
    """The source that the argument `data` of `fit` stands for."""
    if isinstance(data, Batches):
        return data
    if callable(data):
        return Sampler(data)
    for path, leaf in jax.tree.leaves_with_path(data):
        if not eqx.is_array_like(leaf):
            raise TypeError(
                f"data must be None, a pytree of arrays, train.Batches(...) or a function key -> batch; "
                f"data{jax.tree_util.keystr(path)} is {type(leaf).__name__}"
            )
    # a Python float would be traced and an int be static, and a new value recompile: make both arrays
    return Whole(jax.tree.map(lambda x: x if eqx.is_array(x) else np.asarray(x), data))


def describe_source(source: Source) -> str:
    """Structure, shapes and dtypes of the data: what a checkpoint compares."""
    if isinstance(source, Sampler):
        return "a function of the key"
    leaves = [
        f"{jax.tree_util.keystr(path)}: {np.dtype(x.dtype).name}{list(np.shape(x))}"
        for path, x in jax.tree.leaves_with_path(source.arrays)
    ]
    batch = f", batches of {source.batch_size}, shuffle={source.shuffle}" if isinstance(source, Batches) else ""
    return "; ".join(leaves) + batch if leaves else "None"
