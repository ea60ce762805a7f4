"""Whether a solve is worth running in lanes: how much code it would be, and what has no rule."""

import math

from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from ..core.primitives import called, linear_solve_parts, opened, shape_of, size_of
from .rules import RULES
from .rules.loops import turns
from .values import LARGEST

MOST = 20_000  # scalar operations; they take about a minute to compile
_HARMLESS = frozenset(("platform_index", "lane_active", "random_seed", "random_wrap", "random_unwrap"))


class Code(Exception):
    """Why a jaxpr does not suit lanes."""


def unsuited(jaxpr: Jaxpr) -> str | None:
    """Why a solve should not run in lanes, if it should not; read from its jaxpr, at next to no cost."""
    try:
        scalars = _count(jaxpr)
    except Code as why:
        return str(why)
    return f"{scalars} scalar operations, more than {MOST}" if scalars > MOST else None


def _count(jaxpr: Jaxpr) -> int:
    return sum(_operations(eqn) for eqn in jaxpr.eqns)


def _operations(eqn: JaxprEqn) -> int:
    """The number of operations on scalars that an equation becomes."""
    name = eqn.primitive.name
    inner = called(eqn)
    if inner is not None:
        return _count(inner[0])
    if name == "scan":
        return turns(eqn) * _count(opened(eqn.params["jaxpr"])[0])
    if name == "custom_linear_solve":
        return _count(linear_solve_parts(eqn)[0])
    nested = [v for v in eqn.params.values() if isinstance(v, Jaxpr | ClosedJaxpr)]
    if name in ("while", "cond"):
        nested += list(eqn.params.get("branches", ()))
        return sum(_count(opened(j)[0]) for j in nested)
    if name not in RULES and name not in _HARMLESS and eqn.invars:
        raise Code(f"{name} has no rule")
    if any(size_of(v) > LARGEST for v in eqn.outvars):
        return 1  # stays an array
    size = sum(size_of(v) for v in eqn.outvars)
    if name == "dot_general":
        (summed, _), _ = eqn.params["dimension_numbers"]
        return 2 * size * math.prod(shape_of(eqn.invars[0])[i] for i in summed)
    return size
