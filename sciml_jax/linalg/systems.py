"""Linear systems with one matrix and many right-hand sides; derivatives by the rule, not through the elimination."""

from collections.abc import Callable
from types import ModuleType

import jax
from jaxtyping import Array, Float

from . import dense, rowwise, small

_SMALL, _ROWWISE = 12, 64  # the largest sizes of the unrolled and of the row-wise factorisation


def factorisation(n: int) -> ModuleType:
    """The module that factorises matrices of n rows fastest inside a loop: `small`, `rowwise` or `dense`."""
    return small if n <= _SMALL else rowwise if n <= _ROWWISE else dense


def linear_solver(
    matrix: Float[Array, "n n"], multiply: Callable[[Array], Array] | None = None
) -> Callable[[Float[Array, " n"]], Float[Array, " n"]]:
    r"""`solve(b)` with $A\,\mathrm{solve}(b) = b$; A is factorised once.

    Derivatives follow $dx = A^{-1}(db - dA\, x)$ (and the transposed system in reverse mode), with `multiply(x)` as
    the differentiable product $A x$; by default `matrix @ x`. A singular matrix gives infinities or NaN.

    Cost: one factorisation, $\frac23 n^3$ operations; $2 n^2$ a solve.

    >>> import jax, jax.numpy as jnp
    >>> solve = linear_solver(jnp.array([[2.0, 1.0], [1.0, 3.0]]))
    >>> bool(jnp.allclose(solve(jnp.array([3.0, 4.0])), jnp.array([1.0, 1.0])))
    True
    """
    method = factorisation(matrix.shape[0])
    factors = method.factorize(jax.lax.stop_gradient(matrix))
    product = multiply if multiply is not None else lambda x: matrix @ x

    def solve(b):
        return jax.lax.custom_linear_solve(
            product,
            b,
            solve=lambda _, b: method.solve(factors, b),
            transpose_solve=lambda _, b: method.solve_transposed(factors, b),
        )

    return solve
