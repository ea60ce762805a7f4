"""A function of one trajectory, run for many in lock step: its jaxpr evaluated on scalars of lanes."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..core import Closed, forward_only, own_jvp
from ..solve.sensitivity.gradient import TWICE, wrong_mode
from ..solve.sensitivity.leaves import is_inexact, kept_arrays
from .interpreter import Interpreter
from .values import stack, unstack

Evaluate: TypeAlias = Callable[[Callable, PyTree], PyTree]
_ONCE = wrong_mode("Forward", forward_mode=True)


def run_lanes(
    one: Closed, shared: PyTree, mapped: PyTree, *, forward_mode: bool = False, strict: bool = False
) -> PyTree:
    r"""`one(shared, row)` for every row of `mapped`, as `jax.vmap` gives it, in straight-line code over lanes.

    Where `jax.vmap` works on arrays of shape (lanes, n) with small n, every entry here is an array of its own, of
    shape (lanes,): nothing is sliced, stacked or moved, and XLA's CPU compiler makes vector instructions of it.

    **Arguments:** `one`, traced for `shared` and one row; `shared`, arrays in which all lanes agree; `mapped`, arrays
    with a leading axis of lanes; `forward_mode`, whether derivatives go forward (`jax.jvp`) or backward (`jax.grad`);
    `strict`, whether an operation without a rule raises `NotInLanes` or runs as under `jax.vmap`.

    **Returns** what `one` returns, with a leading axis of lanes.

    Cost: every entry of every small array is an operation to trace and to compile. A gradient backwards repeats the
    solve, so that nothing is kept between the two passes.
    """
    return differentiable(one, shared, mapped, partial(_interpret, strict=strict), forward_mode=forward_mode)


def differentiable(
    one: Closed,
    shared: PyTree,
    mapped: PyTree,
    evaluate: Evaluate,
    *,
    backwards: Evaluate | None = None,
    forward_mode: bool = False,
) -> PyTree:
    """`one(shared, row)` for all rows by `evaluate(function, (captured, shared, rows))`, with derivatives that run the
    same way; `backwards` evaluates those of reverse mode, if `evaluate` is not to, and then values and tangents are
    evaluated apart: `jax.jacfwd` batches tangents alone, and a kernel's results are batched together."""
    arrays = jax.tree.map(jnp.asarray, (one.captured, shared, mapped))
    # a constant of the trace, as a method's coefficients: rules of derivatives inside `one` may have closed over it
    constant = jax.tree.map(lambda x: not isinstance(x, jax.core.Tracer), one.captured)
    moves = jax.tree.map(is_inexact, arrays)
    moves = (jax.tree.map(lambda inexact, fixed: inexact and not fixed, moves[0], constant), *moves[1:])
    function = with_captured(one)
    apart = backwards is not None
    if forward_mode:
        return _forward(function, function, evaluate, arrays, moves, apart=apart, refusal=_ONCE)
    return _backward(function, evaluate, backwards or evaluate, arrays, moves, apart=apart)


def with_captured(one: Closed) -> Callable:
    """`one` as a function of what it has captured, too."""

    def function(captured, shared, row):
        return one.holding(captured)(shared, row)

    return function


def _interpret(function, arrays, *, strict: bool) -> PyTree:
    """All lanes of `function(captured, shared, row)`."""
    captured, shared, mapped = arrays
    lanes = jax.tree.leaves(mapped)[0].shape[0]
    row = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), mapped)
    closed, out = jax.make_jaxpr(function, return_shape=True)(captured, shared, row)
    operands = [*jax.tree.leaves((captured, shared)), *map(unstack, jax.tree.leaves(mapped))]
    values = Interpreter(lanes, strict).run(closed.jaxpr, closed.consts, operands)
    flat = [stack(value, lanes) for value in values]
    return jax.tree.unflatten(jax.tree.structure(out), flat)


def _forward(function, followed, evaluate: Evaluate, arrays, moves, *, apart: bool, refusal: str) -> PyTree:
    """With forward-mode derivatives, those of `followed`: the tangents run in the same lanes. `refusal` is what is
    said to who asks for reverse mode."""

    def run(moving, still):
        return evaluate(function, eqx.combine(moving, still))

    def jvp(_, primals, tangents):
        def both(captured, shared, row):
            (captured, d_captured), (shared, d_shared), (row, d_row) = captured, shared, row
            at, rest = eqx.partition((captured, shared, row), moves)
            along = (d_captured, d_shared, d_row)
            out, d_out = jax.jvp(lambda at: followed(*eqx.combine(at, rest)), (at,), (along,))
            return out, [d for x, d in zip(*map(jax.tree.leaves, (out, d_out)), strict=True) if is_inexact(x)]

        arrays = eqx.combine(*primals)
        out, d_out = evaluate(both, tuple(zip(arrays, tangents[0], strict=True)))
        out = evaluate(function, arrays) if apart else out
        flat, tree = jax.tree.flatten(out)
        moved = iter(forward_only(d_out, refusal))
        return out, jax.tree.unflatten(tree, [next(moved) if is_inexact(x) else _no_tangent(x) for x in flat])

    return own_jvp(run, jvp, *eqx.partition(arrays, moves))


def _no_tangent(x) -> np.ndarray:
    return np.zeros(x.shape, jax.dtypes.float0)


def _backward(function, evaluate: Evaluate, backwards: Evaluate, arrays, moves, *, apart: bool) -> PyTree:
    """With reverse-mode derivatives: a lane is solved again and pulled back at once. Both passes have derivatives in
    forward mode."""

    def keeping(captured, shared, row):
        """`function`, as its own backward pass sees it: so it has derivatives in forward mode."""
        at, rest = eqx.partition((captured, shared, row), moves)
        return jax.vjp(lambda at: function(*eqx.combine(at, rest)), at)[0]

    @jax.custom_vjp
    def run(moving, still):
        return evaluate(function, eqx.combine(moving, still))

    twice = partial(_forward, apart=apart, refusal=TWICE)

    def forward(moving, still):
        return twice(function, keeping, evaluate, eqx.combine(moving, still), moves), (moving, still)

    def backward(kept, cotangent):
        moving, still = kept_arrays(kept)

        def pull(captured, shared, row):
            row, wanted = row
            at, rest = eqx.partition((captured, shared, row), moves)

            def inexact(at):
                return eqx.filter(function(*eqx.combine(at, rest)), is_inexact)

            return jax.vjp(inexact, at)[1](wanted)[0]

        captured, shared, mapped = eqx.combine(moving, still)
        wanted = jax.tree.map(lambda x: None if x.dtype == jax.dtypes.float0 else x, cotangent)
        given = (captured, shared, (mapped, wanted))
        moved = (*moves[:2], (moves[2], jax.tree.map(lambda x: True, wanted)))
        of_captured, of_shared, of_rows = twice(pull, pull, backwards, given, moved)
        total: Any = jax.tree.map(lambda x: jnp.sum(x, axis=0), (of_captured, of_shared))
        return (*total, of_rows), jax.tree.map(lambda x: None, still)

    run.defvjp(forward, backward)
    return run(*eqx.partition(arrays, moves))
