"""Square matrices with a known pattern: coloured Jacobians, and elimination in a band after reordering."""

import functools
import hashlib
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact
from scipy import sparse
from scipy.sparse import csgraph

from . import banded, block_tridiagonal, costs
from .coloring import color_columns, compressed_jacobian
from .structure import Banded, Dense, Structure
from .systems import factorisation

Elimination = Literal["band", "blocks", "dense"]
_CHOICES: tuple[tuple[Elimination, bool], ...] = (
    *(("band", False), ("band", True), ("blocks", False), ("blocks", True)),
    ("dense", False),
)
_ALWAYS_DENSE = 12  # rows up to which a dense inverse is ahead of everything
_GATHERED = 2**17  # places up to which entries are gathered into an array of zeros, not scattered


class Pattern:
    """The places of a square matrix that may hold entries, the diagonal always among them; equal ones hash equal."""

    def __init__(self, matrix: Any):
        given: Any = sparse.csr_array(matrix, dtype=bool)
        n = given.shape[0]
        if given.shape != (n, n):
            raise ValueError(f"a pattern of a Jacobian is square, got the shape {given.shape}")
        self.matrix: Any = sparse.csr_array(given + sparse.eye_array(n, dtype=bool, format="csr"))
        self.matrix.sort_indices()
        self.n = n
        self.rows = np.repeat(np.arange(n), np.diff(self.matrix.indptr))
        self.columns = self.matrix.indices.astype(int)
        self._key = hashlib.sha256(self.matrix.indptr.tobytes() + self.matrix.indices.tobytes()).digest()

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self._key == other._key

    def __repr__(self) -> str:
        return f"Pattern(n={self.n}, entries={len(self.rows)})"


class _Order(NamedTuple):
    """An order of elimination (old numbers in the new order), and the band that it leaves."""

    order: np.ndarray
    lower: int
    upper: int


@functools.lru_cache(maxsize=64)
def _order(pattern: Pattern, reordered: bool) -> _Order:
    order = np.arange(pattern.n)
    if reordered:
        graph = sparse.csr_array(pattern.matrix + pattern.matrix.T)
        order = np.asarray(csgraph.reverse_cuthill_mckee(sparse.csr_matrix(graph), symmetric_mode=True))
    new = np.argsort(order)
    offsets = new[pattern.columns] - new[pattern.rows]
    return _Order(order, int(max(0, -offsets.min())), int(max(0, offsets.max())))


class _Columns(NamedTuple):
    """The colours, how many, and the column of every stored place (n where nothing is stored)."""

    colours: np.ndarray
    count: int
    columns: np.ndarray


@functools.lru_cache(maxsize=64)
def _columns(pattern: Pattern) -> _Columns:
    colours = color_columns(pattern.matrix)
    count = int(colours.max()) + 1
    columns = np.full((count, pattern.n), pattern.n)
    columns[colours[pattern.columns], pattern.rows] = pattern.columns
    return _Columns(colours, count, columns)


class Sparse(Structure):
    """Entries in the places of a pattern only.

    A matrix is stored as the products of its columns of equal colour, shape (colours, n): the entry (i, j) in row
    `colours[j]`, column i.

    **Arguments:** `pattern`, a boolean matrix, what `scipy.sparse` makes one of, or a `Pattern`; `elimination`, how it
    is factorised: `"band"`, column by column inside its band, `"blocks"`, the band as a block tridiagonal matrix, or
    `"dense"`; `reordered`, whether rows and columns are first put into the order of Cuthill and McKee, reversed. By
    default what costs least by estimate.

    Cost: one directional derivative a colour; elimination in a band of w diagonals about n w^2 operations.

    Source: E. Cuthill & J. McKee, Reducing the bandwidth of sparse symmetric matrices, 1969, DOI 10.1145/800195.805928.

    >>> import jax.numpy as jnp
    >>> ring = Sparse(np.eye(30) + np.roll(np.eye(30), 1, 1) + np.roll(np.eye(30), -1, 1))
    >>> ring.colours, ring.elimination, ring.reordered
    (3, 'band', True)
    >>> a = ring.jacobian(lambda x: 4.0 * x - jnp.roll(x, 1) - jnp.roll(x, -1), jnp.ones(30))
    >>> bool(jnp.allclose(ring.solve(ring.factorize(a), jnp.ones(30)), 0.5))
    True
    """

    pattern: Pattern = eqx.field(static=True)
    elimination: Elimination = eqx.field(static=True)
    reordered: bool = eqx.field(static=True)

    def __init__(self, pattern: Any, elimination: Elimination | None = None, reordered: bool | None = None):
        self.pattern = pattern if isinstance(pattern, Pattern) else Pattern(pattern)
        choices: list[tuple[Elimination, bool]] = [
            (name, new) for name, new in _CHOICES if elimination in (None, name) and reordered in (None, new)
        ]
        if not choices:
            raise ValueError(f"elimination is 'band', 'blocks' or (not reordered) 'dense', got {elimination!r}")
        self.elimination, self.reordered = min(choices, key=lambda choice: _cost(self.pattern, *choice))

    @property
    def n(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Number of rows."""
        return self.pattern.n

    @property
    def cost(self):
        return _cost(self.pattern, self.elimination, self.reordered)

    @property
    def colours(self) -> int:
        """Number of directional derivatives that a Jacobian takes."""
        return _columns(self.pattern).count

    def jacobian(self, function, x):
        return compressed_jacobian(function, x, _columns(self.pattern).colours)

    def store(self, matrix):
        columns = _columns(self.pattern).columns
        padded = jnp.pad(jnp.asarray(matrix), ((0, 0), (0, 1)))
        return padded[np.arange(self.n), columns]

    def diagonal(self, entries):
        columns = _columns(self.pattern).columns
        return jnp.where(columns == np.arange(self.n), entries, 0)

    def matrix(self, stored):
        return self._placed(stored, self.pattern.rows * self.n + self.pattern.columns, (self.n, self.n))

    def multiply(self, stored, x):
        padded = jnp.pad(x, (0, 1))
        return jnp.sum(stored * padded[_columns(self.pattern).columns], axis=0)

    def _placed(self, stored: Array, target: np.ndarray, shape: tuple[int, ...]) -> Array:
        """The stored entries, in the order of the pattern's, put into `target` places of an array of zeros."""
        source = _columns(self.pattern).colours[self.pattern.columns] * self.n + self.pattern.rows
        if np.prod(shape) <= _GATHERED:  # a gather fuses with what follows, a scatter goes entry by entry
            index = np.full(int(np.prod(shape)), stored.size)
            index[target] = source
            return jnp.pad(stored.ravel(), (0, 1))[index].reshape(shape)
        out = jnp.zeros(int(np.prod(shape)), stored.dtype)
        return out.at[target].set(stored.ravel()[source], unique_indices=True).reshape(shape)

    def _new_places(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the pattern's entries in the order of elimination."""
        new = np.argsort(_order(self.pattern, self.reordered).order)
        return new[self.pattern.rows], new[self.pattern.columns]

    @property
    def _block(self) -> int:
        return max(_order(self.pattern, self.reordered)[1:] + (1,))

    def factorize(self, stored):
        if self.elimination == "dense":
            return factorisation(self.n).factorize(self.matrix(stored))
        rows, columns = self._new_places()
        _, lower, upper = _order(self.pattern, self.reordered)
        if self.elimination == "band":
            width = lower + upper + 1
            return banded.factorize(self._placed(stored, rows * width + columns - rows + lower, (self.n, width)), lower)
        m = self._block
        k = -(-self.n // m)
        left = columns // m - rows // m  # -1, 0, 1: below, on and above the diagonal of blocks
        number = np.minimum(columns // m, rows // m)
        target = (((left + 1) * k + number) * m + rows % m) * m + columns % m
        blocks = self._placed(stored, target, (3, k, m, m))
        beyond = np.arange(self.n - (k - 1) * m, m)  # rows that fill up the last block: those of the identity
        blocks = blocks.at[1, k - 1, beyond, beyond].set(1)
        return block_tridiagonal.factorize(blocks[0, :-1], blocks[1], blocks[2, :-1])

    def solve(self, factors, b):
        return self._solved(factors, b, "solve")

    def solve_transposed(self, factors, b):
        return self._solved(factors, b, "solve_transposed")

    def _solved(self, factors: Any, b: Inexact[Array, " n"], name: str) -> Inexact[Array, " n"]:
        modules: dict = {"band": banded, "blocks": block_tridiagonal, "dense": factorisation(self.n)}
        solve: Callable = getattr(modules[self.elimination], name)
        order = _order(self.pattern, self.reordered).order
        b = b[order] if self.reordered else b
        x = solve(factors, b)
        return x[np.argsort(order)] if self.reordered else x


def detect(pattern: Any, n: int) -> Structure:
    """The structure that handles matrices of n rows with this pattern at the least estimated cost.

    **Arguments:** `pattern`, a boolean matrix (n, n), or None if nothing is known.

    >>> detect(np.tri(40, 40, 1) * np.tri(40, 40, 1).T, 40)
    Banded(n=40, lower=1, upper=1)
    >>> detect(np.ones((40, 40)), 40)
    Dense(n=40)
    """
    if pattern is None or n <= _ALWAYS_DENSE:
        return Dense(n)
    found = Sparse(pattern)
    if found.elimination == "dense" and found.colours > 0.75 * n:
        return Dense(n)
    _, lower, upper = _order(found.pattern, False)
    if found.elimination == "band" and not found.reordered and lower + upper <= found.colours + 1:
        return Banded(n, lower, upper)
    return found


def _cost(pattern: Pattern, elimination: str, reordered: bool) -> float:
    if elimination == "dense":
        return costs.dense(pattern.n)
    estimate = costs.band if elimination == "band" else costs.blocks
    moved = 10.0 * pattern.n if reordered else 0.0
    return moved + estimate(pattern.n, *_order(pattern, reordered)[1:])
