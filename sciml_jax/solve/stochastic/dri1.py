"""DRI1: weak order 2, for expectations."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ...core import trees
from ..problem import Problem, State, Time
from .method import StochasticMethod, added

_QUANTILE = 0.9674215661017014  # two thirds of all normal numbers are smaller
# drift stages: their weights, and those of the noise in the two later ones
_ALPHA = (1 / 6, 2 / 3, 1 / 6)
_NOISE = ((6 - math.sqrt(6)) / 10, (3 + 2 * math.sqrt(6)) / 5)
# diffusion stages, y0 and a pair around it: where they stand and what they weigh
_NODE, _APART = 342 / 491, 3 * math.sqrt(38 / 491)
_ONCE = (193 / 684, 491 / 1368, 491 / 1368)
_TWICE = (0.0, math.sqrt(491 / 38) / 6, -math.sqrt(491 / 38) / 6)
# the pair for mixed noise
_MIXED = (-214 / 513 * math.sqrt(1105 / 991), *(2 * (-491 / 513 * math.sqrt(221 / 4955),)))
_EVEN = (-4955 / 7072, 4955 / 14144, 4955 / 14144)
_ODD = (0.0, -math.sqrt(4955 / 221) / 8, math.sqrt(4955 / 221) / 8)


class DRI1(StochasticMethod):
    r"""Debrabant and Rößler's stochastic Runge-Kutta method DRI1 in Itô's sense: for expectations.

    Weak order 2 ($E\,\varphi(y)$ for smooth $\varphi$), 3 without noise; it does not converge on single paths, for the
    increments are replaced by numbers with three values, $0, \pm\sqrt{3 h}$ with the probabilities 2/3, 1/6, 1/6, that
    have their first five moments. Every kind of noise; constant steps. Three evaluations of the drift a step. Of the
    diffusion three for diagonal, scalar and additive noise; for m general noises $1 + 4 m$, and a further number with
    two values for each, from the sign of its space-time area. For a Stratonovich equation the drift is converted.

    Source: K. Debrabant & A. Rößler, Families of efficient second order Runge-Kutta methods for the weak approximation
    of Itô stochastic differential equations, Appl. Numer. Math. 59 (2009) 582-594, doi:10.1016/j.apnum.2008.03.012.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: 0.5 * y)
    >>> end = lambda key: sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, key, method=sj.DRI1(), steps=4).y
    >>> ends = jax.vmap(end)(jax.random.split(jax.random.key(0), 4000))
    >>> bool(abs(jnp.mean(ends) - jnp.exp(-1.0)) < 0.02)
    True
    """

    interpretations: ClassVar[frozenset[str]] = frozenset({"ito"})
    strong_order: ClassVar[float] = 0.0
    drift_order: ClassVar[int] = 3
    stages: ClassVar[int] = 3

    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> tuple[State, State | None]:
        field, drift = problem.field, self.drift(problem)
        general = field.noise in ("general", "commutative")
        w, area = field.increment_and_area(t, dt) if general else (field.increment(t, dt), None)
        root = jnp.sqrt(jnp.abs(dt))
        w = jax.tree.map(lambda z: jnp.where(jnp.abs(z) < _QUANTILE * root, 0.0, jnp.sign(z) * math.sqrt(3) * root), w)
        noise = (_Mixed if general else _Separate)(problem, t, y, dt, root, w, area)
        kick = noise.kick
        f1 = drift(t, y)
        f2 = drift(t + 0.5 * dt, added(y, trees.scale(0.5 * dt, f1), trees.scale(_NOISE[0], kick)))
        late = trees.combine((-1.0, 2.0), (f1, f2))
        f3 = drift(t + dt, added(trees.axpy(dt, late, y), trees.scale(_NOISE[1], kick)))
        y1 = trees.axpy(dt, trees.combine(_ALPHA, (f1, f2, f3)), y)
        return added(y1, noise.change(f1)), None


class _Separate:
    """Noises that do not mix: each entry, or all of them, has one, or none depends on y."""

    def __init__(self, problem: Problem, t: Time, y: State, dt: Time, root: Array, w: State, _: None):
        self.problem, self.t, self.y, self.dt, self.root, self.w = problem, t, y, dt, root, w
        self.g1 = problem.field.spread(t, y, problem.args)
        self.kick = problem.field.apply(self.g1, w)

    def change(self, f1: State) -> State:
        """What the noise changes in a step."""
        field, w, root = self.problem.field, self.w, self.root
        inner = trees.axpy(_NODE * self.dt, f1, self.y)
        if field.noise == "additive":
            apart = jax.tree.map(jnp.zeros_like, self.y)
        else:
            apart = field.apply(self.g1, jax.tree.map(lambda z: jnp.full_like(z, _APART * root), w))
        time = self.t + _NODE * self.dt
        later = [field.spread(time, trees.axpy(sign, apart, inner), self.problem.args) for sign in (1.0, -1.0)]
        gs = [self.g1, *later]
        size = jnp.where(root == 0, 1.0, root)
        squares = jax.tree.map(lambda z: 0.5 * (z * z - self.dt) / size, w)
        once, twice = ([field.apply(g, z) for g in gs] for z in (w, squares))
        return added(trees.combine(_ONCE, once), trees.combine(_TWICE, twice))


class _Mixed:
    """General noises, each column of the diffusion at states of its own."""

    def __init__(self, problem: Problem, t: Time, y: State, dt: Time, root: Array, w: State, area: State):
        self.problem, self.t, self.y, self.dt, self.root = problem, t, y, dt, root
        self.w = jnp.concatenate([jnp.ravel(z) for z in jax.tree.leaves(w)])
        self.signs = jnp.concatenate([jnp.where(jnp.ravel(z) < 0, -1.0, 1.0) for z in jax.tree.leaves(area)])
        self.units = problem.field.directions(y)
        g = problem.field.spread(t, y, problem.args)
        self.g1 = jax.vmap(lambda e: problem.field.apply(g, e))(self.units)
        self.kick = _mixed(self.w, self.g1)

    def change(self, f1: State) -> State:
        """What the noise changes in a step."""
        w, root, size = self.w, self.root, jnp.where(self.root == 0, 1.0, self.root)
        inner, apart = trees.axpy(_NODE * self.dt, f1, self.y), trees.scale(_APART * root, self.g1)
        time = self.t + _NODE * self.dt
        gs = [self.g1, *(self._columns(time, jax.tree.map(lambda u, a, s=s: u + s * a, inner, apart)) for s in (1, -1))]
        # the iterated integrals of two noises in law: with the sign of the earlier of the two
        number = jnp.arange(w.shape[0])
        above = number[:, None] < number[None, :]
        sign = jnp.where(above, -self.signs[:, None], self.signs[None, :])
        pairs = 0.5 * (w[:, None] * w[None, :] + root * root * sign) / size
        pairs = jnp.where(number[:, None] == number[None, :], 0.0, pairs)
        between = jax.tree.map(lambda g: jnp.tensordot(pairs, g, 1), trees.combine(_MIXED, gs))
        hats = [self._columns(self.t, jax.tree.map(lambda u, d, s=s: u + s * d, self.y, between)) for s in (1, -1)]
        hats = [self.g1, *hats]
        first = _mixed(w, trees.axpy(1.0, trees.combine(_EVEN, hats), trees.combine(_ONCE, gs)))
        second = _mixed(0.5 * (w * w - self.dt) / size, trees.combine(_TWICE, gs))
        return added(first, second, _mixed(jnp.full_like(w, root), trees.combine(_ODD, hats)))

    def _columns(self, t: Time, states: PyTree) -> PyTree:
        """Every column of the diffusion at its own state."""
        field, args = self.problem.field, self.problem.args
        return jax.vmap(lambda y, e: field.apply(field.spread(t, y, args), e))(states, self.units)


def _mixed(weights: Float[Array, " m"], columns: PyTree) -> State:
    """The weighted sum of columns, which lie along the first axis."""
    return jax.tree.map(lambda g: jnp.tensordot(weights, g, 1), columns)
