"""Backward differences of equally spaced states: the history of multistep methods of variable order.

Row j of an array (rows, n) is $\\nabla^j y$, for j up to the order; two more are kept for the choice of the order.
"""

import functools
import operator

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..problem import Time

Differences = Float[Array, "rows n"]


def rescaled(differences: Differences, order: Int[Array, ""], ratio: Time, highest: int) -> Differences:
    """The differences of the same polynomial on a grid of `ratio` times the spacing.

    Cost: (highest + 1)^2 multiplications of a row.
    Source: Shampine & Reichelt, The MATLAB ODE suite (1997), eq. 9.
    """
    rows = np.arange(highest + 1)
    # entry (i, j): the i-th difference's weight in the value j steps back, binomial (-1)^i (ratio j over i)
    factors = (rows[1:, None] - 1 - ratio * rows) / rows[1:, None]
    values = jnp.cumprod(jnp.concatenate([jnp.ones((1, highest + 1), factors.dtype), factors]), axis=0)
    back = np.cumprod(np.concatenate([np.ones((1, highest + 1)), (rows[1:, None] - 1 - rows) / rows[1:, None]]), axis=0)
    weights = jnp.sum(values[:, :, None] * back, axis=1)  # a product of matrices that stays inside a compiled loop
    used = rows <= order
    top = differences[: highest + 1]
    weights = jnp.where(used[:, None], weights, 0.0).astype(top.dtype)
    # one fused pass over the rows; as a sum over an axis, or a product of matrices, it takes five times as long
    new = functools.reduce(operator.add, (w[:, None] * row for w, row in zip(weights, top, strict=True)))
    return differences.at[: highest + 1].set(jnp.where(used[:, None], new, top))


def predicted(differences: Differences, order: Int[Array, ""], weights: Float[Array, " k"]):
    """The value extrapolated by one step, and the differences' sum with `weights`, both up to the order."""
    top = differences[: weights.shape[0]]
    used = (jnp.arange(weights.shape[0]) <= order)[:, None]
    return jnp.sum(jnp.where(used, top, 0.0), axis=0), jnp.sum(jnp.where(used, weights[:, None] * top, 0.0), axis=0)


def advanced(differences: Differences, order: Int[Array, ""], d: Float[Array, " n"]) -> Differences:
    """The differences one step on, where the new value is `d` above the extrapolated one."""
    sums, total, beyond = [], d, d
    for j, old in reversed(list(enumerate(differences))):
        total = total + jnp.where(j <= order, old, 0.0)
        beyond = beyond - jnp.where(j == order + 1, old, 0.0)
        sums.append(total)
    rows = zip(range(len(sums)), reversed(sums), differences, strict=True)
    return jnp.stack([jnp.where(j <= order + 1, x, jnp.where(j == order + 2, beyond, old)) for j, x, old in rows])


def row(differences: Differences, i: Int[Array, ""]) -> Float[Array, " n"]:
    """Row i, a traced number."""
    rows = jnp.arange(differences.shape[0])[:, None]
    return jnp.sum(jnp.where(rows == i, differences, 0.0), axis=0)


def evaluate(differences: Differences, order: Int[Array, ""], h: Time, t_right: Time, t: Time) -> Float[Array, " n"]:
    """The polynomial through the newest value, at `t_right`, and those h, 2 h, ... before it (Newton's form)."""
    s, total, weight = (t - t_right) / h, differences[0], jnp.ones_like(h)
    for j in range(1, differences.shape[0] - 2):
        weight = weight * (s + j - 1) / j
        total = total + jnp.where(j <= order, weight, 0.0) * differences[j]
    return total
