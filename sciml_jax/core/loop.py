"""A while loop whose predicate is never batched: `vmap` runs the lanes together and masks the finished ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import Jaxpr, Literal, Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Bool

from .closure import hoisted
from .dependencies import depends
from .primitives import opened

Carry = TypeVar("Carry")
Buffers = TypeVar("Buffers")


def while_loop(
    active: Callable[[Carry], Bool[Array, ""]],
    body: Callable[[Carry, Buffers, Bool[Array, ""]], tuple[Carry, Buffers]],
    carry: Carry,
    buffers: Buffers,
) -> tuple[Carry, Buffers]:
    """Runs `carry, buffers = body(carry, buffers, on)` while `active(carry)`.

    `jax.lax.while_loop` with a batched predicate selects every carried leaf in every iteration, large buffers
    included. Here the batched loop runs while any lane is active; in finished lanes the leaves of `carry` (small)
    are masked, and `buffers` (large, written in place) are left to the body, which must write nothing that matters
    where `on` is false: `sciml_jax.core.write_row` sends such rows to a spare last row.

    **Arguments:**

    - `active`: whether to go on, from the carry alone.
    - `body`: one iteration. `on` is false in a lane that has finished while others go on.
    - `carry`: pytree of arrays; `buffers`: pytree of arrays. Both functions may close over tracers.

    Goes through `jit`, `vmap` (nested too), `jvp` and their combinations; what is not batched stays so.
    Reverse mode is not defined: the solvers bring their own (`sciml_jax.solve.sensitivity`).

    >>> import jax.numpy as jnp
    >>> total, _ = while_loop(lambda c: c < 10, lambda c, b, on: (c + 4, b), jnp.asarray(0), ())
    >>> int(total)
    12
    """
    carry, buffers = jax.tree.map(jnp.asarray, (carry, buffers))
    flat, tree = jax.tree.flatten(carry)
    flat_buffers, buffers_tree = jax.tree.flatten(buffers)
    n = len(flat)

    def flat_active(*xs):
        return active(jax.tree.unflatten(tree, xs))

    def flat_body(on, *xs):
        new, new_buffers = body(jax.tree.unflatten(tree, xs[:n]), jax.tree.unflatten(buffers_tree, xs[n:]), on)
        return _like(flat, tree, new, "carry") + _like(flat_buffers, buffers_tree, new_buffers, "buffers")

    active_jaxpr, active_consts = hoisted(jax.make_jaxpr(flat_active)(*flat))
    body_jaxpr, body_consts = hoisted(jax.make_jaxpr(flat_body)(jnp.asarray(True), *flat, *flat_buffers))
    n_active = len(active_consts)
    run_active, run_body = jaxpr_as_fun(active_jaxpr), jaxpr_as_fun(body_jaxpr)
    spec = _Spec(
        n_consts=n_active + len(body_consts),
        n_carry=n,
        active=lambda consts, xs: run_active(*consts[:n_active], *xs)[0],
        body=lambda consts, on, xs, rows: _split(run_body(*consts[n_active:], on, *xs, *rows), n),
    )
    out = _run(spec, *active_consts, *body_consts, *flat, *flat_buffers)
    return jax.tree.unflatten(tree, out[:n]), jax.tree.unflatten(buffers_tree, out[n:])


def when(
    on: Bool[Array, ""],
    body: Callable[[Carry, Any, Bool[Array, ""]], tuple[Carry, Any]],
    carry: Carry,
    buffers: Any = (),
) -> tuple[Carry, Any]:
    """`body(carry, buffers, on)` where `on`, else both unchanged; under `vmap` it is skipped when no lane wants it.

    Unlike `lax.cond` it never turns into a `select` that computes the body for nobody. The body must keep the
    structure it was given, and write no buffer rows that matter in lanes that are off.
    """

    def once(state, rows, on):
        todo, inner = state
        inner, rows = body(inner, rows, on & todo)
        return (jnp.asarray(False), inner), rows

    (_, carry), buffers = while_loop(lambda state: state[0], once, (jnp.asarray(on), carry), buffers)
    return carry, buffers


@dataclass(frozen=True, eq=False)
class _Spec:
    """A loop on flat operands (constants, carry, buffers); `depth` counts the batch axes it has absorbed."""

    n_consts: int
    n_carry: int
    active: Callable
    body: Callable  # (consts, on, carry, buffers) -> (carry, buffers); `on` is ignored when depth > 0
    depth: int = 0

    def split(self, operands):
        consts, rest = _split(operands, self.n_consts)
        return consts, *_split(rest, self.n_carry)

    def masked(self, *operands):
        """One iteration in which a finished lane keeps its carry."""
        consts, carry, buffers = self.split(operands)
        if self.depth > 0:
            carry, buffers = self.body(consts, None, carry, buffers)
        else:
            on = self.active(consts, carry)
            new, buffers = self.body(consts, on, carry, buffers)
            carry = [jnp.where(on, a, b) for a, b in zip(new, carry, strict=True)]
        return [*carry, *buffers]


def _split(xs, n):
    return list(xs[:n]), list(xs[n:])


def _like(old: list, tree, new, name: str) -> list:
    flat, new_tree = jax.tree.flatten(new)
    if new_tree != tree:
        raise TypeError(f"the loop body changed the structure of the {name}: {tree} became {new_tree}")
    for a, b in zip(old, flat, strict=True):
        if a.shape != jnp.shape(b) or a.dtype != jnp.result_type(b):
            got = jax.typeof(jnp.asarray(b))
            raise TypeError(f"the loop body changed a leaf of the {name} from {jax.typeof(a)} to {got}")
    return flat


def _run(spec: _Spec, *operands):
    # custom_jvp stands around custom_vmap: vmap of a jvp through custom_vmap alone recurses without end.
    run = custom_vmap(lambda *xs: _lower(spec, *xs))
    run.def_vmap(lambda size, batched, *xs: _batched(spec, size, batched, xs))
    differentiable = jax.custom_jvp(run)
    differentiable.defjvp(lambda primals, tangents: _jvp(spec, primals, tangents), symbolic_zeros=True)
    return differentiable(*operands)


def _lost(primals, tangents, *, role: str):
    """These loops have a derivative of their own, so that none goes through what they are made of, unless it is lost:
    JAX drops it from the forward pass of a gradient inside `jax.lax.scan` when it differentiates that gradient."""
    raise TypeError(
        "second derivatives of a solve do not go through jax.lax.map or scan: write jax.vmap for jax.lax.map, leave "
        'out chunk= of an ensemble (or backend="lanes"), or take jax.jacfwd(jax.jacfwd(f)) with gradient=sj.Forward()'
    )


mark_p = Primitive("loop_mark")
"""The identity, by which an interpreter of jaxprs knows these loops and what is what in them.

`role` is `"active"` for the predicate in a condition, and in a body `"on"` for what stands for `on`, `"buffer"` for a
buffer, which the body itself leaves alone in a lane that has finished.
"""
mark_p.def_impl(lambda x, *, role: x)
mark_p.def_abstract_eval(lambda x, *, role: x)
mlir.register_lowering(mark_p, lambda context, x, *, role: [x])
batching.defvectorized(mark_p)
ad.primitive_jvps[mark_p] = _lost


def is_loop(jaxpr: Jaxpr) -> bool:
    """Whether a jaxpr is what `while_loop` of this file becomes."""
    loops = [eqn.params["cond_jaxpr"] for eqn in jaxpr.eqns if eqn.primitive.name == "while"]
    return any(eqn.primitive is mark_p for cond in loops for eqn in opened(cond)[0].eqns)


def buffers_of(body: Jaxpr) -> list[bool]:
    """Which results of a loop's body are buffers."""
    marked = {eqn.outvars[0] for eqn in body.eqns if eqn.primitive is mark_p and eqn.params["role"] == "buffer"}
    return [not isinstance(v, Literal) and v in marked for v in body.outvars]


def _lower(spec: _Spec, *operands):
    consts, carry, buffers = spec.split(operands)

    def cond(state):
        return mark_p.bind(jnp.any(spec.active(consts, state[0])), role="active")

    def body(state):
        carry, buffers = spec.body(consts, mark_p.bind(jnp.asarray(True), role="on"), *state)
        return carry, [mark_p.bind(jnp.asarray(x), role="buffer") for x in buffers]

    carry, buffers = jax.lax.while_loop(cond, body, (carry, buffers))
    return [*carry, *buffers]


def _fixed_point(spec: _Spec, jaxpr, marked: list[bool], **options) -> list[bool]:
    """Marks of all operands, once the carry and buffers that depend on marked operands are marked too."""
    while True:
        after = depends(jaxpr, marked, **options)
        new = marked[: spec.n_consts] + [a or b for a, b in zip(marked[spec.n_consts :], after, strict=True)]
        if new == marked:
            return marked
        marked = new


def _batched(spec: _Spec, size, batched, operands):
    """The same loop over one more axis; only what depends on batched operands is batched."""
    operands = [jnp.asarray(x) for x in operands]
    one = [jax.ShapeDtypeStruct(x.shape[1:] if b else x.shape, x.dtype) for x, b in zip(operands, batched, strict=True)]
    closed = jax.make_jaxpr(spec.masked)(*one)
    # without lanes there is none to read an unbatched value from
    marked = _fixed_point(spec, closed.jaxpr, list(batched)) if size else [True] * len(operands)
    operands = [
        jnp.broadcast_to(x, (size, *x.shape)) if m and not b else x
        for x, m, b in zip(operands, marked, batched, strict=True)
    ]
    axes = [0 if m else None for m in marked]
    n = spec.n_consts

    def body(consts, on, carry, buffers):
        out = jax.vmap(spec.masked, in_axes=axes, axis_size=size)(*consts, *carry, *buffers)
        return _split([x if m else x[0] for x, m in zip(out, marked[n:], strict=True)], spec.n_carry)

    def active(consts, carry):
        in_axes = (axes[:n], axes[n : n + spec.n_carry])
        return jax.vmap(spec.active, in_axes=in_axes, axis_size=size)(consts, carry)

    out = _run(_Spec(n, spec.n_carry, active, body, spec.depth + 1), *operands)
    return out, marked[n:]


def _jvp(spec: _Spec, primals, tangents):
    """The loop on values and the tangents that are not identically zero."""
    primals = [jnp.asarray(x) for x in primals]
    perturbed = [not isinstance(t, SymbolicZero) for t in tangents]
    n, m = spec.n_consts, spec.n_carry
    closed = jax.make_jaxpr(lambda *xs: [y for part in _step(spec, xs) for y in part])(*primals)
    marked = _fixed_point(spec, closed.jaxpr, perturbed, differentiably=True)
    ends = (n, n + m)
    counts = [sum(marked[a:b]) for a, b in zip((0, *ends), (*ends, len(marked)), strict=True)]
    dots = [
        (jnp.zeros(x.shape, x.dtype) if isinstance(t, SymbolicZero) else jnp.asarray(t))
        for x, t, k in zip(primals, tangents, marked, strict=True)
        if k
    ]
    out_marked = marked[n:]

    def body(consts, on, carry, buffers):
        (consts, d_consts), (carry, d_carry) = _split(consts, n), _split(carry, m)
        buffers, d_buffers = _split(buffers, len(primals) - n - m)
        values = [*consts, *carry, *buffers]

        def moved(*moving):
            moving = iter(moving)
            full = [next(moving) if k else x for x, k in zip(values, marked, strict=True)]
            c, x, b = spec.split(full)
            new, rows = spec.body(c, on, x, b)
            return [*new, *rows]

        at = [x for x, k in zip(values, marked, strict=True) if k]
        out, d_out = jax.jvp(moved, at, [*d_consts, *d_carry, *d_buffers])
        d_out = [t for t, k in zip(d_out, out_marked, strict=True) if k]
        return [*out[:m], *d_out[: counts[1]]], [*out[m:], *d_out[counts[1] :]]

    def active(consts, carry):
        return spec.active(consts[:n], carry[:m])

    joint = _Spec(n + counts[0], m + counts[1], active, body, spec.depth)
    d_consts, d_rest = _split(dots, counts[0])
    d_carry, d_buffers = _split(d_rest, counts[1])
    out = _run(joint, *primals[:n], *d_consts, *primals[n : n + m], *d_carry, *primals[n + m :], *d_buffers)
    carry, buffers = _split(out, m + counts[1])
    values = [*carry[:m], *buffers[: len(primals) - n - m]]
    moving = iter([*carry[m:], *buffers[len(primals) - n - m :]])
    out_dots = [next(moving) if k else _zero(x) for x, k in zip(values, out_marked, strict=True)]
    return values, out_dots


def _step(spec: _Spec, operands):
    consts, carry, buffers = spec.split(operands)
    return spec.body(consts, jnp.asarray(True), carry, buffers)


def _zero(x):
    if jnp.issubdtype(x.dtype, jnp.inexact):
        return jnp.zeros(x.shape, x.dtype)
    return np.zeros(x.shape, jax.dtypes.float0)
