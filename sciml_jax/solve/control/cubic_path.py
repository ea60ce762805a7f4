"""Natural cubic splines."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .control import columns, observations
from .hermite_path import CubicPieces, at_all_knots
from .missing import Packed, pack


class CubicPath(CubicPieces):
    r"""The natural cubic spline through the observations of every channel: twice continuously differentiable, with a
    second derivative of zero at both ends. Every channel has its own knots, the times at which it was observed; a
    channel without a value at the first or last time gets that of its nearest observation there.

    Its second derivatives $M_j$ at the observations solve

    $$h_{j-1} M_{j-1} + 2 (h_{j-1} + h_j) M_j + h_j M_{j+1} = 6 (d_j - d_{j-1}), \quad
    h_j = t_{j+1} - t_j,\ d_j = (x_{j+1} - x_j) / h_j$$

    **Arguments:**

    - `ts`, `xs`: times (n,) and observations (n, channels), NaN where there is none, as of `sj.LinearPath`.
    - `regular`: whether the times are equally spaced.

    Every piece depends on all observations: never `causal`. **Raises** as `sj.LinearPath`.

    Cost: one tridiagonal solve a channel to make it; about six multiplications a channel to evaluate it.

    Source: C. de Boor, A Practical Guide to Splines, Springer 1978, chapter IV, with natural end conditions.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> ts = jnp.linspace(0.0, 3.0, 31)
    >>> path = sj.CubicPath(ts, jnp.sin(ts)[:, None].at[7].set(jnp.nan))
    >>> bool(abs(path(0.7) - jnp.sin(0.7))[0] < 1e-4), bool(abs(path.derivative(1.23) - jnp.cos(1.23))[0] < 1e-3)
    (True, True)
    """

    ts: Float[Array, " n"]
    xs: Float[Array, "n ..."]
    slopes: Float[Array, "n ..."]
    regular: bool = eqx.field(static=True)

    def __init__(self, ts: ArrayLike, xs: ArrayLike, *, regular: bool = False):
        self.ts, xs = observations("CubicPath", ts, xs, regular)
        self.xs, self.slopes = _natural(self.ts, xs)
        self.regular = regular

    @property
    def causal_at_knots(self) -> bool:
        return False


@jax.jit
def _natural(ts, xs):
    """Values and slopes at all knots."""

    def column(x):
        times = ts.astype(x.dtype)
        packed = pack(times, x)
        return at_all_knots(times, packed, _slopes(packed))

    return columns(column, xs)


def _slopes(packed: Packed) -> Array:
    """Slopes of the natural spline at the observations of one channel; anything in the padding."""
    n = packed.ts.shape[0]
    h = jnp.diff(packed.ts)
    d = jnp.diff(packed.xs) / h
    zero = jnp.zeros(1, h.dtype)
    before, after = jnp.concatenate([zero, h]), jnp.concatenate([h, zero])
    j = jnp.arange(n)
    inner = (j > 0) & (j < packed.count - 1)
    jump = jnp.concatenate([zero, jnp.diff(d), zero])
    # the rows of ends and padding say M = 0
    diagonal = jnp.where(inner, 2 * (before + after), 1.0)
    lower, upper = jnp.where(inner, before, 0.0), jnp.where(inner, after, 0.0)
    moments = jax.lax.linalg.tridiagonal_solve(lower, diagonal, upper, jnp.where(inner, 6 * jump, 0.0)[:, None])[:, 0]
    left = d - h * (2 * moments[:-1] + moments[1:]) / 6
    right = d + h * (moments[:-1] + 2 * moments[1:]) / 6
    return jnp.concatenate([left[:1], right])
