"""Values that are worth computing once: a mark in jaxprs that keeps compilers from computing them again."""

from typing import TypeVar

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, PyTree, Shaped

Tree = TypeVar("Tree", bound=PyTree)

LEAST = 4
"""The fewest numbers that are kept in memory: LLVM sees by itself what repeats in the code of fewer."""


def once(tree: Tree) -> Tree:
    """The same values, marked: several others are made of them, so that they should be computed once and kept.

    XLA's CPU compiler fuses what looks cheap into every reader and computes it again there. Of the stages of a
    Runge-Kutta method on a grid, that makes each compute those before it, at every neighbour; of straight-line code
    over lanes, the whole step in every one of its results. The mark goes with cotangents too.
    """
    return jax.tree.map(once_p.bind, tree)


def kept(x: Shaped[Array, "*shape"]) -> Shaped[Array, "*shape"]:
    """x, real or integers, divided by a one that XLA does not know to be one, which makes x too expensive to be
    computed again; LLVM, to which a bit is less than two, drops the division.

    Entries of arrays that are then written over should be read through it too: XLA copies the whole of an array of
    which it does not see that it is read first.
    """
    whole = jnp.issubdtype(x.dtype, jnp.integer)
    bits = x if whole else jax.lax.bitcast_convert_type(x, f"int{8 * x.dtype.itemsize}")
    least = jax.lax.bitwise_and(bits, jax.lax.full_like(bits, 1))
    one = jax.lax.select(least < 2, jax.lax.full_like(x, 1), jax.lax.full_like(x, 2))
    return jax.lax.div(x, one)


def _on_cpu(x: Array) -> Array:
    return kept(x) if jnp.issubdtype(x.dtype, jnp.floating) and x.size >= LEAST else x


def _transposed(cotangent, x):
    return [cotangent if type(cotangent) is ad.Zero else once_p.bind(cotangent)]


once_p = Primitive("once")
once_p.def_impl(lambda x: x)
once_p.def_abstract_eval(lambda x: x)
mlir.register_lowering(once_p, lambda context, x: [x])
mlir.register_lowering(once_p, mlir.lower_fun(_on_cpu, multiple_results=False), platform="cpu")
batching.defvectorized(once_p)
ad.deflinear2(once_p, _transposed)
