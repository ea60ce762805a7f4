"""Along time, then along the observations: the causal path."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .control import Control, columns, observations
from .missing import fill_forward


class RectilinearPath(Control):
    r"""The path through $(t_0, x_0), (t_1, x_0), (t_1, x_1), (t_2, x_1), \dots$: time goes on while the last
    observation holds, then time stands still and the path moves to the next observation. Time is channel 0, and the
    knots are not times but the path's own parameter 0, 1, 2, ..., 2n - 2: observation k is reached at 2k.

    **Arguments:**

    - `ts`: times, shape (n,), increasing. `xs`: observations, shape (n, channels); NaN repeats the last observation of
      its channel (before the first one, the first).

    It is `causal`: up to a parameter it is made of what had been observed at the time it has reached, so that a
    prediction never changes when more is observed. Solve with `(0, 2n - 2)`, or `path.t_span`; `path.parameter(t)` is
    where a time has been reached and its observation made.

    **Raises** as `sj.LinearPath`. Cost: as `sj.LinearPath`; twice as many pieces.

    Source: J. Morrill, P. Kidger, L. Yang, T. Lyons, On the choice of interpolation scheme for neural CDEs,
    Transactions on Machine Learning Research (2022), openreview.net/forum?id=caRBFhxXIG.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> path = sj.RectilinearPath([0.0, 1.0, 3.0], jnp.array([[5.0], [6.0], [8.0]]))
    >>> path.points.tolist()
    [[0.0, 5.0], [1.0, 5.0], [1.0, 6.0], [3.0, 6.0], [3.0, 8.0]]
    >>> path(2.5).tolist(), path.parameter(2.0).tolist()
    ([2.0, 6.0], 2.5)
    """

    ts: Float[Array, " m"]
    points: Float[Array, "m channels"]
    regular: bool = eqx.field(static=True)

    def __init__(self, ts: ArrayLike, xs: ArrayLike):
        times, values = observations("RectilinearPath", ts, xs, False, axes=2)
        self.points = _points(times, values)
        self.ts, self.regular = jnp.arange(2 * times.shape[0] - 1, dtype=self.points.dtype), True

    @property
    def channels(self) -> int:
        return self.points.shape[-1]

    @property
    def causal(self) -> bool:
        return True

    @property
    def causal_at_knots(self) -> bool:
        return True

    @property
    def smooth(self) -> bool:
        return False

    def parameter(self, t: ArrayLike) -> Array:
        """Where the path has reached time t; at the time of an observation, where it has been made."""
        times = self.points[::2, 0]
        t = jnp.asarray(t, times.dtype)
        k = jnp.clip(jnp.searchsorted(times, t, side="right") - 1, 0, times.shape[0] - 1)
        after = jnp.minimum(k + 1, times.shape[0] - 1)
        gap = times[after] - times[k]
        share = jnp.where(gap > 0, (t - times[k]) / jnp.where(gap > 0, gap, 1.0), 0.0)
        return 2 * k.astype(times.dtype) + jnp.clip(share, 0.0, 1.0)

    def piece(self, k, share) -> Any:
        return self.points[k] + share.astype(self.points.dtype) * self.piece_slope(k, share)

    def piece_slope(self, k, share) -> Any:
        return self.points[k + 1] - self.points[k]


@jax.jit
def _points(ts, xs):
    filled = columns(fill_forward, xs)
    times = jnp.repeat(ts.astype(filled.dtype), 2)[1:]
    values = jnp.repeat(filled, 2, axis=0)[:-1]
    return jnp.concatenate([times[:, None], values], axis=1)
