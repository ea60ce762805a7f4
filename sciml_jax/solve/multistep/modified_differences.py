r"""Modified divided differences of derivatives on any grid: the history of Adams methods of variable step size.

With $s_j = t_n - t_{n-j}$ and a step h from $t_n$, the polynomial through the last derivatives is

$$P(t_n + \tau h) = \sum_j w_j(\tau)\, \Phi^*_j, \qquad w_j(\tau) = \prod_{i<j} \frac{\tau h + s_i}{h + s_i}, \qquad
  \Phi^*_j = \beta_j \Phi_j, \qquad \beta_j = \prod_{i<j} \frac{h + s_i}{s_{i+1}}$$

where row j of an array (rows, n) is $\Phi_j = f[t_n, \dots, t_{n-j}] \prod_{i<j} s_{i+1}$, the j-th backward difference
if all steps are equal. Lengths are in units of h here: r_i = s_i / h, with r_0 = 0.

Source: Hairer, Norsett & Wanner I, III.5, eqs. 5.5 to 5.10; F. T. Krogh (1974), L. F. Shampine & M. K. Gordon (1975).
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Rows = Float[Array, "rows n"]


def lengths(steps: Float[Array, " k"], h: Float[Array, ""] | float) -> Float[Array, " k+1"]:
    """r_0 = 0, r_1, ..., r_k from the sizes of the last steps, newest first."""
    return jnp.concatenate([jnp.zeros(1, steps.dtype), jnp.cumsum(steps) / h])


def factors(r: Float[Array, " rows"]) -> Float[Array, " rows"]:
    r"""$\beta_0 = 1, \beta_1, \dots$: what takes $\Phi_j$ to $\Phi^*_j$."""
    return jnp.concatenate([jnp.ones(1, r.dtype), jnp.cumprod((1 + r[:-1]) / r[1:])])


def integrals(r: Float[Array, " rows"], s: Float[Array, ""] | float) -> Float[Array, " rows"]:
    r"""$g_j(s) = \int_0^s w_j(\tau)\,d\tau$; at s = 1 the coefficients $g_j$ of the Adams-Bashforth formula.

    By Gauss quadrature that is exact for these degrees: all terms are positive, so that nothing cancels.
    """
    nodes, weights = np.polynomial.legendre.leggauss(len(r) // 2 + 1)
    nodes, weights = jnp.asarray((nodes + 1) / 2, r.dtype), jnp.asarray(weights / 2, r.dtype)
    ratios = (s * nodes + r[:-1, None]) / (1 + r[:-1, None])
    products = jnp.concatenate([jnp.ones((1, len(nodes)), r.dtype), jnp.cumprod(ratios, axis=0)])
    return s * jnp.sum(products * weights, axis=1)


def advanced(stars: Rows, f: Float[Array, " n"]) -> Rows:
    r"""$\Phi_j$ at the end of the step, where the derivative is f: $\Phi_j = f - \sum_{i<j} \Phi^*_i$."""
    return f - jnp.concatenate([jnp.zeros_like(stars[:1]), jnp.cumsum(stars[:-1], axis=0)])


def up_to(rows: Rows, last: Int[Array, ""]) -> Rows:
    """The rows with zeros beyond row number `last`."""
    return jnp.where(jnp.arange(len(rows))[:, None] <= last, rows, 0.0)


def weighted(weights: Float[Array, " rows"], rows: Rows) -> Float[Array, " n"]:
    """The sum of the rows with these weights; not as a product of matrices, so that it stays in a compiled loop."""
    return jnp.sum(weights[:, None] * rows, axis=0)
