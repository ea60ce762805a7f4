"""The Brusselator with diffusion on a periodic square, lit in a spot."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast


def _laplacian(u: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The sum of the four neighbours less four times the middle, periodic."""
    return jnp.roll(u, 1, 0) + jnp.roll(u, -1, 0) + jnp.roll(u, 1, 1) + jnp.roll(u, -1, 1) - 4 * u


def _field(t: Any, y: Float[Array, " 2nn"], args: Any) -> Float[Array, " 2nn"]:
    t, (alpha, light) = cast(y, t, args)
    n = round((y.shape[0] // 2) ** 0.5)
    u, v = y.reshape(2, n, n)
    x = np.arange(n) / n
    # with the rounding of 0.3 n and 0.6 n the points on the circle would be in or out by chance
    spot = (x[:, None] - 0.3) ** 2 + (x[None, :] - 0.6) ** 2 <= 0.1**2 + 1e-12
    forcing = jnp.where(t >= 1.1, light, 0) * cast(y, spot)
    uuv = u * u * v
    du = 1 + uuv - 4.4 * u + alpha * n**2 * _laplacian(u) + forcing
    dv = 3.4 * u - uuv + alpha * n**2 * _laplacian(v)
    return jnp.stack([du, dv]).reshape(-1)


def brusselator_2d(n: int = 64) -> InitialValueProblem:
    r"""The Brusselator with diffusion in two dimensions, periodic, with a source that is switched on at t = 1.1.

    $$\partial_t u = 1 + u^2 v - 4.4 u + \alpha \Delta u + f(x_1, x_2, t), \qquad
      \partial_t v = 3.4 u - u^2 v + \alpha \Delta v$$

    on the unit square, periodic in both directions; f = 5 for t >= 1.1 within a radius of 0.1 around (0.3, 0.6), else
    0; $u(x, 0) = 22\, x_2 (1 - x_2)^{3/2}$, $v(x, 0) = 27\, x_1 (1 - x_1)^{3/2}$; t from 0 to 11.5. Five-point
    differences on the points $(i/n, j/n)$, $i, j = 0, \dots, n - 1$. y is `[u, v]`, each of shape (n, n) with i first,
    as one vector of $2 n^2$ unknowns: the largest eigenvalues are near $-8 \alpha n^2$. `args` = $(\alpha, 5)$ with
    $\alpha$ = 0.1. There is no reference: solve it twice.

    Source: E. Hairer, G. Wanner, Solving Ordinary Differential Equations II (1996), IV.10, problem BRUSS-2D (there
    n = 128). DifferentialEquations.jl starts from 22 (x2 (1 - x2))^(3/2) and 27 (x1 (1 - x1))^(3/2) instead.

    >>> from sciml_jax.data import problems
    >>> p = problems.brusselator_2d(16)
    >>> p.y0.shape, p.field(0.0, p.y0, p.args).shape
    ((512,), (512,))
    """
    x = np.arange(n) / n
    u = np.broadcast_to(22 * x * (1 - x) ** 1.5, (n, n))
    v = np.broadcast_to((27 * x * (1 - x) ** 1.5)[:, None], (n, n))
    return InitialValueProblem(
        "Brusselator 2-D",
        _field,
        (0.0, 11.5),
        np.stack([u, v]).reshape(-1),
        (0.1, 5.0),
        stiff=True,
        jumps=(1.1,),
        atol=1e-6,
        source="E. Hairer, G. Wanner, Solving Ordinary Differential Equations II (1996), IV.10, problem BRUSS-2D",
    )
