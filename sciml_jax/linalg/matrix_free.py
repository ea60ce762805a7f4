"""Systems that are solved by products alone: nothing of the matrix is stored but its diagonal."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from .krylov import gmres
from .structure import Structure


class MatrixFree(Structure):
    """No entries are stored: systems with $shift\\,M - J$ are solved by GMRES from its products with vectors.

    - `n`: the number of rows. `forcing`: the relative residual that a correction of Newton's iteration leaves;
      `rtol`: that of systems that must be solved (derivatives), at least ten roundings. `directions`: vectors that are
      kept between restarts. `preconditioner`: `preconditioner(t, y, shift) -> (v -> x)`, about the inverse; or `None`.

    A mass matrix must be diagonal. Cost: one directional derivative of the field an iteration.

    >>> import jax.numpy as jnp
    >>> free = MatrixFree(2)
    >>> a = jnp.array([[2.0, 1.0], [1.0, 3.0]])
    >>> x = free.solver((), lambda v: a @ v, exact=True)(jnp.array([3.0, 4.0]))
    >>> bool(jnp.allclose(x, 1.0, atol=1e-6))
    True
    """

    n: int = eqx.field(static=True)
    forcing: float = eqx.field(static=True, default=0.1)
    rtol: float = eqx.field(static=True, default=1e-10)
    directions: int = eqx.field(static=True, default=10)
    preconditioner: Callable | None = eqx.field(static=True, default=None)

    @property
    def cost(self):
        return 0.0

    def jacobian(self, function, x):
        return jnp.zeros_like(x)

    def store(self, matrix):
        return jnp.diagonal(jnp.asarray(matrix))

    def diagonal(self, entries):
        return entries

    def matrix(self, stored):
        return jnp.diag(stored)

    def multiply(self, stored, x):
        return stored * x

    def factorize(self, stored):
        return ()

    def solve(self, factors, b):
        raise TypeError("a matrix-free system has no factors: use solver with its products")

    def solve_transposed(self, factors, b):
        raise TypeError("a matrix-free system has no factors: use solver with its products")

    def solver(self, factors, multiply, *, transposed=False, exact=False, preconditioner=None):
        def solve(b):
            # no residual can be made smaller than by rounding
            rtol: Any = max(self.rtol, 10 * float(jnp.finfo(b.dtype).eps)) if exact else self.forcing
            found = gmres(
                multiply, b, rtol=rtol, max_restart_dim=self.directions, max_restarts=50, preconditioner=preconditioner
            )
            # a residual that stays is no solution
            return jnp.where(found.converged, found.x, jnp.nan)

        return solve
