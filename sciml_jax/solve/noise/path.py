"""What a stochastic method reads its noise from: the increments of a path."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float

from ...core import trees
from ..problem import State, Time


class Path(eqx.Module):
    """The path of a Brownian motion, or of any other driving signal.

    A path has a field `shape`, static: the shape of its values, or a pytree of shapes; and `increment(t, dt)`.
    """

    shape: eqx.AbstractVar[Any]

    @property
    def reconstructible(self) -> bool:
        """Whether increments of any two intervals belong to one path: needed where steps are rejected."""
        return True

    @property
    def finest(self) -> Time | None:
        """The length of the shortest intervals over which the path has noise of its own; `None` where there is none."""
        return None

    @abstractmethod
    def increment(self, t: Time, dt: Time) -> State:
        """W(t + dt) - W(t), also for a negative dt."""

    def increment_and_area(self, t: Time, dt: Time) -> tuple[State, State]:
        r"""The increment and the space-time area, the mean of the path over its chord,
        $H = \frac1h \int_t^{t+h} (W(s) - W(t))\,ds - \frac12 \Delta W$: of variance h / 12 for Brownian motion, and
        independent of the increment."""
        raise ValueError(
            f"this method needs the space-time area of its noise, which this sj.{type(self).__name__} does not know: "
            "use sj.IncrementPath or sj.BrownianTree(..., area=True), or another method, sj.EulerMaruyama() say"
        )

    def increment_and_levy_area(self, t: Time, dt: Time) -> tuple[Float[Array, " m"], Float[Array, "m m"]]:
        r"""The increment of all noises, in one vector, and their Lévy areas over the step,
        $A_{jk} = \tfrac12 \int (W_j\, dW_k - W_k\, dW_j)$ with W from the step's start."""
        raise ValueError(
            f"this method needs the Lévy areas between its noises, which this sj.{type(self).__name__} does not know: "
            "use sj.IncrementPath, or another method, sj.EulerMaruyama() say"
        )


class GivenPath(Path):
    """A path that is known: `function(t)` returns W(t), of the given shape. Differentiable as the function is.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> path = sj.GivenPath(lambda t: jnp.sin(t), ())
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: jnp.ones_like(y))
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 0.0, None, path=path, steps=1000)
    >>> exact = (jnp.cos(1.0) + jnp.sin(1.0) - jnp.exp(-1.0)) / 2  # y' = -y + cos(t)
    >>> bool(abs(sol.y - exact) < 1e-3)
    True
    """

    function: Callable
    shape: Any = eqx.field(static=True)

    def increment(self, t, dt):
        return trees.subtract(self.function(t + dt), self.function(t))


def is_shape(x: Any) -> bool:
    """Whether x is the shape of one array, rather than a pytree of shapes."""
    return isinstance(x, tuple) and all(isinstance(n, int) for n in x)


def split_shapes(shape: Any) -> tuple[list[tuple[int, ...]], Any]:
    """The shapes of a pytree of shapes, and its structure."""
    return jax.tree.flatten(shape, is_leaf=is_shape)
