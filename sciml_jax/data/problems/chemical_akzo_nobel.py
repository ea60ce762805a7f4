"""Chemical Akzo Nobel: two species mixed while carbon dioxide flows in; a differential-algebraic system of index 1."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast

# k1, k2, k3, k4, K, klA, Ks, p(CO2), H
_CONSTANTS = (18.7, 0.58, 0.09, 0.42, 34.4, 3.3, 115.83, 0.9, 737.0)


def _field(t: Any, y: Float[Array, " 6"], args: Any) -> Float[Array, " 6"]:
    k1, k2, k3, k4, big_k, kla, ks, pressure, henry = cast(y, args)
    a, b, c, d, e, f = y
    root = jnp.sqrt(b)
    r1, r2, r3 = k1 * a**4 * root, k2 * c * d, k2 / big_k * a * e
    r4, r5, inflow = k3 * a * d**2, k4 * f**2 * root, kla * (pressure / henry - b)
    return jnp.stack(
        [
            -2 * r1 + r2 - r3 - r4,
            -r1 / 2 - r4 - r5 / 2 + inflow,
            r1 - r2 + r3,
            -r2 + r3 - 2 * r4,
            r2 - r3 + r5,
            ks * a * d - f,
        ]
    )


def chemical_akzo_nobel() -> InitialValueProblem:
    r"""Five reactions of FLB, CO2, FLBT, ZHU and ZLA, with the complex FLB.ZHU in equilibrium: index 1, six unknowns.

    $$\dot y_1 = -2 r_1 + r_2 - r_3 - r_4, \quad \dot y_2 = -\tfrac12 r_1 - r_4 - \tfrac12 r_5 + F, \quad
      \dot y_3 = r_1 - r_2 + r_3$$
    $$\dot y_4 = -r_2 + r_3 - 2 r_4, \quad \dot y_5 = r_2 - r_3 + r_5, \quad 0 = K_s y_1 y_4 - y_6$$
    $$r_1 = k_1 y_1^4 \sqrt{y_2}, \; r_2 = k_2 y_3 y_4, \; r_3 = \tfrac{k_2}{K} y_1 y_5, \; r_4 = k_3 y_1 y_4^2, \;
      r_5 = k_4 y_6^2 \sqrt{y_2}, \; F = k_l A\, (p / H - y_2)$$

    M = diag(1, 1, 1, 1, 1, 0), concentrations in mol/l, t from 0 to 180 minutes; mildly stiff. $y_2 \ge 0$ is needed
    for the root. `args` = $(k_1, k_2, k_3, k_4, K, k_l A, K_s, p, H)$.

    Source: W. J. H. Stortelder, Parameter Estimation in Nonlinear Dynamical Systems, thesis, Amsterdam 1998; reference:
    F. Mazzia, C. Magherini, Test Set for Initial Value Problem Solvers, release 2.4 (Bari, 2008), problem CHEMAKZO.

    >>> from sciml_jax.data import problems
    >>> p = problems.chemical_akzo_nobel()
    >>> bool(abs(p.residual(0.0, p.y0, p.dy0, p.args)).max() < 1e-6)
    True
    """
    k1, k2, k3, k4, _, kla, ks, pressure, henry = _CONSTANTS
    a, b, d = 0.444, 0.00123, 0.007
    y0 = np.array([a, b, 0.0, d, 0.0, ks * a * d])
    r1, r4, r5 = k1 * a**4 * b**0.5, k3 * a * d**2, k4 * y0[5] ** 2 * b**0.5
    dy0 = np.array([-2 * r1 - r4, -(r1 + r5) / 2 - r4 + kla * (pressure / henry - b), r1, -2 * r4, r5, 0.0])
    # the constraint, differentiated
    dy0[5] = ks * (dy0[0] * d + a * dy0[3])
    reference = (
        *(0.1150794920661702, 0.1203831471567715e-2, 0.1611562887407974),
        *(0.3656156421249283e-3, 0.1708010885264404e-1, 0.4873531310307455e-2),
    )
    return InitialValueProblem(
        "Chemical Akzo Nobel",
        _field,
        (0.0, 180.0),
        y0,
        _CONSTANTS,
        mass=np.diag([1.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
        dy0=dy0,
        stiff=True,
        atol=1e-9,
        reference=np.array(reference),
        reference_digits=12,
        source="W. J. H. Stortelder, thesis, Amsterdam 1998; Test Set for IVP Solvers, problem CHEMAKZO",
    )
