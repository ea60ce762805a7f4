"""DETEST, class D: orbits of two bodies, of eccentricity 0.1 to 0.9."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from .row import Row


def _orbit(t: Any, y: Float[Array, " 4"], args: Any) -> Float[Array, " 4"]:
    squares = y[0] ** 2 + y[1] ** 2
    cube = squares * jnp.sqrt(squares)
    return jnp.stack([y[2], y[3], -y[0] / cube, -y[1] / cube])


def _row(eccentricity: float, reference: tuple[float, ...]) -> Row:
    """An orbit from its perihelion; by Kepler's equation u - e sin u = t exact in the eccentric anomaly u."""
    e = eccentricity
    return Row(_orbit, (1 - e, 0.0, 0.0, ((1 + e) / (1 - e)) ** 0.5), reference, f"an orbit of eccentricity {e}")


CLASS_D = {
    "D1": _row(0.1, (*(0.21988353520083967, 0.9427076846341813, -0.9787659841058176, 0.3287977990962036),)),
    "D2": _row(0.3, (*(-0.17770273571404116, 0.9467784719905893, -1.0302941631929696, 0.12110748900539521),)),
    "D3": _row(0.5, (*(-0.5780432953035362, 0.8633840009194192, -0.9595083730380727, -0.06504915126712091),)),
    "D4": _row(0.7, (*(-0.9538990293416394, 0.6907409024219432, -0.8212674270877434, -0.15395742591258246),)),
    "D5": _row(0.9, (*(-1.2952662509875743, 0.4003938963792322, -0.6775390924707566, -0.12708381542786862),)),
}
