"""The Lotka–Volterra model of a predator and its prey, with positive parameters and its initial state."""

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from ..core import Frozen
from .populations import AbstractPopulations

RATES = ("a", "b", "c", "d")


class LotkaVolterra(AbstractPopulations):
    r"""A prey $u$ and a predator $v$.

    $$ \frac{du}{dt} = a u - b u v, \qquad \frac{dv}{dt} = -c v + d u v, \qquad u(t_0) = u_0,\ v(t_0) = v_0 $$

    What trains are the logarithms of the four rates and of the initial state, so that all of them stay positive and a
    step of an optimiser is a relative one, in whatever units the data come.

    **Arguments:**

    - `rates`: `a`, `b`, `c`, `d`, all positive: growth of the prey and decay of the predator per unit of time, and the
      two rates of interaction per unit of time and of the other population.
    - `y0`: prey and predator at `t0`, shape `(2,)`, positive, in the units of the data.
    - `t0`: the time of the initial state. Default 0.

    **Call:** the field, `model(t, y, args)`; `model.predict(ts)` solves it.

    **Raises:** `ValueError` for other shapes, or for what is not positive and finite.

    Source: A. Lotka, Elements of physical biology, 1925, chapter VIII; V. Volterra, Nature 118 (1926),
    doi:10.1038/118558a0.

    >>> from sciml_jax.models import LotkaVolterra
    >>> model = LotkaVolterra([0.55, 0.028, 0.8, 0.024], [30.0, 4.0], t0=1900.0)
    >>> model.equilibrium.round(1).tolist()
    [33.3, 19.6]
    >>> model.predict([1900.0, 1910.0])[0].round(3).tolist()
    [30.0, 4.0]
    """

    log_rates: Float[Array, " 4"]
    log_y0: Float[Array, " 2"]
    t0: Frozen

    def __init__(self, rates: Float[ArrayLike, " 4"], y0: Float[ArrayLike, " 2"], t0: Float[ArrayLike, ""] = 0.0):
        self.log_rates = jnp.log(positive(rates, "rates", 4))
        self.log_y0 = jnp.log(positive(y0, "y0", 2))
        self.t0 = Frozen(jnp.asarray(t0, jnp.result_type(float)))

    @property
    def rates(self) -> Float[Array, " 4"]:
        """`a`, `b`, `c`, `d`."""
        return jnp.exp(self.log_rates)

    @property
    def growth(self) -> Float[Array, " 2"]:
        """What grows or decays alone: `(a, -c)`."""
        a, _, c, _ = self.rates
        return jnp.stack([a, -c])

    @property
    def interaction(self) -> Float[Array, "2 2"]:
        """The effect of the second index on the growth of the first: `((0, -b), (d, 0))`."""
        _, b, _, d = self.rates
        return jnp.stack([jnp.stack([0 * b, -b]), jnp.stack([d, 0 * d])])

    @property
    def equilibrium(self) -> Float[Array, " 2"]:
        """Where neither changes, `(c / d, a / b)`: also the mean of every cycle over time."""
        a, b, c, d = self.rates
        return jnp.stack([c / d, a / b])

    def log_field(self, t, z, args=None):
        """The growth rates `(a - b v, -c + d u)` at `z = (log u, log v)`."""
        a, b, c, d = self.rates
        u, v = jnp.exp(z)
        return jnp.stack([a - b * v, -c + d * u])


def positive(x: ArrayLike, name: str, size: int | None = None) -> Float[Array, " n"]:
    """`x` as an array of shape `(size,)`; `ValueError` unless it is one of positive, finite numbers."""
    x = jnp.asarray(x, jnp.result_type(float))
    if x.ndim != 1 or (size is not None and len(x) != size):
        raise ValueError(f"{name} must have shape ({'n' if size is None else size},); got {x.shape}")
    traced = isinstance(x, Tracer)
    if not traced and not np.all((np.asarray(x) > 0) & np.isfinite(np.asarray(x))):
        raise ValueError(f"{name} must be positive and finite; got {np.asarray(x).tolist()}")
    return x
