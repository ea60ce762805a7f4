"""The log-ODE method: windows of a long series by their log-signatures, fields by their Lie brackets."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .control import Control
from .linear_path import LinearPath
from .log_signature import factors, log_signature, lyndon_words


class LogSignaturePath(Control):
    """The path whose increment in a window is the log-signature of another path there: straight in every window.

    `ts`: ends of the windows, shape (m + 1,). `rows`: log-signatures, shape (m, words).
    """

    ts: Float[Array, " m"]
    rows: Float[Array, "k words"]
    regular: bool = eqx.field(static=True, default=False)

    @property
    def channels(self) -> int:
        return self.rows.shape[-1]

    @property
    def causal(self) -> bool:
        return False

    @property
    def causal_at_knots(self) -> bool:
        return False

    @property
    def smooth(self) -> bool:
        return False

    def piece(self, k, share) -> Any:
        before = jnp.cumsum(self.rows, axis=0)[k] - self.rows[k]
        return before + share.astype(before.dtype) * self.rows[k]

    def piece_slope(self, k, share) -> Any:
        return self.rows[k]


def in_windows(control: LinearPath, depth: int, window: int) -> LogSignaturePath:
    """The log-signatures of a piecewise linear path in windows of `window` pieces; the last may be shorter."""
    pieces = control.pieces
    count = -(-pieces // window)
    # the last window is filled up by standing still, which leaves its log-signature as it is
    index = np.minimum(np.arange(count)[:, None] * window + np.arange(window + 1), pieces)
    rows = jax.vmap(lambda xs: log_signature(xs, depth))(control.xs[index])
    return LogSignaturePath(ts=control.ts[np.append(index[:, 0], pieces)], rows=rows)


class Brackets(eqx.Module):
    r"""The field of the log-ODE method: for every Lyndon word the Lie bracket of the columns of F,

    $$F_{uv} = [F_u, F_v] = DF_v \cdot F_u - DF_u \cdot F_v$$

    as one more axis. Derivatives with respect to y, in forward mode: d of them for depth 2, where d is the number of
    channels, and at depth 3 about d^2/2 more of these.
    """

    field: Callable
    channels: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)

    def __call__(self, t: Array, y: PyTree, args: PyTree) -> PyTree:
        return self._up_to(self.depth)(t, y, args)

    def _up_to(self, depth: int) -> Callable:
        if depth == 1:
            return self.field
        lower = self._up_to(depth - 1)
        known = lyndon_words(self.channels, depth - 1)
        new = [factors(w) for w in lyndon_words(self.channels, depth) if len(w) == depth]
        # every derivative of the lower fields that is needed, once: along these words
        along = sorted({w for pair in new for w in pair}, key=lambda w: (len(w), w))
        where = np.array([known.index(w) for w in along], dtype=int)
        u, v = (np.array([known.index(pair[i]) for pair in new], dtype=int) for i in (0, 1))
        from_u, from_v = (np.array([along.index(pair[i]) for pair in new], dtype=int) for i in (0, 1))

        def field(t, y, args):
            at = lambda y: lower(t, y, args)
            if not new:
                return at(y)
            values = at(y)
            directions = jax.tree.map(lambda f, x: jnp.moveaxis(f[..., where], -1, 0).astype(x.dtype), values, y)
            slopes = jax.vmap(lambda direction: jax.jvp(at, (y,), (direction,))[1])(directions)

            def joined(value, slope):
                slope = jnp.moveaxis(slope, 0, -2)  # the direction, then the word
                bracket = slope[..., from_u, v] - slope[..., from_v, u]
                return jnp.concatenate([value, bracket], axis=-1)

            return jax.tree.map(joined, values, slopes)

        return field
