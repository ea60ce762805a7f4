"""Arrays that belong to a model and are not trained."""

import operator
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Shaped


def _binary(operation: Callable) -> Callable:
    return lambda self, other: operation(self.value, _read(other))


def _reflected(operation: Callable) -> Callable:
    return lambda self, other: operation(_read(other), self.value)


class Frozen(eqx.Module):
    r"""An array that `fit` leaves alone: a normaliser, a Fourier matrix, a POD basis.

    It is a pytree with one array in it, so that `jit`, `vmap` and `grad` pass through and checkpoints hold it.
    Reading it stops the gradient: $\partial\, \mathrm{value} / \partial\, \mathrm{array} = 0$, in any training loop.
    It stands in arithmetic and `jax.numpy` calls as the array itself would; as an index, or for a method of
    arrays, take `.value`.

    **Arguments:** `x`, an array of any shape and dtype, or what `jnp.asarray` makes one of; a `Frozen` stays as it is.

    **Raises:** `TypeError` for what is no array: a pytree is frozen leaf by leaf, `jax.tree.map(Frozen, tree)`.

    >>> import jax, jax.numpy as jnp
    >>> from sciml_jax.core.frozen import Frozen
    >>> mean = Frozen(jnp.array([1.0, 2.0]))
    >>> mean.value.tolist(), (jnp.array([3.0, 3.0]) - mean).tolist()
    ([1.0, 2.0], [2.0, 1.0])
    >>> jax.grad(lambda m: jnp.sum(m * 5.0))(mean).array.tolist()
    [0.0, 0.0]
    """

    array: Shaped[Array, "..."]

    def __init__(self, x: "ArrayLike | Frozen"):
        if isinstance(x, Frozen):
            self.array = x.array
            return
        cure = f"Frozen(x) holds one array, got {type(x).__name__}: freeze a pytree with jax.tree.map(Frozen, tree)"
        # a tuple of equally long arrays would be stacked without a word
        if not isinstance(x, jax.Array | np.ndarray) and any(map(eqx.is_array, jax.tree.leaves(x))):
            raise TypeError(cure)
        try:
            self.array = x if isinstance(x, jax.Array) else jnp.asarray(x)
        except (TypeError, ValueError) as error:
            raise TypeError(cure) from error

    @property
    def value(self) -> Shaped[Array, "..."]:
        """The array, under `stop_gradient`."""
        return jax.lax.stop_gradient(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the array."""
        return self.array.dtype

    @property
    def ndim(self) -> int:
        """The number of axes of the array."""
        return self.array.ndim

    @property
    def size(self) -> int:
        """The number of entries of the array."""
        return self.array.size

    @property
    def T(self) -> Array:
        """The transpose."""
        return self.value.T

    def __jax_array__(self) -> Array:
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.array, dtype=dtype, copy=copy)

    # NumPy would otherwise loop over the entries in `numpy_array * frozen`
    __array_priority__ = 100

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self):
        return iter(self.value)

    def __getitem__(self, index: Any) -> Array:
        return self.value[index]

    def __float__(self) -> float:
        return float(self.array)

    def __int__(self) -> int:
        return int(self.array)

    __add__, __radd__ = _binary(operator.add), _reflected(operator.add)
    __sub__, __rsub__ = _binary(operator.sub), _reflected(operator.sub)
    __mul__, __rmul__ = _binary(operator.mul), _reflected(operator.mul)
    __truediv__, __rtruediv__ = _binary(operator.truediv), _reflected(operator.truediv)
    __pow__, __rpow__ = _binary(operator.pow), _reflected(operator.pow)
    __matmul__, __rmatmul__ = _binary(operator.matmul), _reflected(operator.matmul)

    def __neg__(self) -> Array:
        return -self.value


def _read(x: Any) -> Any:
    return x.value if isinstance(x, Frozen) else x


def is_frozen(x: Any) -> bool:
    """Whether `x` is a `Frozen` array: the `is_leaf` that keeps it whole in `jax.tree.map`."""
    return isinstance(x, Frozen)
