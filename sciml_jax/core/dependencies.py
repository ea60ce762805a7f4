"""Which outputs of a jaxpr depend on which inputs: exact through calls, loops and branches, else conservative."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from .primitives import called, linear_solve_parts, opened, scan_parts


def depends(jaxpr: Jaxpr, marked: Sequence[bool], *, differentiably: bool = False) -> list[bool]:
    """Which outputs depend on the marked inputs of `jaxpr` (its constants count as unmarked).

    With `differentiably=True` only dependences count that a derivative can follow: `stop_gradient` and values that
    are not inexact cut them. Cost: one pass over the equations, and a fixed point in every loop.
    """
    known = dict(zip(jaxpr.invars, marked, strict=True))

    def read(atom) -> bool:
        return not isinstance(atom, Literal) and known.get(atom, False)

    for eqn in jaxpr.eqns:
        inputs = [read(atom) for atom in eqn.invars]
        outputs = depends_in(eqn, inputs, differentiably) if any(inputs) else [False] * len(eqn.outvars)
        for var, mark in zip(eqn.outvars, outputs, strict=True):
            known[var] = mark and (not differentiably or _inexact(var))
    return [read(atom) for atom in jaxpr.outvars]


def _inexact(var) -> bool:
    dtype = getattr(var.aval, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)


def _inside(jaxpr) -> Jaxpr:
    return opened(jaxpr)[0]


def depends_in(eqn: JaxprEqn, inputs: list[bool], differentiably: bool = False) -> list[bool]:
    """Which outputs of one equation depend on its marked inputs."""
    match eqn.primitive.name:
        case "stop_gradient" if differentiably:
            return [False] * len(eqn.outvars)
        case "while":
            return _while(eqn, inputs, differentiably)
        case "scan":
            return _scan(eqn, inputs, differentiably)
        case "custom_jvp_call" | "own_jvp" if differentiably and not _around_vmap(eqn):
            return [True] * len(eqn.outvars)  # the rule may follow what the value does not: a root is its own guess
        case "cond":
            branches = [depends(_inside(b), inputs[1:], differentiably=differentiably) for b in eqn.params["branches"]]
            chosen = inputs[0] and not differentiably
            return [chosen or any(marks) for marks in zip(*branches, strict=True)]
    inner = [v for v in eqn.params.values() if isinstance(v, Jaxpr | ClosedJaxpr)]
    if len(inner) == 1 and len(_inside(inner[0]).invars) == len(inputs):
        return depends(_inside(inner[0]), inputs, differentiably=differentiably)
    return [True] * len(eqn.outvars)


def _around_vmap(eqn: JaxprEqn) -> bool:
    """Whether this is a loop of `while_loop`, whose derivatives follow what its value does."""
    inner = [_inside(v) for v in eqn.params.values() if isinstance(v, Jaxpr | ClosedJaxpr)]
    last = [e for jaxpr in inner for e in jaxpr.eqns[-1:]]
    return any(e.primitive.name == "custom_vmap_call" or _around_vmap(e) for e in last)


def _while(eqn: JaxprEqn, inputs: list[bool], differentiably: bool) -> list[bool]:
    n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    cond_consts, body_consts, carry = inputs[:n_cond], inputs[n_cond : n_cond + n_body], inputs[n_cond + n_body :]
    cond, body = _inside(eqn.params["cond_jaxpr"]), _inside(eqn.params["body_jaxpr"])
    while True:
        after = depends(body, body_consts + carry, differentiably=differentiably)
        if not differentiably and any(depends(cond, cond_consts + carry)):  # how often it turns: all that changes
            after = [a or b is not c for a, b, c in zip(after, body.outvars, body.invars[n_body:], strict=True)]
        new = [a or b for a, b in zip(carry, after, strict=True)]
        if new == carry:
            return carry
        carry = new


def _scan(eqn: JaxprEqn, inputs: list[bool], differentiably: bool) -> list[bool]:
    body = _inside(eqn.params["jaxpr"])
    n_consts, n_carry = scan_parts(eqn)
    n_whole = n_consts + n_carry
    consts, carry, xs = inputs[:n_consts], inputs[n_consts:n_whole], inputs[n_whole:]
    while True:
        out = depends(body, consts + carry + xs, differentiably=differentiably)
        new = [a or b for a, b in zip(carry, out[:n_carry], strict=True)]
        if new == carry:
            return carry + out[n_carry:]
        carry = new


def inside(eqn: JaxprEqn, inputs: list[bool]) -> list[tuple[Jaxpr, list[bool]]]:
    """The jaxprs that an equation runs, and which of their inputs depend on its marked inputs: none where it is no
    call, loop, branch or linear solve."""
    match eqn.primitive.name:
        case "while":
            n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
            carry = depends_in(eqn, inputs)
            cond, body = _inside(eqn.params["cond_jaxpr"]), _inside(eqn.params["body_jaxpr"])
            return [(cond, inputs[:n_cond] + carry), (body, inputs[n_cond : n_cond + n_body] + carry)]
        case "scan":
            n_consts, n_carry = scan_parts(eqn)
            carry = depends_in(eqn, inputs)[:n_carry]
            return [(_inside(eqn.params["jaxpr"]), inputs[:n_consts] + carry + inputs[n_consts + n_carry :])]
        case "cond":
            return [(_inside(branch), inputs[1:]) for branch in eqn.params["branches"]]
        case "custom_linear_solve":
            jaxpr, _, taken = linear_solve_parts(eqn)
            return [(jaxpr, inputs[taken] + inputs[sum(eqn.params["const_lengths"]) :])]
    found = called(eqn)
    return [] if found is None else [(found[0], inputs)]
