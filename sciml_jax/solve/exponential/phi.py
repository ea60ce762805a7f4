"""The functions phi_k of exponential integrators, for numbers and for matrices."""

from functools import partial
from math import factorial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact

# Below this magnitude the Taylor series, whose 28 terms end below rounding; above it the recurrence, which loses a
# factor |z|^-k k! of precision: four digits at 1, half a digit here.
_SERIES = 3.0
_TERMS = 28
# The largest number of squarings: norms up to 2^31; the matrix is scaled to norm 1/2 first.
_SQUARINGS = 32


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def phi(z: Inexact[Array, "..."], top: int) -> tuple[Array, ...]:
    r"""$\varphi_0(z), \ldots, \varphi_{top}(z)$, entry by entry, for real or complex z.

    $$\varphi_0(z) = e^z, \quad \varphi_k(z) = \sum_{j \ge 0} \frac{z^j}{(j + k)!}
      = \int_0^1 e^{(1 - s) z} \frac{s^{k-1}}{(k-1)!}\, ds, \quad
      \varphi_{k+1}(z) = \frac{\varphi_k(z) - 1/k!}{z}$$

    Accurate to some rounding errors everywhere; derivatives of any order follow
    $\varphi_k' = \varphi_k - k\,\varphi_{k+1}$.

    Cost: one exponential and about 30 multiplications an entry.

    Source: S. M. Cox & P. C. Matthews, J. Comput. Phys. 176 (2002) 430-455, doi:10.1006/jcph.2002.6995; why the
    recurrence fails near 0: A.-K. Kassam & L. N. Trefethen, SIAM J. Sci. Comput. 26 (2005) 1214-1233,
    doi:10.1137/S1064827502410633.

    >>> import jax.numpy as jnp
    >>> [float(p) for p in phi(jnp.asarray(0.0), 2)]
    [1.0, 1.0, 0.5]
    """
    near = jnp.abs(z) < _SERIES
    small, large = jnp.where(near, z, 0), jnp.where(near, 1, z)
    series = jnp.full_like(small, 1 / factorial(top + _TERMS))
    for j in range(_TERMS - 1, -1, -1):
        series = small * series + 1 / factorial(top + j)
    down, up = [series], [jnp.exp(z)]
    for k in range(top, 1, -1):
        down.append(small * down[-1] + 1 / factorial(k - 1))
    for k in range(top):
        up.append((up[-1] - 1 / factorial(k)) / large)
    if top == 0:
        return (up[0],)
    return up[0], *(jnp.where(near, a, b) for a, b in zip(reversed(down), up[1:], strict=True))


@phi.defjvp
def _phi_jvp(top: int, primals, tangents):
    (z,), (dz,) = primals, tangents
    values = phi(z, top + 1)
    return values[:-1], tuple(d * dz for d in _derivatives(z, values, 0))


def phi_derivatives(z: Inexact[Array, "..."], top: int, degree: int) -> tuple[tuple[Array, ...], ...]:
    """Derivatives 0 to `degree` of phi_0, ..., phi_top at z, entry by entry."""
    orders = [phi(z, top + degree)]
    for j in range(degree):
        orders.append(_derivatives(z, orders[-1], j))
    return tuple(values[: top + 1] for values in orders)


def _derivatives(z: Inexact[Array, "..."], values: tuple[Array, ...], j: int) -> tuple[Array, ...]:
    r"""$\varphi_k^{(j+1)}(z)$ from $\varphi_k^{(j)}(z)$, one function fewer.

    $\varphi_k^{(j)} - k\,\varphi_{k+1}^{(j)} = (\varphi_{k-1}^{(j)} - (k + j)\,\varphi_k^{(j)}) / z$: the first form
    cancels where |z| is large, the second where it is small.
    """
    near = jnp.abs(z) < 1
    large = jnp.where(near, 1, z)
    out = [values[0]]
    for k in range(1, len(values) - 1):
        far = (values[k - 1] - (k + j) * values[k]) / large
        out.append(jnp.where(near, values[k] - k * values[k + 1], far))
    return tuple(out)


def phi_matrix(a: Inexact[Array, "n n"], top: int) -> tuple[Array, ...]:
    r"""$\varphi_0(A), \ldots, \varphi_{top}(A)$ of a square matrix, by scaling and squaring.

    The Taylor polynomial of $\varphi_{top}$ at $2^{-s} A$, of norm at most 1/2, the recurrence
    $\varphi_{k-1}(A) = A\,\varphi_k(A) + I/(k-1)!$, which is stable in this direction, and s times

    $$\varphi_k(2A) = 2^{-k} \Big( \varphi_0(A)\,\varphi_k(A) + \sum_{j=1}^k \frac{\varphi_j(A)}{(k-j)!} \Big)$$

    Differentiable in both modes. A norm above $2^{31}$ gives NaN.

    Cost: about $15 + (top + 1) s$ products of matrices, s the logarithm of the norm to base 2.

    Source: B. Skaflestad & W. M. Wright, Appl. Numer. Math. 59 (2009) 783-799, doi:10.1016/j.apnum.2008.03.035,
    eq. (9).

    >>> import jax.numpy as jnp
    >>> phi_matrix(jnp.zeros((1, 1)), 2)[2].tolist()
    [[0.5]]
    """
    eye = jnp.eye(a.shape[0], dtype=a.dtype)
    norm = jax.lax.stop_gradient(jnp.max(jnp.sum(jnp.abs(a), 0), initial=0.0))
    squarings = jnp.ceil(jnp.log2(jnp.maximum(norm, 0.5))) + 1
    degree = 15 if jnp.finfo(a.dtype).bits == 64 else 9
    scaled = a * jnp.where(squarings > _SQUARINGS, jnp.nan, jnp.exp2(-squarings))
    weights = [1 / factorial(top + j) for j in range(degree, -1, -1)]

    def horner(series, weight):
        return scaled @ series + weight * eye, None

    series, _ = jax.lax.scan(horner, weights[0] * eye, jnp.asarray(weights[1:], a.dtype))
    values = [series]
    for k in range(top, 0, -1):
        values.append(scaled @ values[-1] + eye / factorial(k - 1))

    def square(values, i):
        # a fixed number of rounds, so that reverse mode goes through
        return jax.lax.cond(i < squarings, doubled, lambda v: v, values), None

    return jax.lax.scan(square, tuple(reversed(values)), jnp.arange(_SQUARINGS))[0]


def doubled(values: tuple[Array, ...]) -> tuple[Array, ...]:
    """The functions of 2A from those of A."""
    out = [values[0] @ values[0]]
    for k in range(1, len(values)):
        total = values[0] @ values[k]
        for j in range(1, k + 1):
            total = total + values[j] / factorial(k - j)
        out.append(total / 2**k)
    return tuple(out)
