r"""The functions phi_k(theta h L) of a constant operator L, computed once for steps of one size.

A method asks in every step for $\varphi_0, \ldots, \varphi_m$ at some fractions $\theta$ of the step. They cost more
than the rest of a step (a matrix: some fifty matrix products), so they are kept in the method's cache, with the h and
L that they belong to. Two things make this exact:

- Constant steps differ by rounding errors of t. A difference small enough that its square is below rounding is made
  good by a Taylor polynomial; any other h is a new one.
- The cache is not differentiated. For a diagonal the same polynomial, in z = theta h L and of degree 3, has the right
  derivatives up to the third. For a matrix a derivative rule takes the kept values, finds the derivative by h in
  them, and computes that by L, a Fréchet derivative, in every step.

A scan that is differentiated in reverse mode takes what does not change out of its loop, and on the way JAX forgets
derivative rules that mix such values with the carry. Second derivatives of a scan (`steps=`) by times or a matrix L are
NaN for this reason; those of a recorded solve (`dt=`, or by tolerance) are right.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Inexact, Real

from ...core import when
from ..problem import Time
from .phi import doubled, phi_derivatives, phi_matrix

# (fraction of the step, largest k), one for each set of functions that a method asks for; fractions are 1, 1/2, ...
Parts = tuple[tuple[float, int], ...]

_DEGREE = 3  # of the Taylor polynomial, and of the derivatives that a diagonal allows


class Kept(NamedTuple):
    """Functions computed for a step size and an operator.

    `values`, part by part: for a diagonal, the functions and their first three derivatives by z; for a matrix, the
    functions and their derivatives by the logarithm of h. `reach` bounds the latter.
    """

    dt: Time
    linear: Inexact[Array, "..."]
    reach: Real[Array, ""]
    values: tuple[tuple[tuple[Array, ...], ...], ...]


def nothing_kept(parts: Parts, linear: Inexact[Array, "..."], dt: Time, ndim: int) -> Kept:
    """What is kept before the first step: it fits no step size. `ndim`, of the state, tells a matrix from a
    diagonal."""
    shapes = jax.eval_shape(lambda: _computed(parts, linear, dt, ndim))
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)


def refreshed(parts: Parts, kept: Kept, linear: Inexact[Array, "..."], dt: Time, ndim: int) -> Kept:
    """`kept` where it fits this operator and step size, else computed for them; a constant for derivatives."""
    linear, dt, kept = jax.lax.stop_gradient((linear, dt, kept))
    tolerance = 0.1 * jnp.sqrt(jnp.finfo(dt.dtype).eps)
    near = jnp.abs(dt - kept.dt) * kept.reach <= tolerance * jnp.abs(kept.dt)
    fits = near & (kept.dt != 0) & jnp.all(linear == kept.linear)
    kept, _ = when(~fits, lambda _, rows, on: (_computed(parts, linear, dt, ndim), rows), kept)
    return jax.lax.stop_gradient(kept)


def _computed(parts: Parts, linear, dt, ndim: int) -> Kept:
    z = dt * linear
    if linear.ndim > ndim:
        found = _matrices(parts, z)
        values = tuple(
            (phis, (fraction * z @ phis[0], *_by_log(phis))) for (fraction, _), phis in zip(parts, found, strict=True)
        )
        sizes = jnp.sqrt(jnp.sum(jnp.abs(values[0][1][0]) ** 2))
    else:
        values = tuple(phi_derivatives(fraction * z, top, _DEGREE) for fraction, top in parts)
        # half of the decay tells oscillations, where a second derivative is large, from decay, where it is not
        sizes = jnp.abs(z) * jnp.exp(jnp.real(z) / 2)
    return Kept(dt, linear, jnp.max(sizes, initial=1.0).astype(dt.dtype), values)


def _matrices(parts: Parts, z: Inexact[Array, "n n"]) -> tuple[tuple[Array, ...], ...]:
    """The functions of every part, from those of the smallest fraction by doubling."""
    fraction, top = min(fraction for fraction, _ in parts), max(top for _, top in parts)
    found = {fraction: phi_matrix(fraction * z, top)}
    while fraction < 1:
        found[2 * fraction] = doubled(found[fraction])
        fraction = 2 * fraction
    return tuple(found[fraction][: top + 1] for fraction, top in parts)


def propagators(parts: Parts, kept: Kept, linear, dt: Time, ndim: int) -> tuple[tuple[Array, ...], ...]:
    """The functions of every part at this step size and operator, differentiable in both."""
    kept = jax.lax.stop_gradient(kept)
    if linear.ndim > ndim:
        return _at_matrix(parts, linear, dt, kept.dt, kept.values)
    return tuple(
        _polynomial(fraction * (dt * linear - kept.dt * kept.linear), values)
        for (fraction, _), values in zip(parts, kept.values, strict=True)
    )


def _polynomial(d: Array, values: tuple[tuple[Array, ...], ...]) -> tuple[Array, ...]:
    """The Taylor polynomials at a distance d, from derivatives 0, 1, ..."""
    out = []
    for orders in zip(*values, strict=True):
        total = orders[-1]
        for j in range(len(orders) - 1, 0, -1):
            total = orders[j - 1] + d / j * total
        out.append(total)
    return tuple(out)


def _by_log(values: tuple[Array, ...]) -> list[Array]:
    """The derivatives of phi_1, phi_2, ... with respect to the logarithm of the step."""
    return [before - k * now for k, (before, now) in enumerate(zip(values, values[1:], strict=False), start=1)]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _at_matrix(parts: Parts, linear, dt, dt_kept, kept):
    # zero; its slope is infinite, so that derivatives that have lost the rule below are NaN rather than wrong
    alarm = jnp.sqrt(jnp.sum(jnp.abs(linear[:1, :1] - jax.lax.stop_gradient(linear[:1, :1]))))
    alarm = alarm + jnp.sqrt(dt - jax.lax.stop_gradient(dt))
    return tuple(_polynomial((dt - dt_kept) / dt_kept + alarm, values) for values in kept)


def _matrix_jvp(parts: Parts, primals, tangents):
    (linear, dt), (d_linear, d_dt) = primals[:2], tangents[:2]
    out = _at_matrix(parts, *primals)
    moved = jax.tree.map(jnp.zeros_like, out)
    if not isinstance(d_dt, SymbolicZero):
        moved = tuple(
            tuple(d_dt / dt * d for d in (fraction * dt * linear @ values[0], *_by_log(values)))
            for (fraction, _), values in zip(parts, out, strict=True)
        )
    if not isinstance(d_linear, SymbolicZero):
        _, turned = jax.jvp(lambda a: _matrices(parts, dt * a), (linear,), (d_linear,))
        moved = jax.tree.map(jnp.add, moved, turned)
    return out, moved


_at_matrix.defjvp(_matrix_jvp, symbolic_zeros=True)
