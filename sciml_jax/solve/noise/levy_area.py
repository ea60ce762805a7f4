"""Lévy areas between the noises of a step: what is drawn, and how those of neighbouring intervals add up."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..problem import State


def vector(noise: State) -> Float[Array, " m"]:
    """All noises in one vector, leaf by leaf."""
    return jnp.concatenate([jnp.ravel(z) for z in jax.tree.leaves(noise)])


def pairs(m: int) -> int:
    """How many areas m noises have between them."""
    return m * (m - 1) // 2


def drawn_area(w: Float[Array, " m"], h: Float[Array, " m"], normal: Float[Array, " n"]) -> Float[Array, "m m"]:
    r"""Lévy areas $A_{jk} = \tfrac12 \int (W_j\, dW_k - W_k\, dW_j)$ of an interval of length 1, from its increment W,
    its space-time area H and a normal number for each pair:

    $$A_{jk} = H_j W_k - W_j H_k + \big(\tfrac1{20} + \tfrac15 (H_j^2 + H_k^2)\big)^{1/2} Z_{jk}.$$

    Mean and variance, given W and H, are those of the area; its other moments are not.

    Source: J. Foster, Approximating the signature of Brownian motion for high order SDE simulation, arXiv:2409.10118;
    J. Foster & K. Habermann, Brownian bridge expansions for Lévy area approximations and particular values of the
    Riemann zeta function, Combin. Probab. Comput. 32 (2023), doi:10.1017/S096354832200030X.
    """
    m = w.shape[0]
    rows, columns = np.triu_indices(m, 1)
    size = jnp.sqrt(1 / 20 + (h[rows] ** 2 + h[columns] ** 2) / 5)
    upper = jnp.zeros((m, m), w.dtype).at[rows, columns].set(size * normal)
    known = h[:, None] * w[None, :]
    return known - known.T + upper - upper.T


def joined_area(total: Float[Array, " m"], w: Float[Array, " m"]) -> Float[Array, "m m"]:
    """What the area of two neighbouring intervals exceeds the sum of theirs by: the triangle of their chords."""
    cross = 0.5 * total[:, None] * w[None, :]
    return cross - cross.T


def count(shapes: list[tuple[int, ...]]) -> int:
    """How many noises there are."""
    return sum(math.prod(shape) for shape in shapes)
