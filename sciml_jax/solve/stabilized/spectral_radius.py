"""The spectral radius of a field's Jacobian, by the power method on differences of the field."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ...core import trees, while_loop
from ..problem import Problem, State, Time

SAFETY = 1.2  # an estimate by the power method comes from below: five percent short is usual, this allows for more
ACCURACY = 0.01
ITERATIONS = 30


def first_vector(f0: State) -> State:
    """A vector to start from: the derivative, and as much of a chirp, which has a part in every direction.

    The derivative alone may be an eigenvector of a small eigenvalue, and then shows nothing of the large ones.
    """
    chirp = jax.tree.map(lambda x: jnp.cos(jnp.arange(x.size) ** 2.0).reshape(x.shape).astype(x.dtype), f0)
    size = trees.rms_norm(f0)
    usable = jnp.isfinite(size) & (size > 0)
    factor = jnp.where(usable, 1 / jnp.where(usable, size, 1.0), 0.0)
    return jax.lax.stop_gradient(jax.tree.map(lambda u, v: v + jnp.where(usable, factor * u, 0), f0, chirp))


def spectral_radius(
    problem: Problem, t: Time, y: State, f0: State, vector: State, coarse: Float[Array, ""] | float = 0.0
) -> tuple[Float[Array, ""], State, Int[Array, ""]]:
    r"""A bound of the spectral radius $\rho(\partial f/\partial y)$ at (t, y), where `f0` = f(t, y), from a vector.

    Multiplies by $J v \approx (f(t, y + \delta v) - f_0)/\delta$ until the geometric mean of two successive growth
    factors changes by less than a percent (of `coarse`, where the radius is less than that), and at most 30 times. The
    mean of two also converges for a pair of imaginary eigenvalues, where the factors themselves alternate.

    Returns 1.2 times the estimate, the last vector (root mean square 1), and the number of evaluations. There is no
    reverse mode: stop the gradient of everything that goes in.

    Source: B. P. Sommeijer, L. F. Shampine & J. G. Verwer, RKC: an explicit solver for parabolic PDEs, J. Comput. Appl.
    Math. 88 (1998) 315-326, doi:10.1016/S0377-0427(97)00219-7 (the nonlinear power method, warm start, factor 1.2).

    >>> import jax.numpy as jnp
    >>> from sciml_jax.solve import Problem
    >>> decays = Problem(lambda t, y, args: -jnp.array([1.0, 30.0]) * y, None, 1e-3, 1e-6)
    >>> t, y = jnp.asarray(0.0), jnp.array([1.0, 1.0])
    >>> rate, vector, evaluations = spectral_radius(decays, t, y, decays.evaluate(t, y), jnp.array([1.0, 0.5]))
    >>> 0.95 * 30 < float(rate) < 1.25 * 30
    True
    """
    rounding = max((float(jnp.finfo(x.dtype).eps) for x in jax.tree.leaves(y)), default=0.0) ** 0.5
    size = trees.rms_norm(y)
    delta = (rounding * jnp.where(size == 0, 1.0, size)).astype(t.dtype)

    def unit(v: State, size) -> State:
        return trees.scale(1 / jnp.where(size == 0, 1.0, size), v)

    def active(carry):
        n, _, rate, before, _ = carry
        converged = jnp.abs(rate - before) <= ACCURACY * jnp.maximum(rate, coarse)
        return (n < 3) | ((n < ITERATIONS) & jnp.isfinite(rate) & ~converged)

    def body(carry, buffers, on):
        n, growth, rate, _, v = carry
        w = trees.scale(1 / delta, trees.subtract(problem.evaluate(t, trees.axpy(delta, v, y)), f0))
        new = trees.rms_norm(w).astype(t.dtype)
        v = trees.select((new > 0) & jnp.isfinite(new), unit(w, new), v)
        return (n + 1, new, jnp.sqrt(growth * new), rate, v), buffers

    zero = jnp.zeros((), t.dtype)
    first = (jnp.int32(0), zero, zero, zero, unit(vector, trees.rms_norm(vector)))
    (n, _, rate, _, vector), _ = while_loop(active, body, first, ())
    return SAFETY * rate, vector, n
