"""The Arenstorf orbit: a satellite that comes back, in the field of the earth and the moon."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast


def _field(t: Any, z: Float[Array, " 4"], args: Any) -> Float[Array, " 4"]:
    (mu,) = cast(z, args)
    x, y, u, v = z
    d1, d2 = ((x + mu) ** 2 + y**2) ** 1.5, ((x + mu - 1) ** 2 + y**2) ** 1.5
    earth, moon = (1 - mu) / d1, mu / d2
    return jnp.stack(
        [
            u,
            v,
            x + 2 * v - earth * (x + mu) - moon * (x + mu - 1),
            y - 2 * u - earth * y - moon * y,
        ]
    )


def arenstorf() -> InitialValueProblem:
    r"""A periodic orbit of the restricted three-body problem with four loops, in rotating coordinates; one period.

    $$\ddot x = x + 2 \dot y - \mu' \frac{x + \mu}{D_1} - \mu \frac{x - \mu'}{D_2}, \quad
      \ddot y = y - 2 \dot x - \mu' \frac{y}{D_1} - \mu \frac{y}{D_2}$$
    $$D_1 = ((x + \mu)^2 + y^2)^{3/2}, \quad D_2 = ((x - \mu')^2 + y^2)^{3/2}, \quad \mu' = 1 - \mu$$

    The earth stands at $-\mu$, the moon at $\mu'$; the orbit starts close to the moon, so steps must vary a
    thousandfold, and early errors grow a hundred-thousandfold. State $(x, y, \dot x, \dot y)$; `args` = $(\mu,)$. The
    reference is the initial state, which rounding it to double precision leaves true to about ten digits.

    Source: R. F. Arenstorf, Periodic solutions of the restricted three body problem representing analytic continuations
    of Keplerian elliptic motions, Amer. J. Math. 85 (1963) 27-35, doi:10.2307/2373181; numbers: E. Hairer,
    S. P. Nørsett, G. Wanner, Solving Ordinary Differential Equations I (1993), II.0.

    >>> from sciml_jax.data import problems
    >>> p = problems.arenstorf()
    >>> p.t_span, [round(float(v)) for v in p.field(0.0, p.y0, p.args)]
    ((0.0, 17.065216560157964), [0, -2, -316, 0])
    """
    y0 = np.array([0.994, 0.0, 0.0, -2.00158510637908252240537862224])
    return InitialValueProblem(
        "Arenstorf orbit",
        _field,
        (0.0, 17.0652165601579625588917206249),
        y0,
        (0.012277471,),
        stiff=False,
        atol=1e-6,
        reference=y0,
        reference_digits=9,
        source="R. F. Arenstorf, Amer. J. Math. 85 (1963); E. Hairer, S. P. Nørsett, G. Wanner, Solving ODEs I (1993)",
    )
