"""The Pleiades: seven stars in a plane that pass close to one another."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast


def _field(t: Any, y: Float[Array, " 28"], args: Any) -> Float[Array, " 28"]:
    masses = cast(y, args)
    at, velocity = y[:14].reshape(2, 7), y[14:]
    apart = at[:, None, :] - at[:, :, None]
    # a star does not pull itself: its difference is zero whatever the distance is set to
    squares = jnp.sum(apart**2, axis=0) + cast(y, np.eye(7))
    pull = masses * apart / (squares * jnp.sqrt(squares))
    return jnp.concatenate([velocity, jnp.sum(pull, axis=2).reshape(-1)])


def pleiades() -> InitialValueProblem:
    r"""Seven stars of masses 1, ..., 7 attract one another in a plane; two pairs come close.

    $$\ddot x_i = \sum_{j \ne i} m_j\, \frac{x_j - x_i}{r_{ij}^3}, \qquad
      \ddot y_i = \sum_{j \ne i} m_j\, \frac{y_j - y_i}{r_{ij}^3}, \qquad
      r_{ij}^2 = (x_i - x_j)^2 + (y_i - y_j)^2$$

    State $(x_1, \dots, x_7, y_1, \dots, y_7, \dot x_1, \dots, \dot y_7)$, t from 0 to 3; not stiff, but the close
    encounters need steps of very different lengths. `args`: the masses, shape (7,).

    Source: E. Hairer, S. P. Nørsett, G. Wanner, Solving Ordinary Differential Equations I (1993), II.10, problem PLEI;
    reference: F. Mazzia, C. Magherini, Test Set for Initial Value Problem Solvers, release 2.4 (Bari, 2008).

    >>> from sciml_jax.data import problems
    >>> p = problems.pleiades()
    >>> change = p.field(0.0, p.y0, p.args)[14:].reshape(2, 7) @ p.args
    >>> bool(abs(change).max() < 1e-5)     # of the momentum: no force from outside
    True
    """
    x, y = (3.0, 3.0, -1.0, -3.0, 2.0, -2.0, 2.0), (3.0, -3.0, 2.0, 0.0, 0.0, -4.0, 4.0)
    u, v = (0.0, 0.0, 0.0, 0.0, 0.0, 1.75, -1.5), (0.0, 0.0, 0.0, -1.25, 1.0, 0.0, 0.0)
    reference = (
        *(0.3706139143970502, 0.3237284092057233e1, -0.3222559032418324e1, 0.6597091455775310),
        *(0.3425581707156584, 0.1562172101400631e1, -0.7003092922212495),
        *(-0.3943437585517392e1, -0.3271380973972550e1, 0.5225081843456543e1, -0.2590612434977470e1),
        *(0.1198213693392275e1, -0.2429682344935824, 0.1091449240428980e1),
        *(0.3417003806314313e1, 0.1354584501625501e1, -0.2590065597810775e1, 0.2025053734714242e1),
        *(-0.1155815100160448e1, -0.8072988170223021, 0.5952396354208710),
        *(-0.3741244961234010e1, 0.3773459685750630, 0.9386858869551073, 0.3667922227200571),
        *(-0.3474046353808490, 0.2344915448180937e1, -0.1947020434263292e1),
    )
    return InitialValueProblem(
        "Pleiades",
        _field,
        (0.0, 3.0),
        np.array([*x, *y, *u, *v]),
        np.arange(1.0, 8.0),
        stiff=False,
        atol=1e-6,
        reference=np.array(reference),
        reference_digits=11,
        source="E. Hairer, S. P. Nørsett, G. Wanner, Solving ODEs I (1993), II.10; Test Set for IVP Solvers",
    )
