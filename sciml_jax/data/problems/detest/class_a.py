"""DETEST, class A: single equations."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..problem import cast
from .row import Row


def _a1(t: Any, y: Float[Array, " 1"], args: Any) -> Float[Array, " 1"]:
    return -y


def _a2(t: Any, y: Float[Array, " 1"], args: Any) -> Float[Array, " 1"]:
    return -(y**3) / 2


def _a3(t: Any, y: Float[Array, " 1"], args: Any) -> Float[Array, " 1"]:
    return y * jnp.cos(cast(y, t))


def _a4(t: Any, y: Float[Array, " 1"], args: Any) -> Float[Array, " 1"]:
    return y / 4 * (1 - y / 20)


def _a5(t: Any, y: Float[Array, " 1"], args: Any) -> Float[Array, " 1"]:
    t = cast(y, t)
    return (y - t) / (y + t)


# Exact but for the spiral: exp(-t), (1 + t)^(-1/2), exp(sin t), the logistic curve 20 / (1 + 19 exp(-t / 4)).
CLASS_A = {
    "A1": Row(_a1, (1.0,), (2.061153622438557828e-9,), "the negative exponential"),
    "A2": Row(_a2, (1.0,), (0.2182178902359923919,), "a special case of the Riccati equation"),
    "A3": Row(_a3, (1.0,), (2.491650271850413855,), "an oscillatory problem"),
    "A4": Row(_a4, (1.0,), (17.73016648131483288,), "a logistic curve"),
    "A5": Row(_a5, (4.0,), (-0.7887826688964015,), "a spiral curve"),
}
