"""What a control is: a path through observations, made of pieces between times."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int

from ...core import call_jitted
from ..failure import known
from ..problem import Time

_COMPARED = 256  # knots up to which comparing with all of them is faster than a binary search


class Control(eqx.Module):
    """A path X(t) through the knots `ts`, one piece between two of them: what drives `sj.solve_cde`.

    `control(t)` is its value, `control.derivative(t)` its derivative, from the right at a knot; before the first and
    after the last knot the end pieces go on. Times of any shape may be given. A subclass gives both on one piece.
    """

    ts: eqx.AbstractVar[Float[Array, " n"]]
    regular: eqx.AbstractVar[bool]

    @property
    @abstractmethod
    def causal(self) -> bool:
        """Whether the path up to any time is made of observations up to this time only: for predictions online."""

    @property
    @abstractmethod
    def causal_at_knots(self) -> bool:
        """Whether the path up to any knot is made of observations up to this knot only: for predictions that wait for
        the next observation."""

    @property
    @abstractmethod
    def smooth(self) -> bool:
        """Whether the derivative is continuous; otherwise solvers step to the knots."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Number of components of X."""

    @abstractmethod
    def piece(self, k: Int[Array, ""], share: Time) -> Inexact[Array, "..."]:
        """X on piece k, where `share` runs from 0 to 1."""

    @abstractmethod
    def piece_slope(self, k: Int[Array, ""], share: Time) -> Inexact[Array, "..."]:
        """The derivative of X with respect to `share` on piece k."""

    @property
    def t_span(self) -> tuple[Time, Time]:
        """The first and the last knot."""
        return self.ts[0], self.ts[-1]

    @property
    def pieces(self) -> int:
        """The number of pieces."""
        return self.ts.shape[0] - 1

    def __call__(self, t: Time) -> Inexact[Array, "..."]:
        """X(t)."""
        return call_jitted(_values, self, self._times(t))

    def derivative(self, t: Time) -> Inexact[Array, "..."]:
        """dX/dt, from the right at a knot."""
        return call_jitted(_slopes, self, self._times(t))

    def increment(self, t0: Time, t1: Time) -> Inexact[Array, "..."]:
        """X(t1) - X(t0)."""
        return self(t1) - self(t0)

    def time(self, k: Int[Array, ""], share: Time) -> Time:
        """The time at which piece k has gone through `share` of its length."""
        ts = self.ts.astype(share.dtype)
        return ts[k] + share * (ts[k + 1] - ts[k])

    def locate(self, t: Time) -> Int[Array, ""]:
        """The number of the piece that holds t; the later one at a knot, an end piece outside."""
        return _locate(self.ts.astype(t.dtype), t, self.regular, self.pieces - 1)

    def slope_on(self, k: Int[Array, ""], t: Time) -> Inexact[Array, "..."]:
        """dX/dt at time t as it is on piece k."""
        ts = self.ts.astype(t.dtype)
        length = ts[k + 1] - ts[k]
        slope = self.piece_slope(k, (t - ts[k]) / length)
        return slope / length.astype(slope.dtype)

    def _share(self, t: Time) -> tuple[Int[Array, ""], Time]:
        k = self.locate(t)
        ts = self.ts.astype(t.dtype)
        return k, (t - ts[k]) / (ts[k + 1] - ts[k])

    def _times(self, t: Any) -> Array:
        if self.ts.ndim != 1:
            raise ValueError(f"this is a batch of paths, ts of shape {self.ts.shape}: map over it with jax.vmap")
        t = jnp.asarray(t)
        return t if jnp.issubdtype(t.dtype, jnp.floating) else t.astype(self.ts.dtype)


def _values(control: Control, t: Time) -> Array:
    return _mapped(lambda t: control.piece(*control._share(t)), t)


def _slopes(control: Control, t: Time) -> Array:
    return _mapped(lambda t: control.slope_on(control.locate(t), t), t)


def _mapped(one: Callable, t: Time) -> Array:
    """`one` at a time, or at times of any shape, which lead in the result."""
    if t.ndim == 0:
        return one(t)
    values = jax.vmap(one)(t.ravel())
    return values.reshape(*t.shape, *values.shape[1:])


def _locate(ts: Float[Array, " n"], t: Time, regular: bool, last: int) -> Int[Array, ""]:
    n = ts.shape[0]
    if regular:
        # arithmetic finds the piece but for rounding, which its neighbours decide
        guess = jnp.floor((t - ts[0]) / (ts[-1] - ts[0]) * (n - 1))
        k = jnp.clip(jnp.nan_to_num(guess), 0, n - 2).astype(jnp.int32)
        k = k - (t < ts[k]) + (t >= ts[k + 1])
    elif n <= _COMPARED:
        k = jnp.sum(ts <= t, dtype=jnp.int32) - 1
    else:
        k = jnp.searchsorted(ts, t, side="right", method="scan_unrolled").astype(jnp.int32) - 1
    return jnp.clip(k, 0, last)


def observations(name: str, ts: Any, xs: Any, regular: bool, axes: int | None = None) -> tuple[Any, Any]:
    """Times (n,) and observations (n, ...) as floating-point arrays, checked as far as they are known."""
    ts, xs = _floats("ts", ts), _floats("xs", xs)
    if ts.ndim != 1 or ts.shape[0] < 2:
        few = "two observations or more" if ts.ndim == 1 else "one path: use jax.vmap for a batch"
        raise ValueError(f"ts of sj.{name} must have shape (n,), {few}; got {ts.shape}")
    if xs.ndim == 0 or xs.shape[0] != ts.shape[0] or (axes is not None and xs.ndim != axes):
        wanted = "(n, channels)" if axes == 2 else "(n, ...)"
        cure = ": one path; use jax.vmap for a batch" if xs.ndim > 2 else ""
        cure = ": give one channel an axis, xs[:, None]" if axes == 2 and xs.ndim == 1 else cure
        raise ValueError(f"xs of sj.{name} must have shape {wanted} with n = {ts.shape[0]}; got {xs.shape}{cure}")
    if known(ts):
        times = np.asarray(ts)
        bad = np.flatnonzero(~(np.diff(times) > 0))
        if not np.all(np.isfinite(times)):
            raise ValueError(f"ts of sj.{name} must be finite; got {times[~np.isfinite(times)][0]}")
        if bad.size:
            k = int(bad[0])
            raise ValueError(
                f"ts of sj.{name} must increase, every time once; got ts[{k}] = {times[k]}, ts[{k + 1}] = "
                f"{times[k + 1]}: sort the observations (a missing value is NaN in xs)"
            )
        if regular:
            _check_regular(name, times)
    if known(xs):
        empty = np.all(np.isnan(np.asarray(xs)), axis=0)
        if np.any(empty):
            which = [int(i) for i in np.argwhere(np.atleast_1d(empty))[0]]
            place = which[0] if len(which) == 1 else tuple(which)
            raise ValueError(f"xs of sj.{name} has no observation in channel {place}: all are NaN; leave it out")
    return jnp.asarray(ts), jnp.asarray(xs)


def _floats(name: str, x: Any) -> Any:
    """An array of floating-point numbers; what is no JAX array stays on the host."""
    x = x if isinstance(x, jax.Array) else np.asarray(x)
    if jnp.issubdtype(x.dtype, jnp.complexfloating) or x.dtype == object:
        raise TypeError(f"{name} must be real numbers; got {x.dtype}: give real and imaginary parts as two channels")
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.result_type(float))


def _check_regular(name: str, times: np.ndarray) -> None:
    even = np.linspace(float(times[0]), float(times[-1]), len(times))
    step = (float(times[-1]) - float(times[0])) / (len(times) - 1)
    worst = float(np.max(np.abs(times - even))) / step
    if worst > 0.1:
        raise ValueError(
            f"regular=True says that ts of sj.{name} are equally spaced, but one is {worst:.2g} of a step away from "
            "its place: leave regular=False"
        )


def columns(function: Callable, xs: Float[Array, "n ..."]) -> Any:
    """`function(column)` for every entry of an observation; results lead with the times again."""
    flat = xs.reshape(xs.shape[0], -1)
    out = jax.vmap(function, in_axes=1, out_axes=1)(flat)
    return jax.tree.map(lambda x: x.reshape(x.shape[0], *xs.shape[1:]), out)
