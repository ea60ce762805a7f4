"""Loops, branches and other operations on jaxprs, whose operands differ between lanes."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn
from jaxtyping import Array

from ...core.closure import size as size_of_jaxpr
from ...core.dependencies import depends_in
from ...core.loop import buffers_of
from ...core.primitives import dtype_of, linear_solve_parts, opened, scan_parts, shape_of, size_of
from ..values import LARGEST, Scalars, Stacked, Value, as_entries, scalars, stack, unstack, varies, widened

_TURNS, _EQUATIONS = 64, 200  # turns of a scan, and equations in all of them, that are written out


class Layout(NamedTuple):
    """How a loop carries a value: alone where lanes agree (`"one"`), as scalars of lanes, or stacked."""

    kind: str
    shape: tuple[int, ...]
    dtype: Any

    @classmethod
    def of(cls, atom, differs: bool, large: bool = False) -> "Layout":
        shape, dtype = shape_of(atom), dtype_of(atom)
        if not differs:
            return cls("one", shape, dtype)
        large = large or size_of(atom) > LARGEST or jnp.issubdtype(dtype, jax.dtypes.extended)
        return cls("stacked" if large else "scalars", shape, dtype)

    def pack(self, value: Value, lanes: int) -> list[Array]:
        """The value as arrays."""
        if self.kind == "one":
            assert not varies(value)
            return [jnp.asarray(value, self.dtype)]
        if self.kind == "stacked":
            return [stack(value, lanes)]
        if isinstance(value, Stacked):
            value = unstack(value.value)
        return [widened(entry, lanes, self.dtype) for entry in as_entries(value).ravel()]

    def unpack(self, arrays: list[Array]) -> Value:
        """The value that these arrays are."""
        if self.kind == "scalars":
            return scalars(arrays, self.shape, self.dtype)
        return Stacked(arrays[0]) if self.kind == "stacked" else arrays[0]

    def chosen(self, on: Array, new: list[Array], old: list[Array]) -> list[Array]:
        """`new` in the lanes that are on."""
        if self.kind == "one":
            return new
        on_all = lambda x: on.reshape(-1, *(1,) * (x.ndim - 1))
        return [a if a is b else jnp.where(on_all(a), a, b) for a, b in zip(new, old, strict=True)]


def _differs(run, eqn: JaxprEqn, operands: list[Value]) -> list[bool]:
    """Which outputs differ between lanes; a kernel has scalars alone, and keeps all of them as if they did."""
    return [run.strict or d for d in depends_in(eqn, [varies(x) for x in operands])]


def _predicate(run, jaxpr: Jaxpr, consts, operands) -> Array:
    """A condition in every lane."""
    found = run.run(jaxpr, consts, operands)[0]
    return widened(as_entries(found)[()], run.lanes, bool)


def while_loop(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
    """Turns while any lane does. A lane that has finished keeps what it carries.

    Buffers of a loop of `sciml_jax.core.while_loop` are left to its body, which knows from `on` where nothing must be
    written.
    """
    n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    (cond, cond_consts), (body, body_consts) = opened(eqn.params["cond_jaxpr"]), opened(eqn.params["body_jaxpr"])
    of_cond, of_body = operands[:n_cond], operands[n_cond : n_cond + n_body]
    start, atoms = operands[n_cond + n_body :], body.invars[n_body:]
    buffers, differs = buffers_of(body), _differs(run, eqn, operands)
    layouts = [Layout.of(a, d, large=b and not run.strict) for a, d, b in zip(atoms, differs, buffers, strict=True)]

    def values(state):
        return [layout.unpack(part) for layout, part in zip(layouts, state, strict=True)]

    def active(state):
        return _predicate(run, cond, cond_consts, [*of_cond, *values(state)])

    def turn(state):
        on, outer = active(state), run.predicate
        run.predicate = scalars([on], (), bool)
        new = run.run(body, body_consts, [*of_body, *values(state)])
        run.predicate = outer
        new = [layout.pack(x, run.lanes) for layout, x in zip(layouts, new, strict=True)]
        return [
            a if buffer else x.chosen(on, a, b) for x, a, b, buffer in zip(layouts, new, state, buffers, strict=True)
        ]

    state = [layout.pack(x, run.lanes) for layout, x in zip(layouts, start, strict=True)]
    return values(jax.lax.while_loop(lambda state: run.some(active(state)), turn, state))


def turns(eqn: JaxprEqn) -> int:
    """How often the body of a scan is written out."""
    length, size = eqn.params["length"], size_of_jaxpr(opened(eqn.params["jaxpr"])[0])
    return length if length <= _TURNS and length * size <= _EQUATIONS else 1


def scan(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
    """A short scan is written out; a longer one carries the scalars of all lanes."""
    body, consts = opened(eqn.params["jaxpr"])
    n_consts, n_carry = scan_parts(eqn)
    length, n = eqn.params["length"], n_consts + n_carry
    whole, carry, xs = operands[:n_consts], operands[n_consts:n], operands[n:]
    if length and turns(eqn) == length:
        return _written_out(run, eqn, body, consts, whole, carry, xs)
    if run.strict and (xs or len(body.outvars) > n_carry):
        return NotImplemented  # a kernel has no arrays to take rows from
    differs = _differs(run, eqn, operands)
    layouts = [Layout.of(a, d) for a, d in zip(body.outvars, differs, strict=True)]

    def turn(state, rows):
        values = [layout.unpack(part) for layout, part in zip(layouts, state, strict=False)]
        rows = [unstack(row) if varies(x) else row for x, row in zip(xs, rows, strict=True)]
        out = run.run(body, consts, [*whole, *values, *rows])
        packed = [layout.pack(x, run.lanes) for layout, x in zip(layouts, out, strict=True)]
        return packed[:n_carry], packed[n_carry:]

    state = [layout.pack(x, run.lanes) for layout, x in zip(layouts, carry, strict=False)]
    # rows lead, lanes follow
    columns = [jnp.swapaxes(stack(x, run.lanes), 0, 1) if varies(x) else x for x in xs]
    state, rows = jax.lax.scan(turn, state, columns, length, reverse=eqn.params["reverse"])
    values = [layout.unpack(part) for layout, part in zip(layouts, state, strict=False)]
    return [*values, *[_rows(layout, part) for layout, part in zip(layouts[n_carry:], rows, strict=True)]]


def _rows(layout: Layout, parts: list[Array]) -> Value:
    """What a scan has put together: every part has a leading axis of rows."""
    if layout.kind == "one":
        return parts[0]
    if layout.kind == "stacked":
        return Stacked(jnp.swapaxes(parts[0], 0, 1))
    together = jnp.stack(parts, axis=-1).swapaxes(0, 1)
    return unstack(together.reshape(*together.shape[:2], *layout.shape))


def _written_out(run, eqn: JaxprEqn, body: Jaxpr, consts, whole, carry, xs) -> list[Value]:
    length, n_carry = eqn.params["length"], len(carry)
    rows: list[list[Value]] = [[] for _ in body.outvars[n_carry:]]
    places = range(length)
    for i in reversed(places) if eqn.params["reverse"] else places:
        here = [_row(x, i) for x in xs]
        out = run.run(body, consts, [*whole, *carry, *here])
        carry = out[:n_carry]
        for part, value in zip(rows, out[n_carry:], strict=True):
            part.append(value)
    if eqn.params["reverse"]:
        rows = [part[::-1] for part in rows]
    return [*carry, *[_together(run, part, v) for part, v in zip(rows, eqn.outvars[n_carry:], strict=True)]]


def _row(x: Value, i: int) -> Value:
    if isinstance(x, Stacked):
        return unstack(x.value[:, i])
    if isinstance(x, Scalars):
        return scalars(list(x.entries.reshape(x.shape[0], -1)[i]), x.shape[1:], x.dtype)
    return x[i]


def _together(run, parts: list[Value], atom) -> Value:
    if not any(map(varies, parts)):
        return jnp.stack([jnp.asarray(x) for x in parts])
    if size_of(atom) <= LARGEST and not any(isinstance(x, Stacked) for x in parts):
        entries = [entry for x in parts for entry in as_entries(x).ravel()]
        return scalars(entries, shape_of(atom), dtype_of(atom))
    return Stacked(jnp.stack([stack(x, run.lanes) for x in parts], axis=1))


def cond(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
    """One branch where lanes agree on it; else all of them, and a selection."""
    index, rest = operands[0], operands[1:]
    branches = [opened(b) for b in eqn.params["branches"]]
    if varies(index):
        place = widened(as_entries(index)[()], run.lanes, index.dtype)
        outs = [run.run(jaxpr, consts, rest) for jaxpr, consts in branches]
        layouts = [Layout.of(v, True) for v in eqn.outvars]
        chosen = [layout.pack(x, run.lanes) for layout, x in zip(layouts, outs[-1], strict=True)]
        for k in reversed(range(len(branches) - 1)):
            here = place <= k
            parts = [layout.pack(x, run.lanes) for layout, x in zip(layouts, outs[k], strict=True)]
            chosen = [x.chosen(here, a, b) for x, a, b in zip(layouts, parts, chosen, strict=True)]
        return [layout.unpack(part) for layout, part in zip(layouts, chosen, strict=True)]
    differs = _differs(run, eqn, operands)
    layouts = [Layout.of(v, d) for v, d in zip(eqn.outvars, differs, strict=True)]

    def branch(jaxpr, consts):
        def one():
            out = run.run(jaxpr, consts, rest)
            return [layout.pack(x, run.lanes) for layout, x in zip(layouts, out, strict=True)]

        return one

    parts = jax.lax.switch(index, [branch(*b) for b in branches])
    return [layout.unpack(part) for layout, part in zip(layouts, parts, strict=True)]


def linear_solve(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
    """The solution as its own code computes it; derivatives have been taken before."""
    jaxpr, consts, taken = linear_solve_parts(eqn)
    known = sum(eqn.params["const_lengths"])
    return run.run(jaxpr, consts, [*operands[taken], *operands[known:]])


RULES = {"while": while_loop, "scan": scan, "cond": cond, "custom_linear_solve": linear_solve}
