"""Functions with a forward derivative of their own, which holds wherever they are differentiated."""

from collections.abc import Callable
from functools import partial

import jax
from jax.extend.core import ClosedJaxpr, Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir
from jaxtyping import PyTree


def own_jvp(function: Callable, jvp: Callable, *operands: PyTree) -> PyTree:
    """`function(*operands)`, whose derivative is `jvp(operands, tangents) -> (out, tangent of out)`.

    As `jax.custom_jvp`, but in loops too: JAX drops those rules from the forward pass of a `jax.custom_vjp` inside a
    `jax.lax.scan` when it differentiates a gradient, and goes through the function itself without a word.

    Neither function may close over tracers. Tangents of what is not inexact, and those that `jvp` returns for it, have
    the dtype float0.
    """
    flat, tree = jax.tree.flatten(operands)
    closed, shape = jax.make_jaxpr(lambda *xs: function(*jax.tree.unflatten(tree, xs)), return_shape=True)(*flat)

    def flat_jvp(xs, dots):
        out, d_out = jvp(jax.tree.unflatten(tree, xs), jax.tree.unflatten(tree, dots))
        return jax.tree.leaves(out), jax.tree.leaves(d_out)

    out = own_jvp_p.bind(*flat, call_jaxpr=closed, jvp=flat_jvp)
    return jax.tree.unflatten(jax.tree.structure(shape), out)


def _run(*operands, call_jaxpr: ClosedJaxpr, jvp: Callable) -> list:
    return jaxpr_as_fun(call_jaxpr)(*operands)


def _jvp(primals, tangents, *, call_jaxpr: ClosedJaxpr, jvp: Callable):
    return jvp(list(primals), [ad.instantiate_zeros(t) for t in tangents])


def _batched(operands, axes, *, call_jaxpr: ClosedJaxpr, jvp: Callable):
    axes = list(axes)  # None for what is not batched
    many = jax.vmap(jaxpr_as_fun(call_jaxpr), in_axes=axes)

    def jvp_of_many(xs, dots):
        return jax.vmap(jvp, in_axes=(axes, axes))(xs, dots)

    out = own_jvp_p.bind(*operands, call_jaxpr=jax.make_jaxpr(many)(*operands), jvp=jvp_of_many)
    return out, [0] * len(out)


own_jvp_p = Primitive("own_jvp")
own_jvp_p.multiple_results = True
own_jvp_p.def_impl(partial(jax.jit, static_argnames=("call_jaxpr", "jvp"))(_run))
own_jvp_p.def_effectful_abstract_eval(lambda *_, call_jaxpr, jvp: (call_jaxpr.out_avals, call_jaxpr.effects))
mlir.register_lowering(own_jvp_p, mlir.lower_fun(_run, multiple_results=True))
batching.primitive_batchers[own_jvp_p] = _batched
ad.primitive_jvps[own_jvp_p] = _jvp
