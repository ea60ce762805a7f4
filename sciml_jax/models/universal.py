"""Universal differential equations: a known part and a network for what is not known."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Inexact, PyTree

from ..core import Frozen
from ..nn import MLP


class UniversalField(eqx.Module):
    r"""A field with a known part, and a network for the part that is not known.

    $$ \frac{dy}{dt} = f(t, y, \mathrm{args}) + h\big(N(x(t, y, \mathrm{args})),\ t, y, \mathrm{args}\big) $$

    A network whose last layer is zero (`rest`) leaves the known part as the start of training, when `output` maps zero
    to zero; a penalty on its weights (`squared_weights`) then draws towards the known part.

    **Arguments:**

    - `known`: $f$, a field `known(t, y, args) -> dy/dt`. Where it is an Equinox module its arrays train too, unless
      they are `Frozen`.
    - `network`: $N$, a function of one array such as `sj.nn.MLP`.
    - `inputs`: $x$, what the network sees, `inputs(t, y, args)`; default `y`. `Standardize` brings it to order one.
    - `output`: $h$, what becomes of the output of the network, `output(value, t, y, args)`; default the output itself.

    **Call:** `field(t, y, args)`: give it to `solve_ode`.

    **Raises:** `ValueError` where both parts have not the same structure.

    Source: C. Rackauckas et al., Universal differential equations for scientific machine learning, arXiv:2001.04385
    (2020), section 2.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> from sciml_jax.models import UniversalField
    >>> net = sj.nn.MLP(1, 1, width=8, depth=1, key=jax.random.key(0))
    >>> field = UniversalField(lambda t, y, args: -y, rest(net))
    >>> sol = sj.solve_ode(field, (0.0, 1.0), jnp.ones(1))
    >>> bool(jnp.allclose(sol.y, jnp.exp(-1.0), rtol=1e-4))
    True
    """

    known: Callable[..., PyTree]
    network: Callable
    inputs: Callable[..., Inexact[Array, "..."]] | None = None
    output: Callable[..., PyTree] | None = None

    def __call__(self, t: Float[Array, ""], y: PyTree, args: Any = None) -> PyTree:
        """dy/dt at one state."""
        known = self.known(t, y, args)
        value = self.network(y if self.inputs is None else self.inputs(t, y, args))
        unknown = value if self.output is None else self.output(value, t, y, args)
        shapes = [jax.tree.map(jnp.shape, part) for part in (known, unknown)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"the known part has shapes {shapes[0]}, the network's part {shapes[1]}: they must agree (output= maps "
                "the output of the network to a derivative)"
            )
        return jax.tree.map(jnp.add, known, unknown)


class Standardize(eqx.Module):
    r"""Brings a state to order one, $(y - m) / s$: the `inputs` of a `UniversalField`.

    **Arguments:** `center` $m$ and `scale` $s$, of the shape of the state or broadcasting to it; they do not train.

    >>> import jax.numpy as jnp
    >>> from sciml_jax.models import Standardize
    >>> Standardize(jnp.array([1.0, 2.0]), 2.0)(0.0, jnp.array([3.0, 2.0])).tolist()
    [1.0, 0.0]
    """

    center: Frozen
    scale: Frozen

    def __init__(self, center: Float[ArrayLike, "..."], scale: Float[ArrayLike, "..."]):
        self.center, self.scale = Frozen(jnp.asarray(center)), Frozen(jnp.asarray(scale))

    def __call__(self, t, y, args=None):
        """The standardised state."""
        return (y - self.center.value) / self.scale.value


def rest(network: MLP) -> MLP:
    """The network with its last layer zero: its output is zero everywhere, and its gradient is not.

    >>> import jax, jax.numpy as jnp
    >>> from sciml_jax import nn
    >>> from sciml_jax.models import rest
    >>> rest(nn.MLP(2, 3, 8, 1, key=jax.random.key(0)))(jnp.ones(2)).tolist()
    [0.0, 0.0, 0.0]
    """
    return eqx.tree_at(lambda net: net.layers[-1], network, replace_fn=lambda last: jax.tree.map(jnp.zeros_like, last))


def squared_weights(network: PyTree) -> Float[Array, ""]:
    r"""The sum of squares of a network's arrays, $\lVert w \rVert^2$, as a prior $w \sim N(0, s^2)$ asks for.

    >>> import jax.numpy as jnp
    >>> from sciml_jax.models import squared_weights
    >>> float(squared_weights({"weight": jnp.array([1.0, 2.0]), "activation": jnp.tanh}))
    5.0
    """
    leaves = jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))
    return sum((jnp.sum(x * x) for x in leaves), jnp.zeros(()))
