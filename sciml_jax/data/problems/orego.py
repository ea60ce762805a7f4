"""The Oregonator: the oscillating reaction of Belousov and Zhabotinsky."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast


def _field(t: Any, y: Float[Array, " 3"], args: Any) -> Float[Array, " 3"]:
    s, q, w = cast(y, args)
    return jnp.stack(
        [
            s * (y[1] + y[0] * (1 - q * y[0] - y[1])),
            (y[2] - (1 + y[0]) * y[1]) / s,
            w * (y[0] - y[2]),
        ]
    )


def _jacobian(t: Any, y: Float[Array, " 3"], args: Any) -> Float[Array, "3 3"]:
    s, q, w = cast(y, args)
    zero = jnp.zeros_like(y[0])
    rows = [
        [s * (1 - 2 * q * y[0] - y[1]), s * (1 - y[0]), zero],
        [-y[1] / s, -(1 + y[0]) / s, 1 / s + zero],
        [w + zero, zero, -w + zero],
    ]
    return jnp.stack([jnp.stack(row) for row in rows])


def orego() -> InitialValueProblem:
    r"""The Oregonator, three species of the Belousov-Zhabotinsky reaction: a relaxation oscillation.

    $$\dot y_1 = s\,(y_2 + y_1 (1 - q y_1 - y_2)), \quad \dot y_2 = \frac{y_3 - (1 + y_1) y_2}{s}, \quad
      \dot y_3 = w\,(y_1 - y_3), \qquad y(0) = (1, 2, 3)$$

    HBrO2, Br- and Ce(IV), scaled; components run over five decades (to 1e5) in spikes, once in about 303 units of time.
    `args` = $(s, q, w)$ = (77.27, 8.375e-6, 0.161); t from 0 to 360.

    Source: R. J. Field, R. M. Noyes, Oscillations in chemical systems IV, J. Chem. Phys. 60 (1974) 1877-1884,
    doi:10.1063/1.1681288; E. Hairer, G. Wanner, Solving Ordinary Differential Equations II (1996), IV.10; reference:
    F. Mazzia, C. Magherini, Test Set for Initial Value Problem Solvers, release 2.4 (Bari, 2008), problem OREGO.

    >>> from sciml_jax.data import problems
    >>> p = problems.orego()
    >>> [round(float(v), 3) for v in p.field(0.0, p.y0, p.args)]
    [77.269, -0.013, -0.322]
    """
    return InitialValueProblem(
        "OREGO",
        _field,
        (0.0, 360.0),
        np.array([1.0, 2.0, 3.0]),
        (77.27, 8.375e-6, 0.161),
        jacobian=_jacobian,
        stiff=True,
        atol=1e-6,
        reference=np.array([0.1000814870318523e1, 0.1228178521549917e4, 0.1320554942846706e3]),
        reference_digits=12,
        source="R. J. Field, R. M. Noyes, J. Chem. Phys. 60 (1974); Test Set for IVP Solvers, problem OREGO",
    )
