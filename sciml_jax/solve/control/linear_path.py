"""Straight lines between observations."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, ArrayLike, Float

from .control import Control, columns, observations
from .missing import fill_forward, fill_linear


class LinearPath(Control):
    r"""The piecewise linear path through observations: $X(t) = x_k + \frac{t - t_k}{t_{k+1} - t_k} (x_{k+1} - x_k)$.

    **Arguments:**

    - `ts`: times, shape (n,), increasing, regular or not. `xs`: observations, shape (n, channels), or (n, ...) for an
      input of any other shape; NaN where there is none.
    - `fill`: what stands in the place of NaN: `"linear"`, the line between the neighbouring observations of the same
      channel (constant before the first and after the last), or `"forward"`, the last observation.
    - `regular`: whether the times are equally spaced, so that a piece is found by arithmetic.

    Both arrays are leaves with gradients; one path a sample, batches by `jax.vmap`. A path up to a knot uses
    observations up to that knot (`causal_at_knots`): with `fill="linear"` only if no value is missing.

    **Raises** `ValueError` for other shapes, times that do not increase, or a channel without observations.

    Cost: a comparison with every time (up to 256, then a binary search), and one multiplication a channel.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> path = sj.LinearPath([0.0, 1.0, 3.0], jnp.array([[0.0], [2.0], [6.0]]))
    >>> path(2.0).tolist(), path.derivative(1.0).tolist(), path.increment(0.5, 2.0).tolist()
    ([4.0], [2.0], [3.0])
    """

    ts: Float[Array, " n"]
    xs: Float[Array, "n ..."]
    fill: str = eqx.field(static=True)
    regular: bool = eqx.field(static=True)

    def __init__(self, ts: ArrayLike, xs: ArrayLike, *, fill: str = "linear", regular: bool = False):
        if fill not in ("linear", "forward"):
            raise ValueError(f'fill is "linear" or "forward"; got {fill!r}')
        self.ts, xs = observations("LinearPath", ts, xs, regular)
        self.xs = _filled(self.ts, xs, fill == "forward")
        self.fill, self.regular = fill, regular

    @property
    def channels(self) -> int:
        return self.xs.shape[-1]

    @property
    def causal(self) -> bool:
        return False

    @property
    def causal_at_knots(self) -> bool:
        return self.fill == "forward"

    @property
    def smooth(self) -> bool:
        return False

    def piece(self, k, share) -> Any:
        return self.xs[k] + share.astype(self.xs.dtype) * self.piece_slope(k, share)

    def piece_slope(self, k, share) -> Any:
        return self.xs[k + 1] - self.xs[k]


@jax.jit(static_argnums=2)
def _filled(ts, xs, forward: bool):
    """The observations without gaps."""
    fill = fill_forward if forward else lambda x: fill_linear(ts.astype(x.dtype), x)
    return columns(fill, xs)
