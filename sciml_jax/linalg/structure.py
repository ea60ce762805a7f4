"""What is known of the zeros of a square Jacobian, and the storage, products and factorisation that follow from it."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, PyTree

from . import banded, block_tridiagonal, costs
from .jacobians import jacobian
from .systems import factorisation


class Structure(eqx.Module):
    """A pattern of zeros of square matrices of n rows; static configuration, the same for every matrix it handles.

    A matrix is *stored* as a pytree of arrays that is linear in its entries and holds zeros where nothing is, so that
    a combination of matrices is a `tree.map`, and so is $shift\\,M - J$. Stored values and factors may be real or
    complex. Everything can be jitted, batched and carried through loops.
    """

    n: eqx.AbstractVar[int]

    @property
    @abstractmethod
    def cost(self) -> float:
        """Estimated nanoseconds of one factorisation and four solves."""

    @abstractmethod
    def jacobian(self, function: Callable, x: Float[Array, " n"]) -> PyTree:
        """The stored Jacobian of `function` at x, by directional derivatives; differentiable."""

    @abstractmethod
    def store(self, matrix: Inexact[Array, "n n"]) -> PyTree:
        """A dense matrix stored; entries outside the pattern are dropped."""

    @abstractmethod
    def diagonal(self, entries: Inexact[Array, " n"]) -> PyTree:
        """A diagonal matrix stored."""

    @abstractmethod
    def matrix(self, stored: PyTree) -> Inexact[Array, "n n"]:
        """A stored matrix as a dense array."""

    @abstractmethod
    def multiply(self, stored: PyTree, x: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
        """A x."""

    @abstractmethod
    def factorize(self, stored: PyTree) -> Any:
        """What systems are solved with, a pytree: factors, or an inverse; a singular A gives infinities or NaN."""

    @abstractmethod
    def solve(self, factors: Any, b: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
        """x with A x = b."""

    @abstractmethod
    def solve_transposed(self, factors: Any, b: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
        """x with A^T x = b."""

    def solver(
        self,
        factors: Any,
        multiply: Callable[[Array], Array],
        *,
        transposed: bool = False,
        exact: bool = False,
        preconditioner: Callable[[Array], Array] | None = None,
    ) -> Callable[[Array], Array]:
        """`solve(b)`, from the factors or the products `multiply(x)`, which are those of A^T if `transposed`; with
        `exact` to the last digits that matter. Factors need neither products nor a preconditioner."""
        return (lambda b: self.solve_transposed(factors, b)) if transposed else (lambda b: self.solve(factors, b))


class Dense(Structure):
    """Nothing is known to be zero; a matrix is stored as it is.

    Cost: n directional derivatives a Jacobian; 2 n^3 operations a factorisation to 64 rows (an inverse), 2/3 n^3
    beyond; 2 n^2 a solve.

    >>> import jax.numpy as jnp
    >>> dense = Dense(2)
    >>> a = dense.jacobian(lambda x: jnp.stack([x[0] * x[1], x[1]]), jnp.array([1.0, 2.0]))
    >>> dense.solve(dense.factorize(a), jnp.array([4.0, 2.0])).tolist()
    [1.0, 2.0]
    """

    n: int = eqx.field(static=True)

    @property
    def cost(self):
        return costs.dense(self.n)

    def jacobian(self, function, x):
        return jacobian(function, x)

    def store(self, matrix):
        return jnp.asarray(matrix)

    def diagonal(self, entries):
        return jnp.diag(entries)

    def matrix(self, stored):
        return stored

    def multiply(self, stored, x):
        return stored @ x

    def factorize(self, stored):
        return factorisation(self.n).factorize(stored)

    def solve(self, factors, b):
        return factorisation(self.n).solve(factors, b)

    def solve_transposed(self, factors, b):
        return factorisation(self.n).solve_transposed(factors, b)


class Banded(Structure):
    r"""Zeros outside `lower` diagonals under the main one and `upper` above it.

    A matrix is stored by rows, the entry (i, j) in `bands[i, j - i + lower]`, shape (n, lower + upper + 1).

    Cost: lower + upper + 1 directional derivatives a Jacobian; 2 n lower (lower + upper) operations a factorisation,
    2 n (2 lower + upper) a solve. A wide band is eliminated in blocks, by a library.

    >>> import jax.numpy as jnp
    >>> chain = Banded(3, 1, 1)
    >>> a = chain.jacobian(lambda x: 3.0 * x - jnp.roll(x, 1).at[0].set(0.0), jnp.ones(3))
    >>> a.tolist()
    [[0.0, 3.0, 0.0], [-1.0, 3.0, 0.0], [-1.0, 3.0, 0.0]]
    >>> chain.multiply(a, jnp.array([1.0, 2.0, 3.0])).tolist()
    [3.0, 5.0, 7.0]
    """

    n: int = eqx.field(static=True)
    lower: int = eqx.field(static=True)
    upper: int = eqx.field(static=True)

    def __init__(self, n: int, lower: int, upper: int):
        if min(lower, upper) < 0:
            raise ValueError(f"a band has at least 0 diagonals on either side, got lower={lower}, upper={upper}")
        self.n, self.lower, self.upper = n, min(lower, n - 1), min(upper, n - 1)

    @property
    def cost(self):
        band = (self.n, self.lower, self.upper)
        return min(costs.blocks(*band), costs.band(*band))

    @property
    def width(self) -> int:
        """Number of diagonals."""
        return self.lower + self.upper + 1

    def _columns(self) -> np.ndarray:
        """The column of every stored place, shape (n, width); it may lie outside the matrix."""
        return np.arange(self.n)[:, None] + np.arange(self.width) - self.lower

    def _inside(self) -> np.ndarray:
        return (self._columns() >= 0) & (self._columns() < self.n)

    def jacobian(self, function, x):
        # columns a width apart share no row: their derivatives come from one direction
        seeds = jnp.asarray(np.arange(self.n) % self.width == np.arange(self.width)[:, None], x.dtype)
        products = jax.vmap(lambda v: jax.jvp(function, (x,), (v,))[1])(seeds)
        rows = np.arange(self.n)[:, None]
        return jnp.where(self._inside(), products[self._columns() % self.width, rows], 0)

    def store(self, matrix):
        columns = np.clip(self._columns(), 0, self.n - 1)
        return jnp.where(self._inside(), jnp.asarray(matrix)[np.arange(self.n)[:, None], columns], 0)

    def diagonal(self, entries):
        return jnp.pad(entries[:, None], ((0, 0), (self.lower, self.upper)))

    def matrix(self, stored):
        rows, places = np.nonzero(self._inside())
        out = jnp.zeros((self.n, self.n), stored.dtype)
        return out.at[rows, rows + places - self.lower].set(stored[rows, places], unique_indices=True)

    def multiply(self, stored, x):
        padded = jnp.pad(x, (self.lower, self.upper))

        def add(total, step):
            place, diagonal = step
            return total + diagonal * jax.lax.dynamic_slice(padded, (place,), (self.n,)), None

        start = jnp.zeros(self.n, jnp.result_type(stored, x))
        # one pass a diagonal: a few become one fused loop over the rows
        unroll = self.width if self.width <= 16 else 1
        return jax.lax.scan(add, start, (jnp.arange(self.width), stored.T), unroll=unroll)[0]

    @property
    def _in_blocks(self) -> bool:
        band = (self.n, self.lower, self.upper)
        return costs.blocks(*band) < costs.band(*band)

    def factorize(self, stored):
        if self._in_blocks:
            return block_tridiagonal.factorize(*block_tridiagonal.from_bands(stored, self.lower))
        return banded.factorize(stored, self.lower)

    def solve(self, factors, b):
        return (block_tridiagonal if self._in_blocks else banded).solve(factors, b)

    def solve_transposed(self, factors, b):
        return (block_tridiagonal if self._in_blocks else banded).solve_transposed(factors, b)
