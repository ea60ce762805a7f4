"""Problems with known solutions that several tests share."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.polynomial import Chebyshev
from scipy.integrate import solve_ivp
from scipy.special import ellipj

import sciml_jax as sj


def decay(t, y, args):
    """dy/dt = -y."""
    return -y


def spiral(t, y, args):
    """A nonlinear system with explicit time: its logarithm turns by the angle w t^2 (Hairer, Norsett & Wanner I)."""
    (w,) = args
    return jnp.stack([2 * w * t * y[0] * jnp.log(y[1]), -2 * w * t * y[1] * jnp.log(y[0])])


def spiral_exact(t, t0, y0, w):
    """Its solution at times of any shape, differentiable in everything."""
    a, b = jnp.log(y0)
    angle = w * (jnp.asarray(t) ** 2 - t0**2)
    return jnp.exp(jnp.stack([a * jnp.cos(angle) + b * jnp.sin(angle), b * jnp.cos(angle) - a * jnp.sin(angle)], -1))


def pendulum_velocity(t, p, args):
    return (1 + 0.3 * jnp.cos(t)) * p


def pendulum_force(t, q, args):
    return -args[0] * (1 + 0.3 * jnp.cos(t)) * jnp.sin(q)


# a pendulum whose clock runs unevenly: separable, nonlinear, with explicit time
PENDULUM = sj.Separable(pendulum_velocity, pendulum_force)


def pendulum_exact(t):
    """(q, p) for args = (1,), released from rest at t = 0 where sin(q / 2) = 0.8: Jacobi's elliptic functions."""
    k = 0.8
    sn, cn, dn, _ = ellipj(np.asarray(t) + 0.3 * np.sin(t), k**2)
    return np.stack([2 * np.arcsin(k * cn / dn), -2 * k * np.sqrt(1 - k**2) * sn / dn], -1)


def chebyshev(n: int, x):
    """The Chebyshev polynomial of degree n; zero for n < 0."""
    if n < 0:
        return 0 * x
    a, b = jnp.ones_like(x), x
    for _ in range(n):
        a, b = b, 2 * x * b - a
    return a


class Graded(NamedTuple):
    """A nonlinear system with explicit time whose solutions are polynomials of degree p + 1 and less."""

    field: Callable
    exact: Callable


def graded(p: int) -> Graded:
    """A method of order p solves it up to one term, C h^p: any step size is in the asymptotic regime.

    The components of degree at most p come out exact, and what is missing in the others is the derivative of order
    p + 1 alone, a constant; so high orders can be measured although their errors leave little above rounding.
    """
    m = max((p - 1) // 2, 0)

    def field(t, y, args):
        u, v, _, _, z, _ = y
        return jnp.stack(
            [
                jnp.ones_like(u),
                chebyshev(m, u),
                chebyshev(p, u),
                v * chebyshev(p - m - 1, t),
                v * chebyshev(p - m - 2, t),
                z,
            ]
        )

    def basis(n):
        return Chebyshev.basis(n) if n >= 0 else Chebyshev([0.0])

    v = basis(m).integ()
    z = (v * basis(p - m - 2)).integ()
    solution = [Chebyshev([0, 1]), v, basis(p).integ(), (v * basis(p - m - 1)).integ(), z, z.integ()]
    return Graded(field, lambda t: np.stack([s(np.asarray(t, float)) for s in solution], -1))


def tight(function: Callable, t_span, y0, args=(), ts=None) -> np.ndarray:
    """An independent solve: SciPy's DOP853 at the tightest tolerance it takes; times first."""
    y0 = np.asarray(y0, float)
    stops = [t_span[1]] if ts is None else ts
    out, t, y = [], t_span[0], y0
    for stop in stops:  # one solve a time: its dense output is of lower order
        if stop != t:
            y = solve_ivp(lambda t, y: function(t, y, args), (t, stop), y, "DOP853", rtol=3e-14, atol=1e-15).y[:, -1]
            t = stop
        out.append(y)
    return np.stack(out)


def differences(function: Callable, x, h: float) -> np.ndarray:
    """Central differences of order 4 in every entry of x; outputs first."""
    x = np.asarray(x, float)
    columns = []
    for e in np.eye(x.size).reshape(x.size, *x.shape):
        f = [np.asarray(function(x + k * h * e)) for k in (-2, -1, 1, 2)]
        columns.append((f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h))
    return np.stack(columns, -1)


class GivenSizes(sj.ConstantSteps):
    """Steps of given sizes, those of a solve that is repeated: they move with t0, events and stops, as its own do.

    An infinite size goes to t1 or to the next stop.
    """

    sizes: Array

    @property
    def prescribed(self):
        return True

    def grid(self, step, t, dt, t0, t1):
        return t + self.sizes[jnp.minimum(step, self.sizes.shape[0] - 1)]


def sizes_of(t_left, t_right, aims) -> np.ndarray:
    """The sizes of steps from `t_left` to `t_right`, infinite where they were aimed at one of the times `aims` (a stop
    is aimed at from one rounding error before it)."""
    t_left, t_right, aims = np.asarray(t_left), np.asarray(t_right), np.asarray(aims)
    aims = np.concatenate([aims, np.nextafter(aims, -np.inf), np.nextafter(aims, np.inf)])
    return np.where(np.isin(t_right, aims), np.sign(t_right - t_left) * np.inf, t_right - t_left)
