"""A job as a flat list of arrays, with the places of those that derivatives can move."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, PyTree

from ..job import Job


def is_inexact(x: Any) -> bool:
    """Whether a leaf is an array of floating-point or complex numbers."""
    return eqx.is_array(x) and jnp.issubdtype(x.dtype, jnp.inexact)


class Leaves:
    """Flattens jobs of one structure; remembers which leaves are arrays, and the other ones as they are."""

    def __init__(self, job: Job):
        flat, self.tree = jax.tree.flatten(job)
        self.fixed = [None if eqx.is_array(x) else x for x in flat]
        self.arrays = [eqx.is_array(x) for x in flat]

    def flatten(self, job: Job) -> list[Array]:
        """The array leaves of a job."""
        return [x for x in jax.tree.leaves(job) if eqx.is_array(x)]

    def unflatten(self, arrays: Sequence[Array]) -> Job:
        """The job with these array leaves."""
        values = iter(arrays)
        return jax.tree.unflatten(
            self.tree, [next(values) if a else x for a, x in zip(self.arrays, self.fixed, strict=True)]
        )

    def places(self, select: Callable[[Job], PyTree]) -> list[int]:
        """The positions, among the array leaves, of those in the parts of the job that `select` returns."""
        places: list[Any] = [_Place(i) for i in range(sum(self.arrays))]
        marked = self.unflatten(places)
        return [leaf.index for leaf in jax.tree.leaves(select(marked)) if isinstance(leaf, _Place)]


@dataclass(frozen=True)
class _Place:
    """Stands for an array leaf where only its position matters."""

    index: int


class Flags(eqx.Module):
    """Booleans known while tracing, passed from the forward to the backward pass as structure."""

    flags: tuple[bool, ...] = eqx.field(static=True)


def perturbed(arrays: Sequence[Any]) -> tuple[list[Array], Flags]:
    """The values of the arguments of a forward rule with symbolic zeros, and which of them move."""
    return [x.value for x in arrays], Flags(tuple(bool(x.perturbed) and is_inexact(x.value) for x in arrays))


def kept_arrays(kept: PyTree) -> PyTree:
    """What a forward rule has kept, as arrays again: where the derivative is that of a `jit`, JAX hands what was known
    while tracing to the backward rule as numbers and NumPy's arrays, which Equinox does not take for arrays."""
    literal = lambda x: hasattr(x, "dtype") and not isinstance(x, jax.Array)  # noqa: E731
    return jax.tree.map(lambda x: jnp.asarray(x, x.dtype) if literal(x) else x, kept)


def is_symbolic_zero(x: Any) -> bool:
    """Whether a cotangent is zero by structure."""
    return isinstance(x, SymbolicZero)


def filled(cotangent: PyTree) -> PyTree:
    """Cotangents with zeros for symbolic ones, and `None` for what is no inexact array."""

    def leaf(x: Any):
        if not is_symbolic_zero(x):
            return x
        return jnp.zeros(x.shape, x.dtype) if jnp.issubdtype(x.dtype, jnp.inexact) else None

    return jax.tree.map(leaf, cotangent, is_leaf=is_symbolic_zero)
