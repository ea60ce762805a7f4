"""A pendulum in Cartesian coordinates with the force in its rod: a differential-algebraic system of index 1."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast


def _field(t: Any, z: Float[Array, " 5"], args: Any) -> Float[Array, " 5"]:
    (g,) = cast(z, args)
    x, y, u, v, force = z
    return jnp.stack([u, v, -force * x, -force * y - g, u**2 + v**2 - force * (x**2 + y**2) - g * y])


def pendulum_dae() -> InitialValueProblem:
    r"""A pendulum of length 1 and mass 1, let go from the horizontal, with the force of its rod as an unknown.

    $$\dot x = u, \quad \dot y = v, \quad \dot u = -\lambda x, \quad \dot v = -\lambda y - g, \quad
      0 = u^2 + v^2 - \lambda (x^2 + y^2) - g y$$

    The constraint $x^2 + y^2 = 1$, differentiated twice: index 1. What it came from are invariants that a solver keeps
    only within its error, and which drift: $x^2 + y^2 = 1$ and $x u + y v = 0$. M = diag(1, 1, 1, 1, 0), state
    $(x, y, u, v, \lambda)$ from (1, 0, 0, 0, 0), t from 0 to 10 s (about four swings). `args` = $(g,)$ = (9.81,). Not
    stiff. The reference is exact: the angle from the vertical has
    $\sin(\theta / 2) = k\, \mathrm{cd}(\sqrt g\, t, k)$, $k = \sin(\pi / 4)$.

    Source: E. Hairer, G. Wanner, Solving Ordinary Differential Equations II (1996), VI.5 and VII.1.

    >>> from sciml_jax.data import problems
    >>> p = problems.pendulum_dae()
    >>> p.residual(0.0, p.y0, p.dy0, p.args).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0]
    """
    reference = (0.2750874625761158, -0.9614192050991254, -4.175598100951731, -1.194749054560471, 28.29456720606726)
    return InitialValueProblem(
        "Pendulum, index 1",
        _field,
        (0.0, 10.0),
        np.array([1.0, 0.0, 0.0, 0.0, 0.0]),
        (9.81,),
        mass=np.diag([1.0, 1.0, 1.0, 1.0, 0.0]),
        # the force changes by -3 g v, and v = 0
        dy0=np.array([0.0, 0.0, 0.0, -9.81, 0.0]),
        stiff=False,
        atol=1e-6,
        reference=np.array(reference),
        reference_digits=14,
        source="E. Hairer, G. Wanner, Solving Ordinary Differential Equations II (1996), VI.5 and VII.1",
    )
