"""GaussLegendre6: collocation at the three Gauss points."""

from typing import ClassVar

import equinox as eqx

from .collocation import Collocation
from .collocation_tableau import CollocationTableau, gauss


class GaussLegendre6(Collocation):
    r"""Gauss-Legendre, three stages: order 6, A-stable, symmetric and symplectic; constant steps.

    As `sj.GaussLegendre4`, of a higher order: for Hamiltonian and reversible systems over long times.

    Source: Hairer, Norsett & Wanner I, II.7 table 7.4; Hairer, Lubich & Wanner, Geometric Numerical Integration,
    IV.2.1 and VIII.6.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> field = lambda t, y, args: jnp.stack([y[1], -y[0]])
    >>> sol = sj.solve_ode(field, (0.0, 100.0), jnp.array([1.0, 0.0]), method=sj.GaussLegendre6(), dt=0.5)
    >>> abs(float(jnp.sum(sol.y**2)) - 1) < 1e-4
    True
    """

    newton_tolerance: float = 1e-8
    max_iterations: int = eqx.field(static=True, default=30)

    tableau: ClassVar[CollocationTableau] = gauss(3)

    @property
    def adaptive(self) -> bool:
        return False

    @property
    def damps(self) -> bool:
        return False  # symmetric: what decays forwards, grows alike backwards
