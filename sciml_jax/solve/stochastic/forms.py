"""Forms of a diffusion: how it and the noise make a change of the state, and which shape the noise has."""

from typing import Any

import jax
import lineax as lx
from jaxtyping import PyTree

from ...core import trees
from ...linalg import times_columns
from ..problem import State

NOISES = ("diagonal", "scalar", "additive", "commutative", "general")
ENTRIES, ONE, COLUMNS, OPERATOR = "entries", "one", "columns", "operator"


def form_of(noise: str, value: PyTree, y: State) -> str:
    """The form of a diffusion from its abstract value; raises where that does not fit the kind of noise."""
    if isinstance(value, lx.AbstractLinearOperator):
        if noise in ("diagonal", "scalar"):
            raise ValueError(f"a lineax operator is noise='general', 'commutative' or 'additive', not {noise!r}")
        return OPERATOR
    ours: Any = jax.tree.structure(y)
    if jax.tree.structure(value) != ours:
        raise TypeError(
            f"diffusion must return a pytree like y0, {trees.describe(y)}; it returned {trees.describe(value)}"
        )
    pairs = list(zip(jax.tree.leaves(value), jax.tree.leaves(y), strict=True))
    same = all(g.shape == u.shape for g, u in pairs)
    columns = all(g.ndim == u.ndim + 1 and g.shape[:-1] == u.shape for g, u in pairs)
    wanted = {"diagonal": same, "scalar": same, "additive": same or columns}.get(noise, columns)
    if not wanted:
        shapes = ", ".join(f"{g.shape} for {u.shape}" for g, u in pairs)
        cure = "one more axis than its leaf of y0, that of the noises" if noise in ("general", "commutative") else ""
        cure = cure or "the shape of its leaf of y0" + (", or one more axis" if noise == "additive" else "")
        raise ValueError(f"a diffusion with noise={noise!r} must have {cure}; got {shapes}")
    if same:
        return ONE if noise == "scalar" else ENTRIES
    counts = {g.shape[-1] for g, _ in pairs}
    if len(counts) > 1:
        raise ValueError(f"the last axis of every leaf of the diffusion is that of the noises; lengths {counts} differ")
    return COLUMNS


def noise_shape(form: str, value: PyTree, y: State) -> Any:
    """The shape of the noise, or a pytree of shapes."""
    if form == OPERATOR:
        return jax.tree.map(lambda x: tuple(x.shape), value.in_structure())
    if form == ENTRIES:
        return jax.tree.map(lambda x: tuple(x.shape), y)
    return () if form == ONE else (jax.tree.leaves(value)[0].shape[-1],)


def apply(form: str, g: PyTree, w: State) -> State:
    """g dW, shaped like the state."""
    if form == OPERATOR:
        return g.mv(w)
    if form == ENTRIES:
        return jax.tree.map(lambda x, z: x * z, g, w)
    if form == ONE:
        return jax.tree.map(lambda x: x * w, g)
    return jax.tree.map(lambda x: times_columns(x, w), g)
