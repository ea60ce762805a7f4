"""Fields whose structure methods use: separable systems, second-order equations, sums of two parts."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from ..core import Closed
from ..core.types import State, Time


class StructuredField(eqx.Module):
    """A field that is more than a function of (t, y, args); called like one, it is the whole field."""

    @abstractmethod
    def __call__(self, t: Time, y: State, args: PyTree) -> State:
        """The derivative dy/dt."""

    @abstractmethod
    def check(self, y0: State) -> None:
        """Raises `TypeError` or `ValueError` for a state that this field cannot have."""

    def ignores(self, argument: int) -> bool:
        """Whether the derivative certainly does not depend on the argument in this place, once traced."""
        return False

    @abstractmethod
    def closed(self, close: Callable, t: Time, y: State) -> "StructuredField":
        """The same field with each of its functions traced by `close(function, t, state)`."""

    def memory(self, order: int, events: int) -> Any:
        """What a solve by a method of this order, with so many events, must remember of its steps; `None`: nothing."""
        return None

    @property
    def notes(self) -> bool:
        """Whether it notes what it reads: it is to be called in the trace at hand then, not in one of its own."""
        return False

    @property
    def silent(self) -> "StructuredField":
        """The same field, which notes nothing."""
        return self

    def bound(self, args: PyTree) -> "StructuredField":
        """The same field, once traced, with what depends on args alone evaluated."""
        return self

    @property
    def split(self) -> "Split | None":
        """The explicit and the implicit part of what is deterministic in it, for additive methods."""
        return None


def _check_pair(kind: str, y0: State) -> None:
    if type(y0) is not tuple or len(y0) != 2:
        got = f"a {type(y0).__name__} of {len(y0)}" if isinstance(y0, tuple | list) else f"a {type(y0).__name__}"
        raise TypeError(f"sj.{kind} needs y0 = (q, p), a tuple of two states; got {got}")


class Separable(StructuredField):
    r"""A separable system: $\dot q = v(t, p, \mathrm{args})$, $\dot p = g(t, q, \mathrm{args})$, with y = (q, p).

    - `velocity`: `velocity(t, p, args) -> dq/dt`. `force`: `force(t, q, args) -> dp/dt`.

    >>> import sciml_jax as sj
    >>> field = sj.Separable(lambda t, p, args: p, lambda t, q, args: -q)
    >>> sol = sj.solve_ode(field, (0.0, 1.0), (1.0, 0.0), method=sj.KahanLi8(), steps=10)
    >>> abs(float(sol.y[0]) - 0.5403023058681398) < 1e-5
    True
    """

    velocity: Callable
    force: Callable

    def __call__(self, t, y, args):
        q, p = y
        return self.velocity(t, p, args), self.force(t, q, args)

    def check(self, y0):
        _check_pair("Separable", y0)

    def closed(self, close, t, y):
        q, p = y
        return Separable(close(self.velocity, t, p), close(self.force, t, q))


class SecondOrder(StructuredField):
    r"""A second-order equation $\ddot q = a(t, q, \mathrm{args})$, with y = (q, v).

    - `acceleration`: `acceleration(t, q, args) -> dv/dt`, of the structure of q.
    """

    acceleration: Callable

    def __call__(self, t, y, args):
        q, v = y
        return v, self.acceleration(t, q, args)

    def check(self, y0):
        _check_pair("SecondOrder", y0)

    def closed(self, close, t, y):
        return SecondOrder(close(self.acceleration, t, y[0]))

    def velocity(self, t, v, args):
        """dq/dt: the velocity itself."""
        return v

    def force(self, t, q, args):
        """dv/dt: the acceleration."""
        return self.acceleration(t, q, args)


class Split(StructuredField):
    r"""A sum of two parts, $\dot y = f_E(t, y, \mathrm{args}) + f_I(t, y, \mathrm{args})$, for methods that treat the
    first explicitly and the second, stiff one implicitly (`KenCarp3`, `KenCarp4`, `KenCarp5`, `IMEXEuler`,
    `SBDF2`, and as the drift of a stochastic equation `SKenCarp`); for all others it is the sum.

    - `explicit`, `implicit`: functions of (t, y, args) that return pytrees like y.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> field = sj.Split(lambda t, y, args: jnp.cos(t) + 0 * y, lambda t, y, args: -args * (y - 1))
    >>> sol = sj.solve_ode(field, (0.0, 1.0), 1.0, 1e3, method=sj.KenCarp4())
    >>> abs(float(sol.y) - 1.00054) < 1e-5
    True
    """

    explicit: Callable
    implicit: Callable

    def __call__(self, t, y, args):
        return jax.tree.map(lambda e, i: e + i, self.explicit(t, y, args), self.implicit(t, y, args))

    @property
    def split(self):
        return self

    def check(self, y0):
        """Any state will do."""

    def ignores(self, argument):
        parts = (self.explicit, self.implicit)
        return all(isinstance(part, Closed) and part.ignores(argument) for part in parts)

    def closed(self, close, t, y):
        return Split(close(self.explicit, t, y), close(self.implicit, t, y))
