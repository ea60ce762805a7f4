"""Euler's equations of a rigid body."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast


def _field(t: Any, y: Float[Array, " 3"], args: Any) -> Float[Array, " 3"]:
    a, b, c = cast(y, args)
    return jnp.stack([a * y[1] * y[2], b * y[2] * y[0], c * y[0] * y[1]])


def rigid_body() -> InitialValueProblem:
    r"""Euler's equations: the angular velocity of a body that turns freely, in the body's axes.

    $$\dot y_1 = a\, y_2 y_3, \quad \dot y_2 = b\, y_3 y_1, \quad \dot y_3 = c\, y_1 y_2, \qquad y(0) = (1, 0, 0.9)$$

    with a = -2, b = 1.25, c = -0.5 (`args`), t from 0 to 20. The solution is exact in Jacobi's elliptic functions:
    $y = (\mathrm{cn},\ \sqrt{-b/a}\ \mathrm{sn},\ 0.9\ \mathrm{dn})$ of $(\omega t \,|\, m)$ with
    $\omega = 0.9 \sqrt{-a b}$ and $m = c / (a\, 0.9^2)$.

    Source: E. Hairer, S. P. Nørsett, G. Wanner, Solving Ordinary Differential Equations I (1993), II.10, problem EULR
    (without the moment from outside).

    >>> from sciml_jax.data import problems
    >>> p = problems.rigid_body()
    >>> p.field(0.0, p.y0, p.args).tolist()
    [0.0, 1.125, 0.0]
    """
    return InitialValueProblem(
        "Rigid body",
        _field,
        (0.0, 20.0),
        np.array([1.0, 0.0, 0.9]),
        (-2.0, 1.25, -0.5),
        stiff=False,
        atol=1e-6,
        reference=np.array([0.60620385396481222, 0.62874721045017797, 0.80738514857560258]),
        reference_digits=14,
        source="E. Hairer, S. P. Nørsett, G. Wanner, Solving ODEs I (1993), II.10, problem EULR",
    )
