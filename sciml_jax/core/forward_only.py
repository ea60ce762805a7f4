"""Tangents that go forwards alone: whoever asks for them backwards is told what to do instead."""

from typing import TypeVar

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import PyTree

Tree = TypeVar("Tree", bound=PyTree)


def forward_only(tangents: Tree, message: str) -> Tree:
    """The same tangents; `jax.grad`, `jax.vjp` and `jax.linearize`, once they are pulled back, raise `TypeError` with
    the message, where JAX would speak of the loops inside."""
    return jax.tree.map(lambda x: forward_only_p.bind(x, message=message), tangents)


def _transposed(cotangent, x, *, message: str):
    raise TypeError(message)


forward_only_p = Primitive("forward_only")
forward_only_p.def_impl(lambda x, *, message: x)
forward_only_p.def_abstract_eval(lambda x, *, message: x)
mlir.register_lowering(forward_only_p, lambda context, x, *, message: [x])
batching.defvectorized(forward_only_p)
ad.deflinear2(forward_only_p, _transposed)
