"""HIRES: how light steers the growth of a plant, in eight reactants."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast

# k1 ... k6, k+, k-, k*, and the source of phytochrome.
_RATES = (1.71, 0.43, 8.32, 0.69, 0.035, 8.32, 280.0, 0.69, 0.69, 0.0007)


def _field(t: Any, y: Float[Array, " 8"], args: Any) -> Float[Array, " 8"]:
    k1, k2, k3, k4, k5, k6, k_plus, k_minus, k_star, source = cast(y, args)
    a, b, c, d, e, f, g, h = y
    bound = k_plus * f * h
    return jnp.stack(
        [
            -k1 * a + k2 * b + k6 * c + source,
            k1 * a - (k2 + k3) * b,
            -(k6 + k1) * c + k2 * d + k5 * e,
            k3 * b + k1 * c - (k4 + k2) * d,
            -(k1 + k5) * e + k2 * (f + g),
            -bound + k4 * d + k1 * e - k2 * f + k_minus * g,
            bound - (k_minus + k2 + k_star) * g,
            -bound + (k_minus + k2 + k_star) * g,
        ]
    )


def hires() -> InitialValueProblem:
    r"""High irradiance response of photomorphogenesis: eight chemical species, rates over five decades.

    $$\dot y_1 = -1.71 y_1 + 0.43 y_2 + 8.32 y_3 + 0.0007, \quad \dot y_2 = 1.71 y_1 - 8.75 y_2, \quad
      \dot y_3 = -10.03 y_3 + 0.43 y_4 + 0.035 y_5$$
    $$\dot y_4 = 8.32 y_2 + 1.71 y_3 - 1.12 y_4, \quad \dot y_5 = -1.745 y_5 + 0.43 (y_6 + y_7)$$
    $$\dot y_6 = -280 y_6 y_8 + 0.69 y_4 + 1.71 y_5 - 0.43 y_6 + 0.69 y_7, \quad
      \dot y_7 = 280 y_6 y_8 - 1.81 y_7, \quad \dot y_8 = -\dot y_7$$

    from (1, 0, ..., 0, 0.0057), t from 0 to 321.8122, when the active form of phytochrome is used up suddenly.
    `args` = $(k_1, \dots, k_6, k_+, k_-, k^*, \mathrm{source})$, of which the numbers above are sums.

    Source: E. Schäfer, A new approach to explain the "high irradiance responses" of photomorphogenesis on the basis of
    phytochrome, J. Math. Biology 2 (1975) 41-56, doi:10.1007/BF00276015; reference: F. Mazzia, C. Magherini, Test Set
    for Initial Value Problem Solvers, release 2.4 (Bari, 2008), problem HIRES.

    >>> from sciml_jax.data import problems
    >>> p = problems.hires()
    >>> [round(float(v), 5) for v in p.field(0.0, p.y0, p.args)]
    [-1.7093, 1.71, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    reference = (
        *(0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2),
        *(0.2386356198831331e-2, 0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2),
    )
    return InitialValueProblem(
        "HIRES",
        _field,
        (0.0, 321.8122),
        np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057]),
        _RATES,
        stiff=True,
        atol=1e-10,
        reference=np.array(reference),
        reference_digits=12,
        source="E. Schäfer, J. Math. Biology 2 (1975); Test Set for IVP Solvers, problem HIRES",
    )
