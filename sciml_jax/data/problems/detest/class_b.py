"""DETEST, class B: small systems."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from .row import Row


def _b1(t: Any, y: Float[Array, " 2"], args: Any) -> Float[Array, " 2"]:
    both = y[0] * y[1]
    return jnp.stack([2 * (y[0] - both), both - y[1]])


def _b2(t: Any, y: Float[Array, " 3"], args: Any) -> Float[Array, " 3"]:
    return jnp.stack([y[1] - y[0], y[0] - 2 * y[1] + y[2], y[1] - y[2]])


def _b3(t: Any, y: Float[Array, " 3"], args: Any) -> Float[Array, " 3"]:
    return jnp.stack([-y[0], y[0] - y[1] ** 2, y[1] ** 2])


def _b4(t: Any, y: Float[Array, " 3"], args: Any) -> Float[Array, " 3"]:
    r = jnp.sqrt(y[0] ** 2 + y[1] ** 2)
    return jnp.stack([-y[1] - y[0] * y[2] / r, y[0] - y[1] * y[2] / r, y[0] / r])


def _b5(t: Any, y: Float[Array, " 3"], args: Any) -> Float[Array, " 3"]:
    return jnp.stack([y[1] * y[2], -y[0] * y[2], -0.51 * y[0] * y[1]])


CLASS_B = {
    "B1": Row(_b1, (1.0, 3.0), (0.6761876008576604, 0.18608160996400303), "the growth of two conflicting populations"),
    "B2": Row(_b2, (2.0, 0.0, 1.0), (1.0000000010305767, 1.0, 0.9999999989694232), "a linear chemical reaction"),
    "B3": Row(
        _b3,
        (1.0, 0.0, 0.0),
        (2.061153622438557e-09, 0.052572280220485115, 0.9474277177183611),
        "a nonlinear chemical reaction",
    ),
    "B4": Row(
        _b4,
        (3.0, 0.0, 0.0),
        (0.9826950928006538, 2.1984470816949315, 0.9129452507276274),
        "the integral surface of a torus",
    ),
    "B5": Row(
        _b5,
        (0.0, 1.0, 1.0),
        (-0.9396570798729201, -0.34211777540007604, 0.7414126596199955),
        "Euler's equations of a rigid body without external forces",
    ),
}
