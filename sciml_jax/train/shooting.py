"""Multiple shooting: a long trajectory in short pieces, whose initial states are trained with the model."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, PyTree

from .objectives import Objective, observe, unpack
from .problem import Residuals


class Shooting(eqx.Module):
    """A model with the initial states of the segments; what `fit` trains with `multiple_shooting`.

    The initial states start from the data at the segments' first times, with missing values interpolated in time.

    **Arguments:** `model`; `t` of shape `(T,)` and `y` of shape `(T, d)`, the data; `segments`, their number, which
    divides `T - 1`; `states` of shape `(segments, ...)` instead of the data, where the state is not what is observed.

    **Raises:** `ValueError` where the segments do not divide the data, or nothing of a component is observed.

    >>> import jax.numpy as jnp
    >>> from sciml_jax.train import Shooting
    >>> t = jnp.linspace(0.0, 1.0, 9)
    >>> Shooting(jnp.array(1.0), t, t[:, None], segments=4).states[:, 0].tolist()
    [0.0, 0.25, 0.5, 0.75]
    """

    model: PyTree
    states: Inexact[Array, "segments ..."]

    def __init__(self, model: PyTree, t=None, y=None, *, segments: int | None = None, states=None):
        self.model = model
        if states is not None:
            self.states = jnp.asarray(states)
            return
        if t is None or y is None or segments is None:
            raise ValueError("Shooting needs t, y and segments, or the initial states of the segments in states=")
        length = segment_length(len(t), segments)
        self.states = jnp.asarray(_filled(np.asarray(t), np.asarray(y))[: segments * length : length])


def multiple_shooting(
    solve_fn: Callable[..., Inexact[Array, "L d"]],
    *,
    continuity: float = 1.0,
    observation: Callable[[Inexact[Array, " d"]], Inexact[Array, " m"]] | None = None,
) -> Objective:
    r"""Fit a trajectory segment by segment, and close the gaps between the segments.

    $$ \mathcal L = \frac{1}{|\Omega|} \sum_{(i,j)\in\Omega} \left(\hat y_j(t_i) - y_{ij}\right)^2
       + \frac{\lambda}{S-1} \sum_{s=1}^{S-1} \lVert \hat y^{(s)}(t_{s+1}) - x_{s+1} \rVert^2 $$

    Each segment is solved from its own trained initial state $x_s$, all of them at once. Where a long solve is chaotic,
    oscillates or blows up for the first models, the loss of short ones has no spurious minima and moderate gradients.

    **Arguments:**

    - `solve_fn`: `solve_fn(model, t, y0)` returns the solution at the times `t`, with time as the leading axis.
    - `continuity`: the weight $\lambda$ of the gaps. Default 1; raise it in a second `fit` to close them.
    - `observation`: what is observed of one state; default all of it.

    **Model and batch:** a `Shooting`, and `(t, y)` or `(t, y, mask)` for one trajectory, with `T - 1` divisible by the
    number of segments. Terms `"data"` and `"continuity"`. The trained model is `result.model.model`.

    **Raises:** `TypeError` for a model that is no `Shooting`, `ValueError` for data that the segments do not divide.

    Source: H. Bock, K. Plitt, A multiple shooting algorithm for direct solution of optimal control problems, IFAC 1984,
    doi:10.1016/S1474-6670(17)61205-9; E. Turan, J. Jäschke, Multiple shooting for training neural differential
    equations on time series, IEEE Control Systems Letters 6 (2022), doi:10.1109/LCSYS.2021.3135835.

    >>> import jax, jax.numpy as jnp
    >>> from sciml_jax import train
    >>> t = jnp.linspace(0.0, 2.0, 13)
    >>> y = jnp.exp(-1.5 * t)[:, None]
    >>> objective = train.multiple_shooting(lambda rate, t, y0: y0 * jnp.exp(-rate * (t - t[0]))[:, None])
    >>> model = train.Shooting(jnp.array(0.1), t, y, segments=4)
    >>> stages = [train.lbfgs(100)]
    >>> result = train.fit(model, objective, stages=stages, data=(t, y), key=jax.random.key(0), progress=False)
    >>> bool(jnp.allclose(result.model.model, 1.5, rtol=1e-4))
    True
    """

    def objective(model, batch, key):
        if not isinstance(model, Shooting):
            raise TypeError(
                f"multiple_shooting trains a Shooting, got {type(model).__name__}: pass "
                "fit(Shooting(model, t, y, segments=...), ...)"
            )
        t, y, mask, _ = unpack(batch)
        observed, clean = observe(y, mask)
        segments = len(model.states)
        length = segment_length(len(t), segments)
        # segment s holds the times s*length ... (s+1)*length: its last one is the next one's first
        index = jnp.arange(segments)[:, None] * length + jnp.arange(length + 1)[None, :]

        def solve(model):
            return jax.vmap(solve_fn, in_axes=(None, 0, 0))(model.model, t[index], model.states)

        def misfit(model):
            parts = solve(model)
            # every time once: the first points of all segments, and the very last
            path = jnp.concatenate([parts[:, :-1].reshape(-1, *parts.shape[2:]), parts[-1, -1:]])
            path = path if observation is None else jax.vmap(observation)(path)
            if path.shape != clean.shape:
                raise ValueError(
                    f"multiple_shooting: the segments make shape {path.shape}, the data y have shape {clean.shape}; "
                    "observation= tells what of a state is observed"
                )
            return jnp.where(observed, path - clean, 0)

        def gaps(model):
            return solve(model)[:-1, -1] - model.states[1:]

        return {
            "data": Residuals(None, misfit, 1 / jnp.maximum(jnp.sum(observed), 1)),
            "continuity": Residuals(None, gaps, continuity / max(segments - 1, 1)),
        }

    return objective


def segment_length(times: int, segments: int) -> int:
    """The steps in a segment; `ValueError` where the segments do not divide the data."""
    if segments < 1 or (times - 1) % segments or times <= segments:
        raise ValueError(
            f"{segments} segments do not divide {times} times: their number must divide {times - 1}, one of "
            f"{[n for n in range(1, times) if (times - 1) % n == 0]}"
        )
    return (times - 1) // segments


def _filled(t: Float[np.ndarray, " T"], y: Float[np.ndarray, "T ..."]) -> Float[np.ndarray, "T ..."]:
    columns = y.reshape(len(y), -1).copy()
    for j in range(columns.shape[1]):
        known = ~np.isnan(columns[:, j])
        if not known.any():
            raise ValueError(f"component {j} of y is never observed: give the initial states in states=")
        columns[:, j] = np.interp(t, t[known], columns[known, j])
    return columns.reshape(y.shape)
