"""Coefficients of Rosenbrock-Wanner methods, in the form that needs no product with the Jacobian."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Rows = Sequence[Sequence[float]]


@dataclass(frozen=True)
class RosenbrockTableau:
    r"""A Rosenbrock-Wanner method with s stages:

    $$\Bigl(\frac{1}{h\gamma} M - J\Bigr) u_i = f\bigl(t + c_i h, y + \sum_{j<i} a_{ij} u_j\bigr)
    + M \sum_{j<i} \frac{c_{ij}}{h} u_j + h d_i \partial_t f, \qquad y_1 = y + \sum_i m_i u_i$$

    and an interpolant $y(\theta) = (1 - \theta) y + \theta \bigl(y_1 + (1 - \theta)(K_1 + \theta K_2 + \ldots)\bigr)$
    with $K_r = \sum_j H_{rj} u_j$.

    - `order`: of the solution. `error`: the weights of the error estimate, which shrinks with h to the `error_order`.
    - `coupling`: the rows $c_{ij}$. `nodes`: $c_i$. `time`: $d_i$. `dense`: the rows of H.

    Source: Hairer & Wanner II, IV.7, eqs. 7.25 and 7.26.
    """

    order: int
    error_order: int
    gamma: float
    a: Rows
    coupling: Rows
    m: Sequence[float]
    error: Sequence[float]
    nodes: Sequence[float]
    time: Sequence[float]
    dense: Rows
    dense_order: int

    @property
    def stages(self) -> int:
        """Number of stages s."""
        return len(self.m)

    @property
    def gammas(self) -> np.ndarray:
        r"""The matrix $\Gamma$ of the classical form, $u = h \Gamma k$; shape (s, s)."""
        return np.linalg.inv(np.eye(self.stages) / self.gamma - _square(self.coupling, self.stages))

    @property
    def alphas(self) -> np.ndarray:
        r"""The matrix $\alpha$ of the classical form; shape (s, s)."""
        return _square(self.a, self.stages) @ self.gammas


def _square(rows: Rows, n: int) -> np.ndarray:
    full = np.zeros((n, n))
    for i, row in enumerate(rows):
        full[i, : len(row)] = row
    return full


def stiffly_accurate(a: Rows, **given) -> RosenbrockTableau:
    """The tableau of a method whose last stage ends at the solution and estimates its error: $y_1 = y + u_s + \\ldots$
    with the last row of `a`, and $u_s$ as the estimate."""
    s = len(a)
    return RosenbrockTableau(a=a, m=[*a[-1], 1.0], error=[0.0] * (s - 1) + [1.0], **given)


def from_classical(
    order: int, error_order: int, alpha: Rows, gamma: Rows, b: Sequence[float], error: Sequence[float], dense: Rows
) -> RosenbrockTableau:
    r"""The tableau of a method in its classical form, $k_i = f(y + h \sum \alpha_{ij} k_j) + h J \sum \gamma_{ij} k_j$.

    `gamma` has its diagonal; `dense` are rows for $K_r$ in terms of $h k$.
    """
    s = len(b)
    full = _square(gamma, s)
    inverse = np.linalg.inv(full)
    alphas = _square(alpha, s)
    a = alphas @ inverse
    return RosenbrockTableau(
        order=order,
        error_order=error_order,
        gamma=float(full[0, 0]),
        a=[a[i, :i].tolist() for i in range(s)],
        coupling=[(-inverse[i, :i]).tolist() for i in range(s)],
        m=(np.asarray(b) @ inverse).tolist(),
        error=(np.asarray(error) @ inverse).tolist(),
        nodes=alphas.sum(1).tolist(),
        time=full.sum(1).tolist(),
        dense=(np.asarray(dense) @ inverse).tolist(),
        dense_order=2,
    )
