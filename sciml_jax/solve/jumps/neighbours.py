"""Which counts a channel changes, and which rates those change: lists, of different lengths for different channels."""

from functools import lru_cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from ...core import Table


class Lists(NamedTuple):
    """One list of indices for each channel, one after another: that of channel j from `starts[j]` to
    `starts[j + 1]`."""

    starts: np.ndarray
    indices: np.ndarray

    @staticmethod
    def of(mask: np.ndarray) -> "Lists":
        """Where the rows of a matrix are true."""
        starts = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
        return Lists(starts.astype(np.int32), np.nonzero(mask)[1].astype(np.int32))

    def span(self, channel: Int[Array, ""]) -> tuple[Array, Array]:
        """The ends of a list."""
        starts = jnp.asarray(self.starts)
        return starts[channel], starts[channel + 1]


@lru_cache(maxsize=16)
def changed(changes: Table) -> tuple[Lists, np.ndarray]:
    """The species that channels change, and by how much."""
    matrix = changes.array
    return Lists.of(matrix != 0), matrix[matrix != 0]


@lru_cache(maxsize=16)
def affected(changes: Table, reads: Table) -> Lists:
    """The channels whose rates read what channels change."""
    moved, read = (table.array != 0 for table in (changes, reads))
    return Lists.of(moved.astype(np.float32) @ read.T.astype(np.float32) > 0)
