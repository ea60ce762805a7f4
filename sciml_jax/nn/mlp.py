"""The multi-layer perceptron with a smooth activation."""

from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact, PRNGKeyArray

Size = int | Literal["scalar"]


class MLP(eqx.Module):
    r"""A multi-layer perceptron: `depth` hidden layers of `width` units.

    $$ h_0 = x, \qquad h_{k+1} = \sigma(W_k h_k + b_k), \qquad y = W_d h_d + b_d $$

    The default activation is tanh: derivatives of every order exist, which solvers of high order and residuals of
    partial differential equations ask for. Weights start from the Glorot normal distribution, biases from zero.

    **Arguments:**

    - `in_size`: length of the input, or `"scalar"` for an input of shape `()`.
    - `out_size`: length of the output, or `"scalar"` for an output of shape `()`.
    - `width`: units in each hidden layer; at least 1 where there is one.
    - `depth`: number of hidden layers; 0 is one affine map.
    - `activation`: a function of arrays, entry by entry. Default `jax.nn.tanh`.
    - `final_activation`: applied to the output. Default `None`, none.
    - `dtype`: of weights and biases. Default: JAX's default float.
    - `key`: a JAX PRNG key for the initial weights.

    **Call:** `mlp(x)` with `x` of shape `(in_size,)` gives shape `(out_size,)`: one sample; batch with `jax.vmap`.

    **Raises:** `ValueError` for sizes below 1, a negative depth or an input of another shape, `TypeError` for an
    activation that is no function.

    Source: X. Glorot, Y. Bengio, Understanding the difficulty of training deep feedforward neural networks,
    AISTATS 2010, PMLR 9:249-256 (equation 12, the normal distribution of the same variance).

    >>> import jax, jax.numpy as jnp
    >>> from sciml_jax.nn import MLP
    >>> net = MLP(2, 3, width=16, depth=2, key=jax.random.key(0))
    >>> net(jnp.ones(2)).shape, jax.vmap(net)(jnp.ones((5, 2))).shape
    ((3,), (5, 3))
    """

    layers: tuple[eqx.nn.Linear, ...]
    activation: Callable
    final_activation: Callable | None
    in_size: Size = eqx.field(static=True)
    out_size: Size = eqx.field(static=True)
    width: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)

    def __init__(
        self,
        in_size: Size,
        out_size: Size,
        width: int,
        depth: int,
        *,
        activation: Callable = jax.nn.tanh,
        final_activation: Callable | None = None,
        dtype=None,
        key: PRNGKeyArray,
    ):
        _check(in_size, out_size, width, depth, activation, final_activation)
        dtype = jnp.result_type(float) if dtype is None else dtype
        sizes = [in_size, *[width] * depth, out_size]
        keys = jax.random.split(key, depth + 1)
        self.layers = tuple(_glorot(a, b, dtype, k) for a, b, k in zip(sizes[:-1], sizes[1:], keys, strict=True))
        self.activation, self.final_activation = activation, final_activation
        self.in_size, self.out_size, self.width, self.depth = in_size, out_size, width, depth

    def __call__(
        self, x: Inexact[Array, " in_size"], *, key: PRNGKeyArray | None = None
    ) -> Inexact[Array, " out_size"]:
        """The output for one sample `x`; `key` is accepted, so that layers can be chained, and not used."""
        x = jnp.asarray(x)
        shape = () if self.in_size == "scalar" else (self.in_size,)
        if x.shape != shape:
            raise ValueError(
                f"x has shape {x.shape}, MLP(in_size={self.in_size!r}) takes one sample of shape {shape}: "
                "map over a batch with jax.vmap(mlp)(x)"
            )
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        x = self.layers[-1](x)
        return x if self.final_activation is None else self.final_activation(x)


def _glorot(in_size: Size, out_size: Size, dtype, key: PRNGKeyArray) -> eqx.nn.Linear:
    layer = eqx.nn.Linear(in_size, out_size, dtype=dtype, key=key)
    weight = jax.nn.initializers.glorot_normal(in_axis=1, out_axis=0)(key, layer.weight.shape, dtype)
    assert layer.bias is not None
    return eqx.tree_at(lambda m: (m.weight, m.bias), layer, (weight, jnp.zeros_like(layer.bias)))


def _check(in_size, out_size, width, depth, activation, final_activation) -> None:
    for name, size in (("in_size", in_size), ("out_size", out_size)):
        if size != "scalar" and (not isinstance(size, int) or size < 1):
            raise ValueError(f'{name} must be an integer of at least 1, or "scalar" for shape (); got {size!r}')
    if not isinstance(depth, int) or depth < 0:
        raise ValueError(f"depth counts the hidden layers and must be an integer of at least 0; got {depth!r}")
    if not isinstance(width, int) or (width < 1 and depth > 0):
        raise ValueError(f"width counts the units of a hidden layer and must be at least 1; got {width!r}")
    for name, fn in (("activation", activation), ("final_activation", final_activation)):
        if not callable(fn) and not (name == "final_activation" and fn is None):
            raise TypeError(f"{name} must be a function such as jax.nn.tanh; got {fn!r}")
