"""The three-term recurrence of a stabilised step, whose number of stages is only known at run time."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Int

from ...core import trees, while_loop
from ..problem import Problem, State, Time
from .table import Table

# Stages of one chunk of the differentiable recurrence: between 8 and 25 the gradient of a step costs the same.
_CHUNK = 8


def march(
    table: Table, member: Int[Array, ""], problem: Problem, t: Time, y: State, dt: Time, f0: State
) -> tuple[Time, State]:
    r"""The end of the recurrence of degree d, and its time:

    $$Y_1 = y + h \mu_1 f_0, \qquad Y_j = Y_{j-1} + \kappa_j (Y_{j-1} - Y_{j-2}) + h \mu_j f(t + c_{j-1} h, Y_{j-1})$$

    `member` is the index of the degree in the table. Costs d - 1 evaluations of the field.

    The value comes from a while loop, which pays for these stages and nothing else; but a while loop has no reverse
    mode. A derivative goes through the same stages in a scan of fixed length, cut into chunks: `cond` skips the ones
    after the last stage, and the pull-back keeps the chunks' first states alone. Scanning in the plain solve as well
    would make it about twice as slow, and a `switch` with one scan a degree compiles fifty copies of the field.
    """
    dtype = t.dtype

    def at(column: np.ndarray, i) -> Time:
        # made anew in every trace: the derivative rule is traced later, and must not see another trace's constants
        return jnp.asarray(column, dtype)[i]

    def stage(problem: Problem, t: Time, dt: Time, start, j, y: State, step: State) -> tuple[State, State]:
        f = problem.evaluate(t + at(table.nodes, start + j - 1) * dt, y)
        step = trees.axpy(dt * at(table.mu, start + j), f, trees.scale(at(table.kappa, start + j), step))
        return trees.axpy(1.0, step, y), step

    @eqx.filter_custom_jvp
    def run(problem: Problem, t: Time, dt: Time, first: tuple[State, State], start, degree):
        def body(carry, buffers, on):
            j, (y, step) = carry
            return (j + 1, stage(problem, t, dt, start, j, y, step)), buffers

        (_, (y, _)), _ = while_loop(lambda carry: carry[0] < degree, body, (jnp.int32(1), first), ())
        return y

    def scanned(problem: Problem, t: Time, dt: Time, first: tuple[State, State], start, degree):
        def one(carry, j):
            return trees.select(j < degree, stage(problem, t, dt, start, j, *carry), carry), None

        @jax.checkpoint
        def chunk(carry, js):
            todo = _in_any_lane(js[0] < degree)
            return jax.lax.cond(todo, lambda carry: jax.lax.scan(one, carry, js)[0], lambda carry: carry, carry), None

        chunks = -(-int(table.degrees[-1] - 1) // _CHUNK)
        js = 1 + jnp.arange(chunks * _CHUNK, dtype=jnp.int32).reshape(chunks, _CHUNK)
        return jax.lax.scan(chunk, first, js)[0][0]

    @run.def_jvp
    def _(primals, tangents):
        moving = jax.tree.map(lambda tangent: tangent is not None, tangents, is_leaf=lambda x: x is None)
        inputs, constants = eqx.partition(primals, moving)
        return jax.jvp(lambda inputs: scanned(*eqx.combine(inputs, constants)), (inputs,), (tangents,))

    start, degree = (jnp.asarray(x, jnp.int32)[member] for x in (table.starts, table.degrees))
    step = trees.scale(dt * at(table.mu, start), f0)
    y = run(problem, t, dt, (trees.axpy(1.0, step, y), step), start, degree)
    return t + at(table.nodes, start + degree - 1) * dt, y


@custom_vmap
def _in_any_lane(on: Bool[Array, ""]) -> Bool[Array, ""]:
    """`on`, or whether it is so in any lane under vmap: a `cond` on it stays one, where it would become a select."""
    return on


@_in_any_lane.def_vmap
def _(size, batched, on):
    return _in_any_lane(jnp.any(on, axis=0)), False
