"""What a method is given: the field, its arguments, tolerances and norm."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..core import Closed, trees
from ..core.once import once
from ..core.types import State, Time
from ..linalg import Structure
from .structured import StructuredField


class Problem(eqx.Module):
    r"""A differential equation as a method sees it.

    - `field`: `field(t, y, args) -> dy/dt`, or a structured field such as `Separable`.
    - `args`: the user's arguments, any pytree.
    - `rtol`, `atol`: tolerances, numbers or pytrees with the structure of y.
    - `norm`: a norm of pytrees shaped like y, to a real scalar.
    - `mass`: the matrix M of $M \dot y = f$, stored by `structure`; `None` for the identity. `mass_inverse`:
      its pseudo-inverse as an array (n, n) or its diagonal (n,), where it was computed. `jacobian`: the user's.
    - `structure`: what is known of the zeros of M and the Jacobian; `None`: nothing.
    - `constant_steps`: whether a step that fails cannot be repeated with a smaller size; iterations are patient then.
    """

    field: Callable
    args: PyTree
    rtol: PyTree
    atol: PyTree
    norm: Callable = trees.rms_norm
    mass: Any = None
    mass_inverse: Any = None
    jacobian: Callable | None = None
    structure: Structure | None = eqx.field(static=True, default=None)
    constant_steps: bool = eqx.field(static=True, default=False)

    def evaluate(self, t: Time, y: State) -> State:
        """The derivative dy/dt at (t, y), in the dtypes of y."""
        y = once(y)
        return once(as_derivative(self.field(t, y, self.args), y))

    def derivative(self, t: Time, y: State) -> State:
        """dy/dt as far as the mass matrix determines it: the least one; the field itself where there is none."""
        f = self.evaluate(t, y)
        if self.mass_inverse is None:
            return f
        return self.mass_inverse * f if self.mass_inverse.ndim == 1 else self.mass_inverse @ f

    @property
    def frozen(self) -> "Problem":
        """The same problem as a constant to derivatives."""
        arrays, rest = eqx.partition(self, eqx.is_array)
        still = eqx.combine(jax.lax.stop_gradient(arrays), rest)
        return replace(still, field=still.field.silent) if self.notes else still

    @property
    def notes(self) -> bool:
        """Whether the field notes what it reads while a step is traced that is differentiated (`frozen` does not): no
        function that JAX traces apart may call it then."""
        return isinstance(self.field, StructuredField) and self.field.notes

    def part(self, function: Callable) -> Callable[[Time, State], State]:
        """A part of the field as a function of (t, y)."""
        return lambda t, y: as_derivative(function(t, y, self.args), y)

    @property
    def autonomous(self) -> bool:
        """Whether the field certainly does not depend on time."""
        return isinstance(self.field, Closed | StructuredField) and self.field.ignores(0)

    def error_norm(self, error: State, y0: State, y1: State) -> Time:
        """The norm of the error estimate over `atol + rtol max(|y0|, |y1|)`: a step with at most 1 is accepted."""
        return self.norm(self.scaled(error, y0, y1))

    def error_norm_squared(self, error: State, y0: State, y1: State) -> Time:
        """Its square: what is accepted is the same, and the mean square needs no root in the inner loop."""
        scaled = self.scaled(error, y0, y1)
        return trees.mean_square(scaled) if self.norm is trees.rms_norm else self.norm(scaled) ** 2

    def scaled(self, error: State, y0: State, y1: State) -> State:
        """`error` in units of the tolerance, leaf by leaf, real."""
        rtol = trees.broadcast_prefix(self.rtol, y0, "rtol")
        atol = trees.broadcast_prefix(self.atol, y0, "atol")

        def leaf(e, a, b, r, c):
            return jnp.abs(e) / (c + r * jnp.maximum(jnp.abs(a), jnp.abs(b)))

        return jax.tree.map(leaf, error, y0, y1, rtol, atol)


def as_derivative(dy: State, y: State) -> State:
    """The field's value in the dtypes of y (a float64 constant in a float32 field does not promote the state)."""
    return jax.tree.map(lambda d, u: jnp.asarray(d, u.dtype), dy, y)


def check_like(value: PyTree, y0: State, name: str, what: str) -> None:
    """Raises `TypeError` or `ValueError` where what a user's function returns does not look like the state."""
    ours: Any = jax.tree.structure(y0)
    theirs: Any = jax.tree.structure(value)
    if ours != theirs:
        hint = ""
        if isinstance(value, list | tuple) and not isinstance(y0, list | tuple):
            hint = ": stack the components, jnp.stack([...])"
            hint += ", or say has_aux=True where it returns auxiliary outputs" if name == "field" else ""
        wanted, got = trees.describe(y0), trees.describe(value)
        raise TypeError(f"{name} must return a pytree like y0, {wanted}; it returned {got}{hint}")
    for (path, want), got in zip(jax.tree.leaves_with_path(y0), jax.tree.leaves(value), strict=True):
        place = f"y{jax.tree_util.keystr(path)}"
        if got.shape != want.shape:
            raise ValueError(f"{name} must return the shapes of y0: {place} is {want.shape}, its {what} {got.shape}")
        if jnp.issubdtype(got.dtype, jnp.complexfloating) and not jnp.iscomplexobj(want):
            raise TypeError(f"{name} is complex where {place} is real ({want.dtype}): give a complex y0")


def beside(t: Time, direction: Any) -> Time:
    """The number next to `t` on the side of `direction` (+1 or -1): a constant to derivatives.

    Next to zero it is the smallest normal number: XLA's programs take those below for zero on CPU.
    """
    t = jax.lax.stop_gradient(t)
    direction = jnp.asarray(direction, t.dtype)
    near, least = jnp.nextafter(t, direction * jnp.inf), jnp.finfo(t.dtype).tiny
    return jnp.where(jnp.abs(near) < least, direction * least, near)


def as_times(ts: Any) -> Any:
    """Times as an array; what is no JAX array stays on the host, so that it can be looked at."""
    return ts if isinstance(ts, jax.Array) else np.asarray(ts, float)


__all__ = ["Problem", "State", "Time", "as_derivative", "as_times", "beside", "check_like"]
