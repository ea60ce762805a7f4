"""A user's function as a jaxpr whose captured arrays are explicit, so that derivatives and batches reach them."""

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.core
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn
from jaxtyping import Array, PyTree

from .dependencies import depends
from .primitives import dtype_of, shape_of


class Closed(eqx.Module):
    """A function traced once for arguments of one type; the arrays it closed over are leaves of this module.

    Call it with arguments of the structure, shapes and dtypes it was traced for.
    """

    captured: list[Array]
    jaxpr: Jaxpr = eqx.field(static=True)
    in_tree: Any = eqx.field(static=True)
    out_tree: Any = eqx.field(static=True)

    def __call__(self, *args: PyTree) -> PyTree:
        flat, tree = jax.tree.flatten(args)
        if tree != self.in_tree:
            raise TypeError(f"a traced function was made for arguments {self.in_tree}, but called with {tree}")
        return jax.tree.unflatten(self.out_tree, jax.core.eval_jaxpr(self.jaxpr, self.captured, *flat))

    def holding(self, captured: list[Array]) -> "Closed":
        """The same function with other arrays captured."""
        return Closed(captured, self.jaxpr, self.in_tree, self.out_tree)

    def ignores(self, argument: int) -> bool:
        """Whether the value certainly does not depend on the argument in this place."""
        flat = jax.tree.unflatten(self.in_tree, range(self.in_tree.num_leaves))
        marked = set(jax.tree.leaves(flat[argument]))
        return not any(depends(self.jaxpr, [i in marked for i in range(self.in_tree.num_leaves)]))

    @property
    def out_shape(self) -> PyTree:
        """Shapes and dtypes of the value."""
        shapes = [jax.ShapeDtypeStruct(shape_of(v), dtype_of(v)) for v in self.jaxpr.outvars]
        return jax.tree.unflatten(self.out_tree, shapes)

    @property
    def size(self) -> int:
        """Number of equations, those of inner jaxprs included: a measure of what it costs to compile."""
        return size(self.jaxpr)


def equations(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    """All equations of a jaxpr and of all jaxprs inside it."""
    for eqn in jaxpr.eqns:
        yield eqn
        for value in jax.tree.leaves(eqn.params, is_leaf=lambda x: isinstance(x, Jaxpr | ClosedJaxpr)):
            inner = value.jaxpr if isinstance(value, ClosedJaxpr) else value
            if isinstance(inner, Jaxpr):
                yield from equations(inner)


def size(jaxpr: Jaxpr) -> int:
    """Number of equations of a jaxpr and of all jaxprs inside it."""
    return sum(1 for _ in equations(jaxpr))


def close(function: Callable, *args: PyTree) -> Closed:
    """Traces `function(*args)`, whose array leaves may be tracers, arrays or `jax.ShapeDtypeStruct`.

    Leaves of `args` that are no arrays (ints, strings, functions) are part of the trace.
    Cost: one trace of the function, no compilation.
    """
    closed, out = jax.make_jaxpr(function, return_shape=True)(*args)
    return Closed(list(closed.consts), closed.jaxpr, jax.tree.structure(args), jax.tree.structure(out))


def hoisted(closed: ClosedJaxpr) -> tuple[ClosedJaxpr, list]:
    """The constants of a jaxpr, tracers among them, as leading arguments."""
    jaxpr = closed.jaxpr
    moved = jaxpr.replace(
        constvars=(),
        invars=[*jaxpr.constvars, *jaxpr.invars],
        debug_info=jaxpr.debug_info.with_unknown_names(),
    )
    return ClosedJaxpr(moved, ()), list(closed.consts)
