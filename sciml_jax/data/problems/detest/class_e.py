"""DETEST, class E: equations of higher order."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..problem import cast
from .row import Row


def _e1(t: Any, y: Float[Array, " 2"], args: Any) -> Float[Array, " 2"]:
    s = cast(y, t) + 1
    return jnp.stack([y[1], -(y[1] / s + (1 - 0.25 / s**2) * y[0])])


def _e2(t: Any, y: Float[Array, " 2"], args: Any) -> Float[Array, " 2"]:
    return jnp.stack([y[1], (1 - y[0] ** 2) * y[1] - y[0]])


def _e3(t: Any, y: Float[Array, " 2"], args: Any) -> Float[Array, " 2"]:
    return jnp.stack([y[1], y[0] ** 3 / 6 - y[0] + 2 * jnp.sin(2.78535 * cast(y, t))])


def _e4(t: Any, y: Float[Array, " 2"], args: Any) -> Float[Array, " 2"]:
    return jnp.stack([y[1], 0.032 - 0.4 * y[1] ** 2])


def _e5(t: Any, y: Float[Array, " 2"], args: Any) -> Float[Array, " 2"]:
    return jnp.stack([y[1], jnp.sqrt(1 + y[1] ** 2) / (25 - cast(y, t))])


# E1 starts on J_1/2(t + 1) = sqrt(2 / (pi (t + 1))) sin(t + 1).
CLASS_E = {
    "E1": Row(
        _e1,
        (0.6713967071418031, 0.09540051444747446),
        (0.1456723600728247, -0.0988350019557458),
        "Bessel's equation of order 1/2",
    ),
    "E2": Row(_e2, (2.0, 0.0), (2.0081497621749484, -0.042508875273202094), "Van der Pol's equation"),
    "E3": Row(_e3, (0.0, 0.0), (-0.1004178858647235, 0.24114001320959536), "Duffing's equation"),
    "E4": Row(_e4, (30.0, 0.0), (33.95091444646556, 0.2767822659672868), "a falling body in a resisting medium"),
    "E5": Row(_e5, (0.0, 0.0), (14.117973905426254, 2.4), "a linear pursuit"),
}
