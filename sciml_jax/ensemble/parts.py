"""A solve of many rows in three parts: what all rows share, their loops, and what is made of these at the end."""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

from ..core.primitives import called
from .interpreter import at_once, evaluate, is_constant

_LOOPS = ("while", "scan")


class Parts(NamedTuple):
    """A jaxpr in three parts, for inputs of which the first are shared.

    `before(*shared)` gives what the others need of these; `during(*before, *rows)` ends with the last loop over
    something that differs; `after(*before, *rows, *during)` gives the results.
    """

    before: ClosedJaxpr
    during: ClosedJaxpr
    after: ClosedJaxpr


def split(closed: ClosedJaxpr, n_shared: int) -> Parts:
    """The three parts."""
    flat = inlined(closed)
    jaxpr = flat.jaxpr
    rows = jaxpr.invars[n_shared:]
    differs, early, late = set(rows), [], []
    for eqn in jaxpr.eqns:
        varying = bool(eqn.effects) or any(x in differs for x in _variables(eqn.invars))
        (late if varying else early).append(eqn)
        if varying:
            differs.update(eqn.outvars)
    loops = [i for i, eqn in enumerate(late) if eqn.primitive.name in _LOOPS]
    end = loops[-1] + 1 if loops else len(late)
    loop, last = late[:end], late[end:]
    read = [*_read(last), *_variables(jaxpr.outvars)]
    shared = list(dict.fromkeys(x for x in [*_read(loop), *read] if x not in differs))
    made = {x for eqn in loop for x in eqn.outvars}
    between = list(dict.fromkeys(x for x in read if x in made))

    def part(invars, eqns, outvars, consts=()):
        constvars = jaxpr.constvars if consts else []
        unknown = jaxpr.debug_info.with_unknown_names()
        new = jaxpr.replace(constvars=constvars, invars=invars, outvars=outvars, eqns=eqns, debug_info=unknown)
        return ClosedJaxpr(new, consts)

    return Parts(
        part(jaxpr.invars[:n_shared], early, shared, flat.consts),
        part([*shared, *rows], loop, between),
        part([*shared, *rows, *between], last, list(jaxpr.outvars)),
    )


def _variables(atoms) -> list[Var]:
    return [x for x in atoms if not isinstance(x, Literal)]


def _read(eqns: list[JaxprEqn]) -> list[Var]:
    return [x for eqn in eqns for x in _variables(eqn.invars)]


def inlined(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The same jaxpr with the functions that it calls written out."""
    return jax.make_jaxpr(lambda *xs: _walk(closed.jaxpr, closed.consts, xs, evaluate))(*closed.in_avals)


def computed(part: ClosedJaxpr, *operands) -> list:
    """The outputs of a part; what is known while tracing is computed at once, and becomes numbers in a kernel."""

    def step(jaxpr: Jaxpr, eqn: JaxprEqn, xs: list) -> list:
        return (at_once if is_constant(eqn, xs) else evaluate)(jaxpr, eqn, xs)

    return _walk(part.jaxpr, part.consts, operands, step)


def _walk(jaxpr: Jaxpr, consts, operands, step: Callable) -> list:
    known: dict = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *operands], strict=True))
    read = lambda atom: atom.val if isinstance(atom, Literal) else known[atom]
    for eqn in jaxpr.eqns:
        xs, inner = [read(x) for x in eqn.invars], called(eqn)
        known.update(zip(eqn.outvars, _walk(*inner, xs, step) if inner else step(jaxpr, eqn, xs), strict=True))
    return [read(x) for x in jaxpr.outvars]
