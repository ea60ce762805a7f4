"""Cubic pieces from values and slopes; slopes by backward differences."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .control import Control, columns, observations
from .missing import Packed, fill_forward, pack


class CubicPieces(Control):
    r"""Cubic pieces with values $x_k$ and slopes $m_k$ at the knots: with $s$ from 0 to 1 on a piece of length h,

    $$X = x_k + s\,h m_k + s^2 (3\Delta - 2 h m_k - h m_{k+1}) + s^3 (h m_k + h m_{k+1} - 2\Delta), \quad
    \Delta = x_{k+1} - x_k$$
    """

    xs: eqx.AbstractVar[Float[Array, "n ..."]]
    slopes: eqx.AbstractVar[Float[Array, "n ..."]]

    @property
    def channels(self) -> int:
        return self.xs.shape[-1]

    @property
    def causal(self) -> bool:
        return False

    @property
    def smooth(self) -> bool:
        return True

    def piece(self, k, share) -> Any:
        a, b, c, d = self._coefficients(k)
        s = share.astype(a.dtype)
        return a + s * (b + s * (c + s * d))

    def piece_slope(self, k, share) -> Any:
        _, b, c, d = self._coefficients(k)
        s = share.astype(b.dtype)
        return b + s * (2 * c + 3 * s * d)

    def _coefficients(self, k) -> tuple[Array, Array, Array, Array]:
        x0, x1 = self.xs[k], self.xs[k + 1]
        h = (self.ts[k + 1] - self.ts[k]).astype(x0.dtype)
        return coefficients(x0, x1, h * self.slopes[k], h * self.slopes[k + 1])


def coefficients(x0: Array, x1: Array, m0: Array, m1: Array) -> tuple[Array, Array, Array, Array]:
    """The cubic in s with the values x0 and x1 and the slopes m0 and m1 at 0 and 1, lowest power first."""
    rise = x1 - x0
    return x0, m0, 3 * rise - 2 * m0 - m1, m0 + m1 - 2 * rise


class HermitePath(CubicPieces):
    r"""Cubic Hermite pieces whose slopes are backward differences, $m_k = (x_k - x_{k-1}) / (t_k - t_{k-1})$ and
    $m_0 = m_1$: continuously differentiable, and up to a knot made of observations up to that knot.

    **Arguments:**

    - `ts`, `xs`: times (n,) and observations (n, channels), NaN where there is none, as of `sj.LinearPath`.
    - `fill`: `None`: every channel has its own knots, its observations (an end without one gets the nearest); or
      `"forward"`: the last observation is repeated, so that the path is `causal_at_knots` with missing values too.
    - `regular`: whether the times are equally spaced.

    **Raises** as `sj.LinearPath`. Cost: about six multiplications a channel.

    Source: J. Morrill, P. Kidger, L. Yang, T. Lyons, On the choice of interpolation scheme for neural CDEs,
    Transactions on Machine Learning Research (2022), openreview.net/forum?id=caRBFhxXIG.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> path = sj.HermitePath([0.0, 1.0, 2.0], jnp.array([[0.0], [1.0], [3.0]]))
    >>> path.derivative(jnp.array([0.0, 1.0, 2.0])).ravel().tolist()
    [1.0, 1.0, 2.0]
    """

    ts: Float[Array, " n"]
    xs: Float[Array, "n ..."]
    slopes: Float[Array, "n ..."]
    fill: str | None = eqx.field(static=True)
    regular: bool = eqx.field(static=True)

    def __init__(self, ts: ArrayLike, xs: ArrayLike, *, fill: str | None = None, regular: bool = False):
        if fill not in (None, "forward"):
            raise ValueError(f'fill is None or "forward"; got {fill!r}')
        self.ts, xs = observations("HermitePath", ts, xs, regular)
        self.xs, self.slopes = _backward(self.ts, xs, fill == "forward")
        self.fill, self.regular = fill, regular

    @property
    def causal_at_knots(self) -> bool:
        return self.fill == "forward"


@jax.jit(static_argnums=2)
def _backward(ts, xs, forward: bool):
    """Values and slopes at all knots."""

    def column(x):
        times = ts.astype(x.dtype)
        packed = pack(times, fill_forward(x) if forward else x)
        slopes = jnp.diff(packed.xs) / jnp.diff(packed.ts)
        return at_all_knots(times, packed, jnp.concatenate([slopes[:1], slopes]))

    return columns(column, xs)


def at_all_knots(ts: Array, packed: Packed, slopes: Array) -> tuple[Array, Array]:
    """Values and slopes of one channel at all times, from those at its observations."""
    k = jnp.minimum(packed.place, packed.count - 2)
    h = packed.ts[k + 1] - packed.ts[k]
    a, b, c, d = coefficients(packed.xs[k], packed.xs[k + 1], h * slopes[k], h * slopes[k + 1])
    s = (ts - packed.ts[k]) / h
    return a + s * (b + s * (c + s * d)), (b + s * (2 * c + 3 * s * d)) / h
