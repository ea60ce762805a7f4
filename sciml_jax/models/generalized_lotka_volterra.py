"""The generalised Lotka–Volterra model: any number of populations that act on one another in pairs."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..core import Frozen
from .lotka_volterra import positive
from .populations import AbstractPopulations


class GeneralizedLotkaVolterra(AbstractPopulations):
    r"""Populations whose growth rates are affine in all of them.

    $$ \frac{dy_i}{dt} = y_i \Big( r_i + \sum_j A_{ij}\, y_j \Big), \qquad y(t_0) = y_0 $$

    What trains are $r$ in units of `rate`, $A_{ij}$ in units of `rate / scale[j]`, and the logarithms of the initial
    state: with the reciprocal of a time between two data and the mean populations there, all of them are of order one.

    **Arguments:** `growth` $r$ of shape `(n,)`, per unit of time; `interaction` $A$ of shape `(n, n)`, per unit of time
    and of population; `y0` of shape `(n,)`, positive; `t0`, the time of the initial state, default 0; `rate`, default
    1; `scale` of shape `(n,)`, default 1.

    **Call:** the field, `model(t, y, args)`; `model.predict(ts)` solves it.

    **Raises:** `ValueError` for shapes that do not belong together, or a `y0` that is not positive.

    Source: R. May, Stability and complexity in model ecosystems, 1973, chapter 2.

    >>> from sciml_jax.models import GeneralizedLotkaVolterra
    >>> model = GeneralizedLotkaVolterra([1.0, -0.5], [[-0.1, -0.2], [0.3, 0.0]], [1.0, 1.0])
    >>> model.predict([0.0, 5.0]).shape
    (2, 2)
    """

    scaled_growth: Float[Array, " n"]
    scaled_interaction: Float[Array, "n n"]
    log_y0: Float[Array, " n"]
    t0: Frozen
    rate: Frozen
    scale: Frozen

    def __init__(
        self,
        growth: Float[ArrayLike, " n"],
        interaction: Float[ArrayLike, "n n"],
        y0: Float[ArrayLike, " n"],
        t0: Float[ArrayLike, ""] = 0.0,
        *,
        rate: Float[ArrayLike, ""] = 1.0,
        scale: Float[ArrayLike, " n"] | None = None,
    ):
        dtype = jnp.result_type(float)
        self.log_y0 = jnp.log(positive(y0, "y0"))
        n = len(self.log_y0)
        growth, interaction = jnp.asarray(growth, dtype), jnp.asarray(interaction, dtype)
        if growth.shape != (n,) or interaction.shape != (n, n):
            raise ValueError(
                f"y0 has {n} populations: growth must have shape ({n},) and interaction ({n}, {n}); got {growth.shape} "
                f"and {interaction.shape}"
            )
        scale = positive(jnp.ones(n, dtype) if scale is None else scale, "scale", n)
        rate = jnp.asarray(rate, dtype)
        self.scaled_growth, self.scaled_interaction = growth / rate, interaction * scale / rate
        self.t0, self.rate, self.scale = Frozen(jnp.asarray(t0, dtype)), Frozen(rate), Frozen(scale)

    @property
    def growth(self) -> Float[Array, " n"]:
        """What grows or decays alone, $r$."""
        return self.scaled_growth * self.rate.value

    @property
    def interaction(self) -> Float[Array, "n n"]:
        """The effect of the second index on the growth of the first, $A$."""
        return self.scaled_interaction * self.rate.value / self.scale.value

    def log_field(self, t, z, args=None):
        """The growth rates $r + A e^z$."""
        return self.growth + self.interaction @ jnp.exp(z)
