"""Elementary functions in vector instructions, where XLA's CPU compiler calls a scalar library lane by lane."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn
from jaxtyping import Array, Float64

from ...core.primitives import dtype_of
from ..values import Value, as_entries, scalars
from .elementwise import elementwise

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # the first with 32 trailing zeros
_EVEN = (3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01)
_ODD = (6.666666666666735130e-01, 2.857142874366239149e-01, 1.818357216161805012e-01, 1.479819860511658591e-01)
_HALF_ROOT = 0x3FE6A09E667F3BCD  # the bits of the square root of 1/2


def log(run, eqn: JaxprEqn, operands: list[Value]) -> list[Value]:
    """The logarithm: in double precision and outside kernels that of this file."""
    (x,) = operands
    if run.strict or dtype_of(eqn.outvars[0]) != np.float64:
        return elementwise(run, eqn, operands)
    entries = as_entries(x)
    out = [log_in_vectors(entry) if jnp.ndim(entry) else jnp.log(entry) for entry in entries.ravel()]
    return [scalars(out, entries.shape, np.float64)]


def log_in_vectors(x: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
    """The natural logarithm, with an error below one unit in the last place.

    x = 2^k (1 + f) with 1 + f between the square roots of 1/2 and 2; log(1 + f) by a polynomial in s = f / (2 + f).

    Source: the method and coefficients of FDLIBM's `e_log.c` (Sun Microsystems, 1993).
    """
    bits = jax.lax.bitcast_convert_type(x, jnp.int64)
    exponent = (bits - _HALF_ROOT) >> 52
    f = jax.lax.bitcast_convert_type(bits - (exponent << 52), jnp.float64) - 1.0
    k = exponent.astype(jnp.int32).astype(jnp.float64)
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (_EVEN[0] + w * (_EVEN[1] + w * _EVEN[2]))
    odd = z * (_ODD[0] + w * (_ODD[1] + w * (_ODD[2] + w * _ODD[3])))
    half = 0.5 * f * f
    out = k * _LN2_HIGH - ((half - (s * (half + even + odd) + k * _LN2_LOW)) - f)
    out = jnp.where(x < jnp.inf, out, x)  # infinity and NaN
    return jnp.where(x > 0, out, jnp.where(x == 0, -jnp.inf, jnp.nan))


RULES = {"log": log}
