"""Many copies of a model at once: stacked, trained side by side, and taken apart again."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, PyTree

from ..core.trees import all_finite
from ..train import AbstractStage, adam

UNSOLVED = 1e6
"""The loss of a copy whose loss is not finite."""


def stack(models: Sequence[PyTree]) -> PyTree:
    """Models of one structure as one, with a new leading axis on every array.

    **Raises:** `ValueError` for no models, or for structures that differ.

    >>> import jax, jax.numpy as jnp
    >>> from sciml_jax.models import pick, stack
    >>> pick(stack([{"a": jnp.ones(2)}, {"a": jnp.zeros(2)}]), 1)["a"].tolist()
    [0.0, 0.0]
    """
    if not models:
        raise ValueError("stack needs at least one model")
    arrays, rest = zip(*[eqx.partition(model, eqx.is_array) for model in models], strict=True)
    if len({jax.tree.structure(one) for one in arrays}) > 1:
        raise ValueError("stack needs models of one structure: the same classes, sizes and functions")
    return eqx.combine(jax.tree.map(lambda *xs: jnp.stack(xs), *arrays), rest[0])


def pick(models: PyTree, index: Any) -> PyTree:
    """One of stacked models, or some of them where `index` is an array of integers."""
    return jax.tree.map(lambda x: x[index] if eqx.is_array(x) else x, models)


@cache
def cooling_adam(steps: int, lr: float) -> AbstractStage:
    """Adam whose rate falls to zero along a cosine; the same stage for the same numbers, so that nothing recompiles."""
    return adam(steps, optax.cosine_decay_schedule(lr, max(steps, 1)))


@cache
def side_by_side(loss: Callable[..., Float[Array, ""]]) -> Callable:
    r"""An objective for `fit` that trains stacked models independently of one another, $\mathcal L = \sum_k L_k$.

    The gradient of a copy depends on that copy alone, and so does every step of an optimiser that works entry by entry
    (`adam`): all starts of a search, with their own data if need be, are one compiled program. A copy with a loss that
    is not finite counts `UNSOLVED`, and where its gradient is not finite it stands still: it does not end the others.

    **Arguments:** `loss(model, *data)` of one copy. The same function gives the same objective, so that nothing
    recompiles.

    **Batch:** `(shared, own)`, two tuples of arrays: `loss(model, *shared, *own)`, where those in `own` have the copies
    along their leading axis.

    **Returns:** the objective; its term `"best"` is the loss of the best copy.

    >>> import jax, jax.numpy as jnp
    >>> from sciml_jax import train
    >>> from sciml_jax.models import side_by_side
    >>> def loss(x, power, target):
    ...     return (x**power - target) ** 2
    >>> target = jnp.array([1.0, 4.0])
    >>> x, data, key = jnp.array([0.5, 3.0]), ((2.0,), (target,)), jax.random.key(0)
    >>> result = train.fit(x, side_by_side(loss), stages=train.adam(300, 0.05), data=data, key=key, progress=False)
    >>> result.model.round(2).tolist()
    [1.0, 2.0]
    """

    def guarded(model, shared, own):
        arrays, rest = eqx.partition(model, eqx.is_inexact_array)
        value = loss(eqx.combine(_finite_gradient(arrays), rest), *shared, *own)
        return jnp.where(jnp.isfinite(value), value, UNSOLVED)

    def objective(models, batch, key):
        shared, own = batch
        losses = eqx.filter_vmap(guarded, in_axes=(eqx.if_array(0), None, 0))(models, shared, own)
        return jnp.sum(losses), {"best": jnp.min(losses)}

    return objective


@jax.custom_vjp
def _finite_gradient(x: PyTree) -> PyTree:
    """`x`; where any entry of its gradient is not finite, all of it is zero."""
    return x


def _forward(x):
    return x, None


def _backward(_, gradient):
    ok: Bool[Array, ""] = all_finite(gradient)
    return (jax.tree.map(lambda g: jnp.where(ok, g, 0), gradient),)


_finite_gradient.defvjp(_forward, _backward)
