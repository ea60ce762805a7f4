"""Whether a solve is worth running in lanes: how much code it would be, and what has no rule."""

import math
from collections.abc import Sequence

from jax.extend.core import Jaxpr, JaxprEqn, Literal

from ..core.dependencies import depends_in, inside
from ..core.primitives import shape_of, size_of
from .rules import RULES
from .rules.loops import turns
from .values import LARGEST

MOST = 8_000  # scalar operations; 15,800 (RadauIIA) are slower than vmap, and take a minute to compile
_LONG = 2_500  # scalar operations of an implicit solve in which 16 lanes are faster than 32
_HARMLESS = frozenset(("platform_index", "loop_mark", "random_seed", "random_wrap", "random_unwrap"))


class Code(Exception):
    """Why a jaxpr does not suit lanes."""


def unsuited(jaxpr: Jaxpr, varying: Sequence[bool]) -> str | None:
    """Why a solve should not run in lanes, if it should not; `varying` tells which operands differ between them. Read
    from its jaxpr, at next to no cost."""
    try:
        scalars = _count(jaxpr, varying)
    except Code as why:
        return str(why)
    return f"{scalars} scalar operations, more than {MOST}" if scalars > MOST else None


def together(jaxpr: Jaxpr, varying: Sequence[bool], implicit: bool) -> int:
    """How many trajectories are best run together, by methods with or without matrices.

    With more, XLA makes no single function of the loop any more, or its arrays leave the core's first cache.
    """
    if not implicit:
        return 64
    try:
        return 16 if _count(jaxpr, varying) > _LONG else 32
    except Code:
        return 16


def _count(jaxpr: Jaxpr, varying: Sequence[bool]) -> int:
    known = dict(zip(jaxpr.invars, varying, strict=True))
    total = 0
    for eqn in jaxpr.eqns:
        inputs = [not isinstance(atom, Literal) and known.get(atom, False) for atom in eqn.invars]
        if not any(inputs):  # runs once for all lanes
            continue
        total += _operations(eqn, inputs)
        known.update(zip(eqn.outvars, depends_in(eqn, inputs), strict=True))
    return total


def _operations(eqn: JaxprEqn, varying: list[bool]) -> int:
    """The number of operations on scalars that an equation becomes."""
    name = eqn.primitive.name
    nested = inside(eqn, varying)
    if nested:
        times = turns(eqn) if name == "scan" else 1
        return times * sum(_count(jaxpr, marks) for jaxpr, marks in nested)
    if name not in RULES and name not in _HARMLESS and eqn.invars:
        raise Code(f"{name} has no rule")
    if any(size_of(v) > LARGEST for v in eqn.outvars):
        return 1  # stays an array
    size = sum(size_of(v) for v in eqn.outvars)
    if name == "dot_general":
        (summed, _), _ = eqn.params["dimension_numbers"]
        return 2 * size * math.prod(shape_of(eqn.invars[0])[i] for i in summed)
    return size
