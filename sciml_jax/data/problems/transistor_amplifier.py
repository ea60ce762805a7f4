"""The transistor amplifier: a circuit whose mass matrix is singular and not diagonal."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast

# U_b, U_F, alpha, beta, R0, and R1 = ... = R9
_CONSTANTS = (6.0, 0.026, 0.99, 1e-6, 1e3, 9e3)


def _field(t: Any, y: Float[Array, " 8"], args: Any) -> Float[Array, " 8"]:
    t, (supply, thermal, alpha, beta, r0, r) = cast(y, t, args)
    u1, u2, u3, u4, u5, u6, u7, u8 = y
    signal = 0.1 * jnp.sin(200 * jnp.pi * t)
    g23, g56 = (beta * (jnp.exp(v / thermal) - 1) for v in (u2 - u3, u5 - u6))
    return jnp.stack(
        [
            (u1 - signal) / r0,
            u2 / r + (u2 - supply) / r + (1 - alpha) * g23,
            u3 / r - g23,
            (u4 - supply) / r + alpha * g23,
            u5 / r + (u5 - supply) / r + (1 - alpha) * g56,
            u6 / r - g56,
            (u7 - supply) / r + alpha * g56,
            u8 / r,
        ]
    )


def _mass() -> np.ndarray:
    """The five capacitors, k microfarad each for k = 1, ..., 5: between two nodes, or between a node and the earth."""
    mass = np.zeros((8, 8))
    for k, nodes in enumerate(((0, 1), (2,), (3, 4), (5,), (6, 7)), start=1):
        for i in nodes:
            for j in nodes:
                mass[i, j] = k * 1e-6 * (-1 if i == j else 1)
    return mass


def _slopes() -> np.ndarray:
    """dy/dt at t = 0: from the differential equations, and from the algebraic ones differentiated."""
    supply, thermal, alpha, beta, r0, r = _CONSTANTS
    g = beta / thermal
    d3, d6 = -supply / (2 * 2e-6 * r), -supply / (2 * 4e-6 * r)
    d2 = (20 * np.pi / r0 + (1 - alpha) * g * d3) / (1 / r0 + 2 / r + (1 - alpha) * g)
    d5 = ((1 - alpha) * g * d6 - alpha * g * (d2 - d3)) / (3 / r + (1 - alpha) * g)
    d7 = -alpha * g * (d5 - d6) * r / 2
    return np.array([d2, d2, d3, d5, d5, d6, d7, d7])


def transistor_amplifier() -> InitialValueProblem:
    r"""Two transistors amplify a signal of 0.1 V and 100 Hz: the voltages at eight nodes, index 1, stiff.

    $$M \dot y = f(t, y), \quad f_1 = \frac{y_1 - U_e(t)}{R_0}, \quad
      f_2 = \frac{y_2}{R_1} + \frac{y_2 - U_b}{R_2} + (1 - \alpha)\, g(y_2 - y_3), \; \dots \quad
      g(u) = \beta\, (e^{u / U_F} - 1), \quad U_e = 0.1 \sin 200 \pi t$$

    M, of rank 5, has the blocks $C_1 [[-1, 1], [1, -1]]$, $-C_2$, $C_3 [[-1, 1], [1, -1]]$, $-C_4$,
    $C_5 [[-1, 1], [1, -1]]$ with $C_k = k \cdot 10^{-6}$; the sums of the rows of a block are the algebraic equations
    (the currents through both sides of a capacitor). t from 0 to 0.2 s.
    `args` = $(U_b, U_F, \alpha, \beta, R_0, R)$, with $R_1 = \dots = R_9 = R$.

    Source: P. Rentrop, M. Roche, G. Steinebach, The application of Rosenbrock-Wanner type methods with stepsize control
    in differential-algebraic equations, Numer. Math. 55 (1989) 545-563, doi:10.1007/BF01398915; reference: F. Mazzia,
    C. Magherini, Test Set for Initial Value Problem Solvers, release 2.4 (Bari, 2008), problem TRANSAMP.

    >>> from sciml_jax.data import problems
    >>> p = problems.transistor_amplifier()
    >>> bool(abs(p.residual(0.0, p.y0, p.dy0, p.args)).max() < 1e-6)
    True
    """
    supply = _CONSTANTS[0]
    # no current flows in the transistors, and none through the capacitors between two nodes
    y0 = np.array([0.0, supply / 2, supply / 2, supply, supply / 2, supply / 2, supply, 0.0])
    reference = (
        *(-0.5562145012262709e-2, 0.3006522471903042e1, 0.2849958788608128e1, 0.2926422536206241e1),
        *(0.2704617865010554e1, 0.2761837778393145e1, 0.4770927631616772e1, 0.1236995868091548e1),
    )
    return InitialValueProblem(
        "Transistor amplifier",
        _field,
        (0.0, 0.2),
        y0,
        _CONSTANTS,
        mass=_mass(),
        dy0=_slopes(),
        stiff=True,
        atol=1e-6,
        reference=np.array(reference),
        reference_digits=12,
        source="P. Rentrop, M. Roche, G. Steinebach, Numer. Math. 55 (1989); Test Set for IVP Solvers, TRANSAMP",
    )
