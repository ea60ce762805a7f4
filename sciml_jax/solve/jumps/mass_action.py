"""MassAction: rates of elementary reactions."""

from functools import lru_cache, reduce
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, PyTree

from ...core import Table
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

    reactants: Table = eqx.field(static=True)
    products: Table = eqx.field(static=True)
    constants: Any

    def __init__(self, reactants: ArrayLike, products: ArrayLike, constants: ArrayLike | None = None):
        self.reactants, self.products = _whole("reactants", reactants), _whole("products", products)
        shapes = self.reactants.array.shape, self.products.array.shape
        if shapes[0] != shapes[1]:
            raise ValueError(f"reactants and products must have one shape; got {shapes[0]} and {shapes[1]}")
        if constants is not None and np.shape(constants) != shapes[0][:1]:
            raise ValueError(f"constants must have shape {shapes[0][:1]}, one a channel; got {np.shape(constants)}")
        self.constants = constants

    @property
    def stoichiometry(self) -> np.ndarray:
        """Changes of the counts, products minus reactants, shape (channels, species)."""
        return self.products.array - self.reactants.array

    def __call__(self, t: Time, x: Float[Array, " species"], args: PyTree) -> Float[Array, " channels"]:
        """The rates at counts x."""
        constants = self._constants(args)
        if len(constants) > _SCALARS:
            return self._product(slice(None), x, jnp.asarray(constants, x.dtype))
        rates = []
        for k, orders in zip(constants, self.reactants.array.tolist(), strict=True):
            falling = [x[i] - n for i, order in enumerate(orders) for n in range(order)]
            rates.append(reduce(lambda a, b: a * b, falling, jnp.asarray(k, x.dtype)))
        return jnp.stack(rates)

    def rate(self, channel: Int[Array, ""], x: Float[Array, " species"], args: PyTree) -> Float[Array, ""]:
        """The rate of one channel, of whole numbers x too."""
        dtype = jnp.result_type(x.dtype, float)
        return self._product(channel, x, jnp.asarray(self._constants(args), dtype)[channel])

    def _constants(self, args: PyTree) -> Any:
        """The rate constants, checked."""
        constants = args if self.constants is None else self.constants
        # np.shape would turn a tuple of tracers into an array
        shape = getattr(constants, "shape", None)
        many = shape[0] if shape else len(constants) if isinstance(constants, tuple | list) else 0
        if many != len(self.reactants.array):
            raise ValueError(
                f"sj.MassAction with {len(self.reactants.array)} channels needs as many rate constants, as args= of "
                f"the solve or as constants=; got {constants!r}"
            )
        return constants

    def _product(self, channels: Any, x: Float[Array, " species"], rates: Array) -> Array:
        """Constants times the falling factorials of some channels."""
        for species, taken, is_factor in zip(*_factors(self.reactants), strict=True):
            count = x[jnp.asarray(species)[channels]].astype(rates.dtype)
            factor = count - jnp.asarray(taken, rates.dtype)[channels]
            rates = rates * jnp.where(jnp.asarray(is_factor)[channels], factor, 1)
        return rates


@lru_cache(maxsize=16)
def _factors(reactants: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which species is a factor of each rate, what is taken from it, and whether there is one, each of shape (highest
    order, channels)."""
    rows = reactants.array.tolist()
    factors = [[(i, n, True) for i, order in enumerate(orders) for n in range(order)] for orders in rows]
    highest = max(map(len, factors))
    filled = np.array([row + [(0, 0, False)] * (highest - len(row)) for row in factors], np.int32)
    species, taken, is_factor = filled.reshape(len(factors), highest, 3).T
    return species, taken, is_factor.astype(bool)


def _whole(name: str, orders: ArrayLike) -> Table:
    """A matrix of whole numbers that are not negative."""
    matrix = np.asarray(orders)
    if matrix.ndim != 2 or matrix.size == 0:
        raise ValueError(f"{name} must have shape (channels, species); got {matrix.shape}")
    if np.any(matrix < 0) or np.any(matrix != np.round(matrix)):
        raise ValueError(f"{name} must be whole numbers, none negative; got {matrix.tolist()}")
    return Table(matrix.astype(np.int64))
