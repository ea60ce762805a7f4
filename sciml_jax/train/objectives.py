"""Ready objectives: trajectories against data, negative log-likelihood."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Inexact, PRNGKeyArray, PyTree

from .problem import Residuals

Objective = Callable[[PyTree, PyTree, PRNGKeyArray], Any]


def trajectory(
    solve_fn: Callable[..., Inexact[Array, "..."]],
    *,
    scale: ArrayLike = 1.0,
    in_axes: tuple[int | None, ...] | None = None,
) -> Objective:
    r"""The mean square of what a solve misses of the data, over the observed entries only.

    $$ \mathcal L = \frac{1}{|\Omega|} \sum_{(i,j) \in \Omega} \left( \frac{\hat y_j(t_i) - y_{ij}}{s_j} \right)^2 $$

    The batch is `(t, y)`, `(t, y, mask)` or `(t, y, mask, *inputs)`; `solve_fn(model, t, *inputs)` returns the solution
    in the shape of `y`. Observed is what the mask keeps and is no NaN. The objective returns `Residuals`, so that
    least-squares stages can use it.

    **Arguments:**

    - `solve_fn`: such as `lambda model, t, y0: solve_ode(model, (t[0], t[-1]), y0, save=t).y`.
    - `scale`: the size of an error in each component, `s`; broadcasts to `y`. Default 1.
    - `in_axes`: for many trajectories at once, the axes of `(t, *inputs)` that count them, as in `jax.vmap`; `y` and
      `mask` then have them first. `(0, 0)` goes with `Batches`. Default `None`: one trajectory, or a `solve_fn` that
      takes them all.

    **Batch:** `t` of shape `(T,)`; `y` of shape `(T, ...)`; `mask`, `None` or an array of the shape of `y` or of its
    leading axes, true or nonzero where observed.

    **Raises:** `ValueError` where the solution has another shape than the data, `TypeError` for another form of batch.

    >>> import jax, jax.numpy as jnp
    >>> from sciml_jax import train
    >>> t = jnp.linspace(0.0, 1.0, 5)
    >>> y = jnp.exp(-2.0 * t).at[3].set(jnp.nan)            # a value is missing
    >>> objective = train.trajectory(lambda rate, t: jnp.exp(-rate * t))
    >>> stages = [train.lbfgs(20)]
    >>> result = train.fit(jnp.array(1.0), objective, stages=stages, data=(t, y), key=jax.random.key(0), progress=False)
    >>> bool(jnp.allclose(result.model, 2.0, rtol=1e-6))
    True
    """

    def objective(model, batch, key):
        t, y, mask, inputs = unpack(batch)
        observed, clean = observe(y, mask)

        def misfit(model):
            solve = solve_fn if in_axes is None else jax.vmap(solve_fn, in_axes=(None, *in_axes))
            solution = jnp.asarray(solve(model, t, *inputs))
            if solution.shape != clean.shape:
                raise ValueError(
                    f"trajectory: solve_fn returned shape {solution.shape}, the data y have shape {clean.shape}: they "
                    "must agree (many trajectories at once: in_axes=)"
                )
            # where before the arithmetic: the gradient of a missing entry is zero and not zero times NaN
            return jnp.where(observed, solution - clean, 0) / jnp.asarray(scale, solution.real.dtype)

        return {"trajectory": Residuals(None, misfit, 1 / jnp.maximum(jnp.sum(observed), 1))}

    return objective


def nll(log_prob: Callable[..., Float[Array, ""]] | None = None) -> Objective:
    r"""The negative log-likelihood of samples, $\mathcal L = -\frac1N \sum_i \log p_{\mathrm{model}}(x_i)$.

    **Arguments:** `log_prob(model, x, key)` of one sample `x`, mapped over the leading axis of the batch with a key for
    each; default `model.log_prob(x)`.

    **Raises:** `ValueError` for a batch without samples.

    >>> import jax, jax.numpy as jnp
    >>> from sciml_jax import train
    >>> objective = train.nll(lambda mean, x, key: jax.scipy.stats.norm.logpdf(x, mean))
    >>> x = jnp.array([0.0, 1.0, 2.0])
    >>> stages = [train.lbfgs(20)]
    >>> result = train.fit(jnp.array(0.0), objective, stages=stages, data=x, key=jax.random.key(0), progress=False)
    >>> bool(jnp.allclose(result.model, 1.0))
    True
    """
    density = _own_log_prob if log_prob is None else log_prob

    def objective(model, batch, key):
        shapes = [jnp.shape(x) for x in jax.tree.leaves(batch)]
        if not shapes or any(not shape or shape[0] == 0 for shape in shapes):
            raise ValueError(f"nll: the batch needs samples along its leading axis; got shapes {shapes}")
        keys = jax.random.split(key, shapes[0][0])
        return -jnp.mean(jax.vmap(density, in_axes=(None, 0, 0))(model, batch, keys))

    return objective


def observe(y: Inexact[Array, "..."], mask: Any = None) -> tuple[Bool[Array, "..."], Inexact[Array, "..."]]:
    """Which entries of the data are observed, and the data with zeros in the other places.

    **Arguments:** `y`, data with NaN where a value is missing; `mask`, `None` or an array of the shape of `y` or of its
    leading axes, true or nonzero where observed.

    **Raises:** `ValueError` for a mask of another shape.

    >>> import jax.numpy as jnp
    >>> from sciml_jax.train.objectives import observe
    >>> observed, clean = observe(jnp.array([1.0, jnp.nan, 3.0]), jnp.array([1, 1, 0]))
    >>> observed.tolist(), clean.tolist()
    ([True, False, False], [1.0, 0.0, 0.0])
    """
    y = jnp.asarray(y)
    observed = ~jnp.isnan(y)
    if mask is not None:
        mask = jnp.asarray(mask)
        if mask.shape != y.shape[: mask.ndim]:
            raise ValueError(f"mask has shape {mask.shape}; it must have that of y, {y.shape}, or of its leading axes")
        observed &= (mask != 0).reshape(mask.shape + (1,) * (y.ndim - mask.ndim))
    return observed, jnp.where(observed, y, 0)


def unpack(batch: Any) -> tuple[Any, Any, Any, tuple]:
    """`(t, y, mask, inputs)` of a batch, the mask `None` and the inputs empty where they are left out."""
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        raise TypeError(
            "the batch of a trajectory objective is (t, y), (t, y, mask) or (t, y, mask, *inputs): give that as data= "
            f"to fit; got {type(batch).__name__}"
        )
    t, y, *rest = batch
    return t, y, rest[0] if rest else None, tuple(rest[1:])


def _own_log_prob(model: PyTree, x: PyTree, key: PRNGKeyArray) -> Float[Array, ""]:
    return model.log_prob(x)
