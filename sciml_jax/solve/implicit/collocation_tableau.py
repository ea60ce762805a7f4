"""Collocation methods: nodes of Gauss and Radau, their coefficients, and the eigenvalues that decouple the stages."""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import Legendre


class Decoupled(NamedTuple):
    r"""$A^{-1} = T \Lambda T^{-1}$ by eigenvalues: real ones, and of every complex pair the one above the axis.

    Row k of `left`, shape (m, s), holds row k of $T^{-1}$, and of `right` column k of T; for a complex pair twice
    that, so that $x = \mathrm{Re} \sum_k \mathrm{right}_k w_k$ with $w_k = \mathrm{left}_k x$.
    """

    eigenvalues: tuple[complex, ...]
    left: np.ndarray
    right: np.ndarray

    @property
    def split(self) -> tuple["Decoupled", "Decoupled"]:
        """Real eigenvalues, and complex ones."""
        m = sum(np.imag(value) == 0 for value in self.eigenvalues)
        parts = (slice(0, m), slice(m, None))
        real, pairs = (Decoupled(self.eigenvalues[p], self.left[p], self.right[p]) for p in parts)
        return real, pairs


class CollocationTableau:
    r"""An implicit Runge-Kutta method by collocation at the nodes $c_i$, 0 < c_i <= 1, shape (s,).

    $a_{ij} = \int_0^{c_i} \ell_j$ and $b_j = \int_0^1 \ell_j$ with the Lagrange polynomials of the nodes
    (Hairer, Norsett & Wanner I, theorem II.7.7). `order` is the method's.
    """

    def __init__(self, nodes: np.ndarray, order: int):
        self.nodes, self.order = np.asarray(nodes, float), order
        values = _legendre(self.stages - 1, self.nodes)
        # Lagrange polynomials by way of Legendre's: powers would lose digits
        self.a = np.linalg.solve(values.T, _integrals(self.stages - 1, self.nodes).T).T
        self.b = np.linalg.solve(values.T, _integrals(self.stages - 1, np.ones(1)).T).T[0]
        self.inverse = np.linalg.inv(self.a)
        self.end = self.b @ self.inverse
        if self.nodes[-1] == 1:  # stiffly accurate: the last stage is the solution
            self.end = np.eye(self.stages)[-1]

    @property
    def stages(self) -> int:
        """Number of stages s."""
        return len(self.nodes)

    @cached_property
    def decoupled(self) -> Decoupled:
        """The eigenvalues and vectors of the inverse of A, real ones first."""
        values, vectors = np.linalg.eig(self.inverse)
        rows, real = np.linalg.inv(vectors), np.abs(np.imag(values)) < 1e-8
        values = np.where(real, np.real(values), values)
        order = [i for i in np.lexsort((np.imag(values), ~real)) if np.imag(values[i]) >= 0]
        weights = np.where(real, 1.0, 2.0)[order, None]
        return Decoupled(tuple(map(complex, values[order])), rows[order], weights * vectors.T[order])

    @cached_property
    def estimate(self) -> np.ndarray:
        r"""The weights e of the error estimate, shape (s,), for a tableau with one real eigenvalue $\gamma$:

        $$\left(\frac{\gamma}{h} M - J\right)^{-1} \left(f(t_0, y_0) + \frac1h M \sum_i e_i z_i\right),$$

        the difference to the quadrature at 0 and the nodes that is exact for degree s - 1 and gives $f(t_0, y_0)$ the
        weight $1/\gamma$. Source: Hairer & Wanner II, IV.8, eqs. 8.16 to 8.19.
        """
        gamma = self.decoupled.eigenvalues[0].real
        moments = _integrals(self.stages - 1, np.ones(1))[0] - _legendre(self.stages - 1, np.zeros(1))[0] / gamma
        weights = np.linalg.solve(_legendre(self.stages - 1, self.nodes).T, moments)
        return np.real(gamma * (weights - self.b) @ self.inverse)

    def polynomials(self, s: Float[Array, ""] | float) -> list[Any]:
        """At the fraction `s` of the step: the polynomials that are 1 at one node and 0 at the others and at 0."""
        nodes = self.nodes.tolist()
        weights = []
        for i, c in enumerate(nodes):
            weight = s / c
            for other in nodes[:i] + nodes[i + 1 :]:
                weight = weight * ((s - other) / (c - other))
            weights.append(weight)
        return weights


def gauss(stages: int) -> CollocationTableau:
    """The zeros of the Legendre polynomial: order 2 s (Hairer, Norsett & Wanner I, II.7)."""
    return CollocationTableau(_zeros(Legendre.basis(stages)), 2 * stages)


def radau_iia(stages: int) -> CollocationTableau:
    """The zeros of a difference of Legendre polynomials, 1 among them: order 2 s - 1 (Hairer & Wanner II, IV.5)."""
    nodes = _zeros(Legendre.basis(stages) - Legendre.basis(stages - 1))
    nodes[-1] = 1.0
    return CollocationTableau(nodes, 2 * stages - 1)


def _zeros(polynomial: Legendre) -> np.ndarray:
    """The zeros on [-1, 1], moved to [0, 1]; polished in extended precision."""
    x = np.sort(np.real(polynomial.roots())).astype(np.longdouble)
    exact, slope = (Legendre(p.coef.astype(np.longdouble)) for p in (polynomial, polynomial.deriv()))
    for _ in range(3):
        x = x - exact(x) / slope(x)
    return ((1 + x) / 2).astype(float)


def _legendre(degree: int, x: np.ndarray) -> np.ndarray:
    """The Legendre polynomials of [0, 1] at x, degrees along the last axis."""
    return np.polynomial.legendre.legvander(2 * x - 1, degree)


def _integrals(degree: int, x: np.ndarray) -> np.ndarray:
    """Their integrals from 0 to x: (P_(k+1) - P_(k-1)) / (4 k + 2)."""
    p = _legendre(degree + 1, x)
    rest = [(p[:, k + 1] - p[:, k - 1]) / (4 * k + 2) for k in range(1, degree + 1)]
    return np.stack([x, *rest], -1)
