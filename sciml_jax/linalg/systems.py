"""Linear systems with one matrix and many right-hand sides; derivatives by the rule, not through the elimination."""

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

import jax
from jaxtyping import Array, Inexact, PyTree

from . import dense, inverse, small

if TYPE_CHECKING:
    from .structure import Structure

_SMALL = 4  # rows of the largest matrices that are eliminated in scalars


def factorisation(n: int) -> ModuleType:
    """The module that factorises matrices of n rows fastest inside a loop: `small`, `inverse` or `dense`."""
    return small if n <= _SMALL else inverse if n <= inverse.LARGEST else dense


def linear_solver(
    matrix: PyTree, multiply: Callable[[Array], Array] | None = None, *, structure: "Structure | None" = None
) -> Callable[[Inexact[Array, " n"]], Inexact[Array, " n"]]:
    r"""`solve(b)` with $A\,\mathrm{solve}(b) = b$; A is factorised once.

    Derivatives follow $dx = A^{-1}(db - dA\, x)$ (and the transposed system in reverse mode), with `multiply(x)` as
    the differentiable product $A x$; by default that of the matrix itself. A singular matrix gives infinities or NaN.

    **Arguments:** `matrix`, an array (n, n), or with `structure` a matrix that it has stored.

    Cost: one factorisation (see `Dense` for the operations); $2 n^2$ operations a solve.

    >>> import jax, jax.numpy as jnp
    >>> solve = linear_solver(jnp.array([[2.0, 1.0], [1.0, 3.0]]))
    >>> bool(jnp.allclose(solve(jnp.array([3.0, 4.0])), jnp.array([1.0, 1.0])))
    True
    """
    method = factorisation(len(matrix)) if structure is None else structure
    factors = method.factorize(jax.lax.stop_gradient(matrix))
    if multiply is None:
        multiply = (lambda x: matrix @ x) if structure is None else (lambda x: structure.multiply(matrix, x))
    return factored_solver(method, factors, multiply)


def factored_solver(
    method: "ModuleType | Structure", factors: PyTree, multiply: Callable[[Array], Array]
) -> Callable[[Inexact[Array, " n"]], Inexact[Array, " n"]]:
    """`solve(b)` from the factors of a matrix, differentiable through its product `multiply(x)`.

    `method` is the structure (or the module of this folder) that made the factors.
    """

    def solved(product, b, transposed: bool):
        if isinstance(method, ModuleType):
            return (method.solve_transposed if transposed else method.solve)(factors, b)
        return method.solver(factors, product, transposed=transposed, exact=True)(b)

    def solve(b):
        return jax.lax.custom_linear_solve(
            multiply,
            b,
            solve=lambda product, b: solved(product, b, False),
            transpose_solve=lambda product, b: solved(product, b, True),
        )

    return solve
