"""Halving the intervals of a Brownian path: what is kept of an interval, and how its halves follow from it."""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool

from ..problem import Time

Leaves = list[Array]


class Chord(NamedTuple):
    """The path at both ends of an interval; `scale` is half the root of its length. Inside it is a straight line."""

    left: Leaves
    right: Leaves
    scale: Time

    @classmethod
    def root(cls, drawn: Leaves, size: Time) -> "Chord":
        """The whole path, over a length whose root is `size`, from normal numbers."""
        return cls([jnp.zeros_like(z) for z in drawn], [size * z for z in drawn], 0.5 * size)

    def half(self, up: Bool[Array, ""], drawn: Leaves) -> "Chord":
        """The later half where `up`, else the earlier one, from normal numbers for the whole."""
        middle = [0.5 * (a + b) + self.scale * z for a, b, z in zip(self.left, self.right, drawn, strict=True)]
        left = [jnp.where(up, m, a) for m, a in zip(middle, self.left, strict=True)]
        right = [jnp.where(up, b, m) for m, b in zip(middle, self.right, strict=True)]
        return Chord(left, right, math.sqrt(0.5) * self.scale)

    def restarted(self) -> "Chord":
        """The same interval, where only differences within it matter."""
        return self

    def at(self, s: Time) -> Leaves:
        """The path at a fraction of the interval."""
        return [a + s * (b - a) for a, b in zip(self.left, self.right, strict=True)]


class Parabola(NamedTuple):
    r"""An interval [s, u] by its increment W and its space-time area H.

    `start` is the path at s, `integral` that of the path up to s, both from the place of the last restart; `size` is
    the root of the interval's length. Inside it is $W(s) + r W + 6 r (1 - r) H$, its mean given W and H.

    Source: A. Jelinčič, J. Foster & P. Kidger, Single-seed generation of Brownian paths and integrals for adaptive and
    high order SDE solvers, arXiv:2405.06464; the halves follow from the covariances of W and H.
    """

    start: Leaves
    integral: Leaves
    step: Leaves
    area: Leaves
    size: Time

    @classmethod
    def root(cls, drawn: Leaves, size: Time) -> "Parabola":
        """The whole path; `drawn` holds two normal numbers for each entry, along the first axis."""
        zero = [jnp.zeros_like(z[0]) for z in drawn]
        return cls(zero, zero, [size * z[0] for z in drawn], [12**-0.5 * size * z[1] for z in drawn], size)

    def half(self, up: Bool[Array, ""], drawn: Leaves) -> "Parabola":
        """The later half where `up`, else the earlier one, from two normal numbers for each entry."""
        length = 0.5 * self.size**2
        found: list[tuple[Array, ...]] = []
        for w0, j, w, h, z in zip(self.start, self.integral, self.step, self.area, drawn, strict=True):
            x, y = 0.25 * self.size * z[0], 12**-0.5 * self.size * z[1]
            early, mean = 0.5 * w + 1.5 * h + x, 0.25 * h - 0.5 * x
            area = mean + jnp.where(up, -0.5, 0.5) * y
            further = length * (w0 + 0.5 * early + (mean + 0.5 * y))
            at = (jnp.where(up, w0 + early, w0), jnp.where(up, j + further, j))
            found.append((*at, jnp.where(up, w - early, early), area))
        start, integral, step, areas = (list(x) for x in zip(*found, strict=True))
        return Parabola(start, integral, step, areas, math.sqrt(0.5) * self.size)

    def restarted(self) -> "Parabola":
        """The same interval, where only differences within it matter: without the rounding of what lies before it."""
        zero = [jnp.zeros_like(x) for x in self.start]
        return self._replace(start=zero, integral=zero)

    def at(self, s: Time) -> Leaves:
        """The path at a fraction of the interval."""
        pairs = zip(self.start, self.step, self.area, strict=True)
        return [w0 + s * w + 6 * s * (1 - s) * h for w0, w, h in pairs]

    def integral_to(self, s: Time) -> Leaves:
        """The integral of the path up to a fraction of the interval."""
        length, parts = self.size**2, zip(self.start, self.integral, self.step, self.area, strict=True)
        return [j + length * (s * w0 + 0.5 * s**2 * w + s**2 * (3 - 2 * s) * h) for w0, j, w, h in parts]


Interval = Any  # Chord or Parabola
