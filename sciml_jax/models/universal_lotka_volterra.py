"""Lotka–Volterra with a network in its interaction, started from a fit of the mechanistic model."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..core import Frozen
from ..nn import MLP
from .generalized_lotka_volterra import GeneralizedLotkaVolterra
from .lotka_volterra import LotkaVolterra
from .populations import AbstractPopulations
from .universal import Standardize, UniversalField, rest, squared_weights


class Growth(eqx.Module):
    r"""What grows or decays alone, linearly: the known part, $d\log y_i/dt = r_i$.

    It trains as $r_i = r_i^0 e^{\theta_i}$ with $\theta = 0$ at the start: growth stays growth, and decay decay.
    """

    start: Frozen
    log_factor: Float[Array, " n"]

    @property
    def rates(self) -> Float[Array, " n"]:
        """Growth rates, negative for decay, shape `(n,)`."""
        return self.start.value * jnp.exp(self.log_factor)

    def __call__(self, t, z, args=None):
        """The rates, whatever the populations are."""
        return self.rates


class Interaction(eqx.Module):
    r"""Interactions in pairs, each multiplied by a positive function of the populations.

    $$ \Big(\frac{d \log y_i}{dt}\Big)_{\mathrm{interaction}} = \sum_j A_{ij}\, e^{n_{ij}}\, y_j, \qquad
       n_{ij} = n_{ji} = \ell \tanh(N_{k(i,j)} / \ell) $$

    $N$ is the output of a network, one entry for each pair that interacts. Zero is the mass-action law of
    Lotka–Volterra; the bound $\ell$ keeps a forecast sane where the populations leave the range of the data.
    """

    start: Frozen
    log_factor: Float[Array, "n n"]
    pairs: tuple[tuple[int, int], ...] = eqx.field(static=True)
    limit: float = eqx.field(static=True)

    @property
    def strength(self) -> Float[Array, "n n"]:
        """$A$, without the network's factor; entries keep their sign, and zeros stay zero."""
        return self.start.value * jnp.exp(self.log_factor)

    def factors(self, value: Float[Array, " pairs"]) -> Float[Array, " pairs"]:
        """What the interaction of each pair is multiplied by, between $e^{-\\ell}$ and $e^{\\ell}$."""
        return jnp.exp(self.limit * jnp.tanh(value / self.limit))

    def __call__(self, value, t, z, args=None):
        """The interaction's part of the growth rates, from the output of the network."""
        # a product with constants: scatters cost three times the compile time of the whole solve
        place = np.zeros((*self.start.shape, len(self.pairs)), value.dtype)
        for k, (i, j) in enumerate(self.pairs):
            place[i, j, k] = place[j, i, k] = 1
        return (self.strength * (place @ self.factors(value))) @ jnp.exp(z)


class UniversalLotkaVolterra(AbstractPopulations):
    r"""Known linear growth and decay, and a network in the interaction.

    $$ \frac{du}{dt} = a u - b\, e^{n(u, v)}\, u v, \qquad \frac{dv}{dt} = -c v + d\, e^{n(u, v)}\, u v $$

    One network serves what the prey lose and what the predators gain: it is the same meeting of the two. It sees the
    standardised logarithms of the populations, and starts at $n = 0$, the model it is made from. A penalty on its
    weights draws back to that model: where the data do not ask for more than Lotka–Volterra, that is what remains.
    For more populations every interacting pair has its own $n_{ij}$.

    **Arguments:** `model`, a fitted `LotkaVolterra` or `GeneralizedLotkaVolterra`; `log_mean` and `log_std` of shape
    `(n,)`, of the data in logarithms; `width` and `depth` of the network, default 8 and 1; `limit` $\ell$ on
    $|n|$, default 2; `key`, a JAX PRNG key for its weights.

    **Call:** the field, `model(t, y, args)`; `model.predict(ts)` solves it; `model.field` is the `UniversalField` that
    both stand on, in logarithms.

    **Raises:** `ValueError` for a model without any interaction.

    Source: C. Rackauckas et al., arXiv:2001.04385 (2020), section 3.1, with the network inside the interaction's rate.

    >>> import jax
    >>> from sciml_jax.models import LotkaVolterra, UniversalLotkaVolterra
    >>> start = LotkaVolterra([0.55, 0.028, 0.8, 0.024], [30.0, 4.0], t0=1900.0)
    >>> model = UniversalLotkaVolterra(start, [3.2, 2.7], [0.7, 0.8], key=jax.random.key(0))
    >>> bool((abs(model.predict([1910.0]) - start.predict([1910.0])) < 1e-3).all())
    True
    """

    known: Growth
    network: MLP
    inputs: Standardize
    output: Interaction
    log_y0: Float[Array, " n"]
    t0: Frozen

    def __init__(
        self,
        model: LotkaVolterra | GeneralizedLotkaVolterra,
        log_mean: Float[Array, " n"],
        log_std: Float[Array, " n"],
        *,
        width: int = 8,
        depth: int = 1,
        limit: float = 2.0,
        key: PRNGKeyArray,
    ):
        strength = np.asarray(model.interaction)
        n = len(strength)
        pairs = tuple((i, j) for i in range(n) for j in range(i, n) if strength[i, j] or strength[j, i])
        if not pairs:
            raise ValueError("model has no interaction: there is nothing for a network to stand in")
        dtype = model.log_y0.dtype
        self.known = Growth(Frozen(model.growth), jnp.zeros(n, dtype))
        self.network = rest(MLP(n, len(pairs), width, depth, dtype=dtype, key=key))
        self.inputs = Standardize(jnp.asarray(log_mean, dtype), jnp.asarray(log_std, dtype))
        self.output = Interaction(Frozen(model.interaction), jnp.zeros((n, n), dtype), pairs, float(limit))
        self.log_y0, self.t0 = model.log_y0, model.t0

    @property
    def field(self) -> UniversalField:
        """The field in logarithms, $d\\log y/dt$."""
        return UniversalField(self.known, self.network, self.inputs, self.output)

    def log_field(self, t, z, args=None):
        """The growth rates at `z`, the logarithms of the populations."""
        return self.field(t, z, args)

    def factors(self, y: Float[Array, " n"]) -> Float[Array, " pairs"]:
        """What the network multiplies each pair's interaction by, at populations `y`; 1 is Lotka–Volterra."""
        return self.output.factors(self.network(self.inputs(self.t0.value, jnp.log(y))))

    def squared_weights(self) -> Float[Array, ""]:
        """The sum of squares of the weights of the network."""
        return squared_weights(self.network)
