"""Gradient matching: fit a field to derivatives estimated from the data, without a single solve."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from .objectives import Objective, observe
from .problem import Residuals


def smooth(
    t: Float[Array, " T"],
    y: Float[Array, "T d"],
    bandwidth: float | None = None,
    *,
    at: Float[Array, " N"] | None = None,
) -> tuple[Float[Array, "N d"], Float[Array, "N d"]]:
    r"""Smoothed values and derivatives of noisy data, by local quadratic regression.

    At each time $\tau$ the quadratic $a + b(t - \tau) + c(t-\tau)^2$ that fits the observed points best, with the
    weights $\max(0, 1 - ((t-\tau)/h)^2)$, gives the value $a$ and the derivative $b$: exact for noiseless quadratics.

    **Arguments:** `t` of shape `(T,)`; `y` of shape `(T, d)`, NaN where missing; `bandwidth` $h$ in units of `t`,
    default $(t_T - t_1)\,T^{-1/7}/2$, and at least 2.5 of the largest gaps: give a smaller one where the data bend
    faster than that; `at`, the times $\tau$, default `t`.

    **Returns:** values and derivatives, each of shape `(N, d)`.

    **Raises:** `ValueError` for fewer than three times or other shapes.

    **Cost:** `N T d` operations.

    Source: J. Fan, I. Gijbels, Local Polynomial Modelling and Its Applications, 1996, equations 2.5, 3.1 (Epanechnikov
    weights, rate of the bandwidth for a derivative by a quadratic).

    >>> import jax.numpy as jnp
    >>> from sciml_jax.train import smooth
    >>> t = jnp.linspace(0.0, 1.0, 21)
    >>> value, slope = smooth(t, (t**2)[:, None])
    >>> bool(jnp.allclose(slope[:, 0], 2 * t, atol=1e-3))
    True
    """
    t, y = jnp.asarray(t), jnp.asarray(y)
    if t.ndim != 1 or len(t) < 3 or y.ndim != 2 or len(y) != len(t):
        raise ValueError(f"smooth takes t of shape (T,) with T >= 3 and y of shape (T, d); got {t.shape} and {y.shape}")
    observed, clean = observe(y)
    width: Any = bandwidth
    if width is None:
        ordered = jnp.sort(t)
        width = jnp.maximum((ordered[-1] - ordered[0]) * len(t) ** (-1 / 7) / 2, 2.5 * jnp.max(jnp.diff(ordered)))

    def one(tau, seen, values):
        s = (t - tau) / width
        weight = jnp.where(seen, jnp.maximum(1 - s * s, 0), 0)
        basis = jnp.stack([jnp.ones_like(s), s, s * s], axis=1) * jnp.sqrt(weight)[:, None]
        # least squares of least norm: with too few points in reach the degree drops instead of blowing up
        coefficients = jnp.linalg.lstsq(basis, jnp.sqrt(weight) * values)[0]
        return coefficients[0], coefficients[1] / width

    each_component = jax.vmap(one, in_axes=(None, 1, 1))
    return jax.vmap(each_component, in_axes=(0, None, None))(t if at is None else jnp.asarray(at), observed, clean)


def collocation(field: Callable[..., Inexact[Array, " d"]], *, scale: float = 1.0) -> Objective:
    r"""The mean square of what a field misses of the derivatives: a start for training through solves.

    $$ \mathcal L = \frac1N \sum_i \lVert (f(\mathrm{model}, t_i, y_i) - \dot y_i)/s \rVert^2 $$

    No solve and no backward pass through one: a step costs `N` evaluations of the field, and the problem is convex
    where the field is linear in its parameters. The error of the derivatives stays in the result: go on with
    `trajectory`.

    **Arguments:** `field(model, t, y)` of one state; `scale`, the size of an error, broadcasts to a state. Default 1.

    **Batch:** `(t, y, dy)` with a common leading axis, such as `(t, *smooth(t, data))`.

    **Raises:** `TypeError` for a batch of another form.

    Source: E. Roesch, C. Rackauckas, M. Stumpf, Collocation based training of neural ordinary differential equations,
    Stat. Appl. Genet. Mol. Biol. 20 (2021), doi:10.1515/sagmb-2020-0025.

    >>> import jax, jax.numpy as jnp
    >>> from sciml_jax import train
    >>> t = jnp.linspace(0.0, 1.0, 41)
    >>> batch = (t, *train.smooth(t, jnp.exp(-2.0 * t)[:, None], 0.1))
    >>> objective = train.collocation(lambda rate, t, y: -rate * y)
    >>> stages = [train.lbfgs(20)]
    >>> result = train.fit(jnp.array(1.0), objective, stages=stages, data=batch, key=jax.random.key(0), progress=False)
    >>> bool(jnp.allclose(result.model, 2.0, rtol=1e-2))
    True
    """

    def objective(model, batch, key):
        if not isinstance(batch, tuple | list) or len(batch) != 3:
            raise TypeError("the batch of collocation is (t, y, dy): pass data=(t, *train.smooth(t, y)) to fit")

        def misfit(model, point):
            t, y, dy = point
            return (field(model, t, y) - dy) / jnp.asarray(scale, dy.dtype)

        return {"collocation": Residuals(tuple(batch), misfit)}

    return objective
