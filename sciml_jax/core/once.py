"""Values that are worth computing once: a mark in jaxprs, without effect on what JAX compiles."""

from typing import TypeVar

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import PyTree

Tree = TypeVar("Tree", bound=PyTree)

once_p = Primitive("once")
once_p.def_impl(lambda x: x)
once_p.def_abstract_eval(lambda x: x)
mlir.register_lowering(once_p, lambda context, x: [x])
batching.defvectorized(once_p)
ad.deflinear2(once_p, lambda ct, x: [ct])


def once(tree: Tree) -> Tree:
    """The same values, marked for interpreters of jaxprs: several others are made of them.

    XLA's CPU compiler computes what looks cheap again wherever it is read. In straight-line code over lanes that would
    be the whole step in every one of its results, and `sciml_jax.ensemble` keeps it from doing so at these marks.
    """
    return jax.tree.map(once_p.bind, tree)
