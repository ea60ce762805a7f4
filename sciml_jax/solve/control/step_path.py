"""Steps: the last observation holds."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .control import Control, columns, observations
from .missing import fill_forward


class StepPath(Control):
    r"""The piecewise constant path: $X(t) = x_k$ for $t_k \le t < t_{k+1}$, the first observation before $t_0$ and the
    last from $t_{n-1}$ on. An input to read in a field, with its `ts` given as `step_to=`; it is causal.

    **Arguments:** `ts`, `xs`, `regular` as of `sj.LinearPath`. NaN repeats the last observation of its channel (before
    the first one, the first).

    The last stages of a solve that ends at a jump see the value after it: make the last time one behind the span.

    It has no derivative that could drive `sj.solve_cde`, which refuses it: give `sj.RectilinearPath`, which walks
    through the jumps.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> dose = sj.StepPath([0.0, 1.0, 2.0], jnp.array([3.0, 0.0, 1.0]))
    >>> dose(jnp.array([0.5, 1.0, 1.99, 5.0])).tolist()
    [3.0, 0.0, 0.0, 1.0]
    """

    ts: Float[Array, " n"]
    xs: Float[Array, "n ..."]
    regular: bool = eqx.field(static=True)

    def __init__(self, ts: ArrayLike, xs: ArrayLike, *, regular: bool = False):
        self.ts, xs = observations("StepPath", ts, xs, regular)
        self.xs, self.regular = _held(xs), regular

    @property
    def channels(self) -> int:
        return self.xs.shape[-1]

    @property
    def causal(self) -> bool:
        return True

    @property
    def causal_at_knots(self) -> bool:
        return True

    @property
    def smooth(self) -> bool:
        return False

    def _share(self, t):
        k = self.locate(t)
        # from the last knot on, the last observation
        return k, jnp.where(t >= self.ts[-1].astype(t.dtype), 1.0, 0.0).astype(t.dtype)

    def piece(self, k, share) -> Any:
        return jnp.where(share >= 1, self.xs[k + 1], self.xs[k])

    def piece_slope(self, k, share) -> Any:
        return jnp.zeros_like(self.xs[k])


@jax.jit
def _held(xs):
    return columns(fill_forward, xs)
