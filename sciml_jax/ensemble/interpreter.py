"""Runs a jaxpr in many lanes at once, every small array taken apart into scalars of lanes."""

import jax
import jax.core
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, jaxpr_as_fun
from jaxtyping import Array

from ..core.loop import is_loop, mark_p
from ..core.primitives import called, dtype_of, size_of
from .rules import RULES, loops
from .values import LARGEST, Stacked, Value, stack, unstack, varies

_FOLDED = 4096  # entries of constants that are computed while tracing


class NotInLanes(TypeError):
    """An operation that the lane interpreter cannot run on scalars."""


class Interpreter:
    """The state of one run: how many lanes there are, and which of them the innermost loop still turns.

    With `strict=True` an operation without a rule raises `NotInLanes`; else it runs as `jax.vmap` would run it, on
    the stack of all lanes. A rule takes the interpreter, an equation and its operands, and returns its outputs.
    """

    def __init__(self, lanes: int, strict: bool = False):
        self.lanes, self.strict = lanes, strict
        self.predicate: Value = True

    def run(self, jaxpr: Jaxpr, consts, operands) -> list[Value]:
        """The outputs of a jaxpr for operands of which some differ between lanes."""
        known: dict = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *operands], strict=True))

        def read(atom) -> Value:
            return atom.val if isinstance(atom, Literal) else known[atom]

        for eqn in jaxpr.eqns:
            outputs = self.equation(jaxpr, eqn, [read(atom) for atom in eqn.invars])
            known.update(zip(eqn.outvars, outputs, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def equation(self, jaxpr: Jaxpr, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
        """The outputs of one equation."""
        if eqn.primitive is mark_p:
            return [self.predicate] if eqn.params["role"] == "on" else operands
        if not any(map(varies, operands)):
            if is_constant(eqn, operands) and (self.strict or _is_index(eqn)):
                return at_once(jaxpr, eqn, operands)
            if not self.strict:
                return evaluate(jaxpr, eqn, operands)
        stacked = any(isinstance(x, Stacked) for x in operands)
        inner = called(eqn)
        # a function with its own rule for batches keeps it where it works on large arrays, if it is no solver's loop
        batches = stacked and eqn.primitive.name == "custom_vmap_call"
        if inner is not None and not (batches and not is_loop(inner[0])):
            return self.run(*inner, operands)
        name = eqn.primitive.name
        if name in loops.RULES and (outputs := loops.RULES[name](self, eqn, operands)) is not NotImplemented:
            return outputs
        small = not stacked and all(size_of(v) <= LARGEST for v in eqn.outvars)
        if small and name in RULES:
            outputs = RULES[name](self, eqn, operands)
            if outputs is not NotImplemented:
                return outputs
        if self.strict:
            raise NotInLanes(f"{name} of {', '.join(str(v.aval) for v in eqn.invars)} has no lanes")
        return self._stacked(jaxpr, eqn, operands)

    def some(self, on: Array) -> Array:
        """Whether any lane is on."""
        # in a kernel, numbers can be reduced, truth values cannot
        return jnp.max(on.astype(jnp.int32)) > 0 if self.strict else jnp.any(on)

    def _stacked(self, jaxpr: Jaxpr, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
        """As `jax.vmap` runs it."""
        full = [stack(x, self.lanes) if varies(x) else x for x in operands]
        axes = [0 if varies(x) else None for x in operands]
        run = jax.vmap(lambda *xs: evaluate(jaxpr, eqn, xs), in_axes=axes, axis_size=self.lanes)
        # a buffer that a row was written to stays whole
        buffers = {x.shape for x in operands if isinstance(x, Stacked)}
        return [Stacked(x) if x.shape[1:] in buffers else unstack(x) for x in run(*full)]


def _is_index(eqn: JaxprEqn) -> bool:
    """Whether an equation may make indices, which are needed while tracing."""
    return all(
        size_of(v) <= _FOLDED and any(jnp.issubdtype(dtype_of(v), kind) for kind in (jnp.integer, jnp.bool_))
        for v in eqn.outvars
    )


def is_constant(eqn: JaxprEqn, operands) -> bool:
    """Whether an equation's outputs are known while tracing."""
    return not eqn.effects and not any(isinstance(x, jax.core.Tracer) for x in operands)


def at_once(jaxpr: Jaxpr, eqn: JaxprEqn, operands) -> list:
    """The equation evaluated while tracing."""
    with jax.ensure_compile_time_eval():
        return evaluate(jaxpr, eqn, operands)


def evaluate(jaxpr: Jaxpr, eqn: JaxprEqn, operands) -> list:
    """The equation as JAX runs it: a jaxpr of its own, since that needs nothing private of JAX."""
    operand = {v: x for v, x in zip(eqn.invars, operands, strict=True) if not isinstance(v, Literal)}
    alone = jaxpr.replace(
        constvars=[],
        invars=list(operand),
        outvars=list(eqn.outvars),
        eqns=[eqn],
        debug_info=jaxpr.debug_info.with_unknown_names(),
    )
    return list(jaxpr_as_fun(ClosedJaxpr(alone, ()))(*operand.values()))
