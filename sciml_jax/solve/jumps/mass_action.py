"""MassAction: rates of elementary reactions."""

from functools import reduce
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PyTree

from ..problem import Time

_SCALARS = 32  # channels up to which rates are made one by one, as lanes and kernels have them


class MassAction(eqx.Module):
    r"""Rates by mass action, $a_j(x) = k_j \prod_i x_i (x_i - 1) \cdots (x_i - r_{ji} + 1)$.

    - `reactants`, `products`: how many of each species channel j takes and makes, $r_{ji}$ and $p_{ji}$, integers of
      shape (channels, species). Zeroth order (a source) is a row of zeros.
    - `constants`: $k_j$, shape (channels,), per unit of time. By default they are the `args` of the solve.

    Called as `rates(t, x, args)`; `.stoichiometry` is $p - r$, and as many species as the rows have columns.

    Falling factorials count ordered choices: where a constant c belongs to each unordered pair, as in Gillespie's
    paper, $k = c / 2$ for two of one species. With a volume V, $k_j = \kappa_j V^{1 - m}$ for order m and the
    macroscopic constant $\kappa_j$.

    **Raises** `ValueError` for other shapes, and for entries that are negative or no whole numbers.

    Source: D. J. Higham, Modeling and simulating chemical reactions, SIAM Review 50 (2008), doi:10.1137/060666457.

    >>> import jax, sciml_jax as sj
    >>> dimers = sj.MassAction(reactants=[[2, 0], [0, 1]], products=[[0, 1], [2, 0]])  # 2 A -> B, B -> 2 A
    >>> dimers.stoichiometry.tolist()
    [[-2, 1], [2, -1]]
    >>> [float(a) for a in dimers(0.0, jax.numpy.array([4.0, 1.0]), (0.5, 3.0))]
    [6.0, 3.0]
    >>> sol = sj.solve_jump(dimers, dimers.stoichiometry, (0.0, 1.0), [4, 1], jax.random.key(0), (0.5, 3.0))
    >>> int(sol.y[0] + 2 * sol.y[1])
    6
    """

    reactants: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    products: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    constants: Any

    def __init__(self, reactants: ArrayLike, products: ArrayLike, constants: ArrayLike | None = None):
        self.reactants, self.products = _whole("reactants", reactants), _whole("products", products)
        shapes = np.shape(self.reactants), np.shape(self.products)
        if shapes[0] != shapes[1]:
            raise ValueError(f"reactants and products must have one shape; got {shapes[0]} and {shapes[1]}")
        if constants is not None and np.shape(constants) != shapes[0][:1]:
            raise ValueError(f"constants must have shape {shapes[0][:1]}, one a channel; got {np.shape(constants)}")
        self.constants = constants

    @property
    def stoichiometry(self) -> np.ndarray:
        """Changes of the counts, products minus reactants, shape (channels, species)."""
        return np.array(self.products) - np.array(self.reactants)

    def __call__(self, t: Time, x: Float[Array, " species"], args: PyTree) -> Float[Array, " channels"]:
        """The rates at counts x."""
        constants = args if self.constants is None else self.constants
        # np.shape would turn a tuple of tracers into an array
        shape = getattr(constants, "shape", None)
        many = shape[0] if shape else len(constants) if isinstance(constants, tuple | list) else 0
        if many != len(self.reactants):
            raise ValueError(
                f"sj.MassAction with {len(self.reactants)} channels needs as many rate constants, as args= of the "
                f"solve or as constants=; got {constants!r}"
            )
        if many > _SCALARS:
            species, offsets = _factors(self.reactants)
            ones = jnp.concatenate([x, jnp.ones(1, x.dtype)])
            return jnp.asarray(constants, x.dtype) * jnp.prod(ones[species] - jnp.asarray(offsets, x.dtype), axis=0)
        rates = []
        for k, orders in zip(constants, self.reactants, strict=True):
            falling = [x[i] - n for i, order in enumerate(orders) for n in range(order)]
            rates.append(reduce(lambda a, b: a * b, falling, jnp.asarray(k, x.dtype)))
        return jnp.stack(rates)


def _factors(reactants: tuple[tuple[int, ...], ...]) -> tuple[np.ndarray, np.ndarray]:
    """Which species is a factor of each rate, and what is taken from it, shape (highest order, channels); what is
    missing to the highest order is a species after the last one, less nothing."""
    factors = [[(i, n) for i, order in enumerate(orders) for n in range(order)] for orders in reactants]
    highest, none = max(map(len, factors)), (len(reactants[0]), 0)
    filled = np.array([row + [none] * (highest - len(row)) for row in factors], int).reshape(len(factors), highest, 2)
    return filled[..., 0].T, filled[..., 1].T


def _whole(name: str, orders: ArrayLike) -> tuple[tuple[int, ...], ...]:
    """A matrix of whole numbers that are not negative, hashable."""
    matrix = np.asarray(orders)
    if matrix.ndim != 2 or matrix.size == 0:
        raise ValueError(f"{name} must have shape (channels, species); got {matrix.shape}")
    if np.any(matrix < 0) or np.any(matrix != np.round(matrix)):
        raise ValueError(f"{name} must be whole numbers, none negative; got {matrix.tolist()}")
    return tuple(tuple(int(n) for n in row) for row in matrix)
