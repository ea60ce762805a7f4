"""Functions with a forward derivative of their own, which holds wherever they are differentiated."""

from collections.abc import Callable
from functools import partial

import jax
from jax.extend.core import ClosedJaxpr, Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir
from jaxtyping import PyTree

from .closure import hoisted


def own_jvp(function: Callable, jvp: Callable, *operands: PyTree) -> PyTree:
    """`function(*operands)`, whose derivative is `jvp(again, operands, tangents) -> (out, tangent of out)`.

    As `jax.custom_jvp`, but in loops too: JAX drops those rules from what a `jax.lax.scan` or a `jax.custom_vjp` inside
    one keeps for its backward pass when it differentiates a gradient, and goes through the function without a word.

    `again(*operands)` is this function once more, with this derivative. What `function` closes over is a constant of
    it; `jvp` must not close over tracers that have ended by the time it is called. Tangents of what is not inexact,
    and those that `jvp` returns for it, have the dtype float0.
    """
    flat, tree = jax.tree.flatten(operands)
    closed, shape = jax.make_jaxpr(lambda *xs: function(*jax.tree.unflatten(tree, xs)), return_shape=True)(*flat)
    call, consts = hoisted(closed)
    n, out_tree = len(consts), jax.tree.structure(shape)

    def flat_jvp(again, xs, dots):
        def once_more(*operands):
            return jax.tree.unflatten(out_tree, again(*xs[:n], *jax.tree.leaves(operands)))

        out, d_out = jvp(once_more, jax.tree.unflatten(tree, xs[n:]), jax.tree.unflatten(tree, dots[n:]))
        return jax.tree.leaves(out), jax.tree.leaves(d_out)

    return jax.tree.unflatten(out_tree, own_jvp_p.bind(*consts, *flat, call_jaxpr=call, jvp=flat_jvp))


def _run(*operands, call_jaxpr: ClosedJaxpr, jvp: Callable) -> list:
    return jaxpr_as_fun(call_jaxpr)(*operands)


def _jvp(primals, tangents, *, call_jaxpr: ClosedJaxpr, jvp: Callable):
    again = partial(own_jvp_p.bind, call_jaxpr=call_jaxpr, jvp=jvp)
    return jvp(again, list(primals), [ad.instantiate_zeros(t) for t in tangents])


def _batched(operands, axes, *, call_jaxpr: ClosedJaxpr, jvp: Callable):
    axes = list(axes)  # None for what is not batched
    many = jax.vmap(jaxpr_as_fun(call_jaxpr), in_axes=axes)
    again = partial(own_jvp_p.bind, call_jaxpr=call_jaxpr, jvp=jvp)

    def jvp_of_many(_, xs, dots):
        return jax.vmap(partial(jvp, again), in_axes=(axes, axes))(xs, dots)

    out = own_jvp_p.bind(*operands, call_jaxpr=jax.make_jaxpr(many)(*operands), jvp=jvp_of_many)
    return out, [0] * len(out)


own_jvp_p = Primitive("own_jvp")
own_jvp_p.multiple_results = True
own_jvp_p.def_impl(partial(jax.jit, static_argnames=("call_jaxpr", "jvp"))(_run))
own_jvp_p.def_effectful_abstract_eval(lambda *_, call_jaxpr, jvp: (call_jaxpr.out_avals, call_jaxpr.effects))
mlir.register_lowering(own_jvp_p, mlir.lower_fun(_run, multiple_results=True))
batching.primitive_batchers[own_jvp_p] = _batched
ad.primitive_jvps[own_jvp_p] = _jvp
