"""Products of matrices of few columns with vectors, such as fields with controls and diffusions with noises."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact

_FEW = 20  # columns up to which their sum is faster, measured under vmap for a network's output of 32 rows


def times_columns(matrix: Inexact[Array, "*rows m"], vector: Inexact[Array, " m"]) -> Inexact[Array, "*rows"]:
    """The product over the last axis.

    Under `vmap` few columns are summed one after another: together with what computes the matrix that takes XLA's CPU
    compiler half the time of its batched product, whose loops over few columns are not in vector instructions.
    """
    return _summed(matrix, vector) if 1 < matrix.shape[-1] <= _FEW else jnp.tensordot(matrix, vector, 1)


@jax.custom_jvp
def _summed(matrix: Array, vector: Array) -> Array:
    return sum((matrix[..., k] * vector[k] for k in range(1, len(vector))), matrix[..., 0] * vector[0])


@_summed.defjvp
def _summed_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    # the transpose of a product is one outer product, that of the sum many updates of zeros
    (matrix, vector), (d_matrix, d_vector) = primals, tangents
    return _summed(matrix, vector), jnp.tensordot(d_matrix, vector, 1) + jnp.tensordot(matrix, d_vector, 1)
