"""What of a model trains: its parts, and the way from them back to a model."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..core.entry import Static
from ..core.frozen import is_frozen

Params = PyTree[Float[Array, "..."]]


class Parts(eqx.Module):
    """A model without its trainable values: `join` puts them back.

    `arrays` are traced and not trained (integers, keys, `Frozen`), `rest` is everything else (functions, sizes);
    `dtypes` are those of the trainable leaves, as the user gave them.
    """

    arrays: PyTree
    rest: Static
    dtypes: tuple[str, ...]


def split(model: PyTree) -> tuple[Params, Parts]:
    """The trainable leaves of a model and the rest of it.

    Every floating-point or complex array trains unless it is `Frozen`. A complex leaf of shape `s` becomes a real one
    of shape `(2, *s)`: optimisers then see a real problem, without conventions about conjugation.
    """
    chosen = jax.tree.map(lambda x: False if is_frozen(x) else eqx.is_inexact_array(x), model, is_leaf=is_frozen)
    params, others = eqx.partition(model, chosen)
    arrays, rest = eqx.partition(others, eqx.is_array)
    leaves, treedef = jax.tree.flatten(rest)
    dtypes = tuple(np.dtype(leaf.dtype).name for leaf in jax.tree.leaves(params))
    return jax.tree.map(_to_real, params), Parts(arrays, Static(treedef, leaves), dtypes)


def join(params: Params, parts: Parts, double: bool = False) -> PyTree:
    """The model with these parameters, in the dtypes it was given in; with `double`, in their 64-bit counterparts."""
    leaves, treedef = jax.tree.flatten(params)
    values = [_from_real(x, dtype, double) for x, dtype in zip(leaves, parts.dtypes, strict=True)]
    arrays = to_double(parts.arrays) if double else parts.arrays
    return eqx.combine(jax.tree.unflatten(treedef, values), arrays, parts.rest.join([]))


def to_double(tree: PyTree) -> PyTree:
    """Floating-point leaves as float64, complex ones as complex128, all others as they are."""

    def leaf(x: Any) -> Any:
        if not eqx.is_inexact_array(x):
            return x
        return jnp.asarray(x).astype(jnp.complex128 if jnp.iscomplexobj(x) else jnp.float64)

    return jax.tree.map(leaf, tree)


def cast_params(params: Params, parts: Parts, double: bool) -> Params:
    """The parameters in the precision of a stage: float64, or the dtypes that the model was given in."""
    leaves, treedef = jax.tree.flatten(params)
    dtypes = ["float64" if double else _real_dtype(name) for name in parts.dtypes]
    return jax.tree.unflatten(treedef, [jnp.asarray(x, dtype) for x, dtype in zip(leaves, dtypes, strict=True)])


def _to_real(x: Array) -> Float[Array, "..."]:
    x = jnp.asarray(x)
    return jnp.stack([x.real, x.imag]) if jnp.iscomplexobj(x) else x


def _from_real(x: Float[Array, "..."], dtype: str, double: bool) -> Array:
    if dtype.startswith("complex"):
        return jax.lax.complex(x[0], x[1]).astype("complex128" if double else dtype)
    return x.astype("float64" if double else dtype)


def _real_dtype(name: str) -> str:
    return {"complex64": "float32", "complex128": "float64"}.get(name, name)
