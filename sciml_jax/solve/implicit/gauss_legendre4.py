"""GaussLegendre4: collocation at the two Gauss points."""

from typing import ClassVar

import equinox as eqx

from .collocation import Collocation
from .collocation_tableau import CollocationTableau, gauss


class GaussLegendre4(Collocation):
    r"""Gauss-Legendre, two stages: order 4, A-stable, symmetric and symplectic; constant steps.

    For long integrations of Hamiltonian and reversible systems that are no sum of kinetic and potential energy: it
    keeps quadratic invariants, and the energy without drift. `newton_tolerance` is in units of `rtol` and `atol`, which
    say here how exactly the equations are solved; its default leaves little more than rounding at the usual ones.

    Source: Hairer, Norsett & Wanner I, II.7 table 7.3; Hairer, Lubich & Wanner, Geometric Numerical Integration,
    IV.2.1 and VIII.6.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> field = lambda t, y, args: jnp.stack([y[1], -y[0]])
    >>> sol = sj.solve_ode(field, (0.0, 100.0), jnp.array([1.0, 0.0]), method=sj.GaussLegendre4(), dt=0.5)
    >>> abs(float(jnp.sum(sol.y**2)) - 1) < 1e-4
    True
    """

    newton_tolerance: float = 1e-8
    max_iterations: int = eqx.field(static=True, default=30)

    tableau: ClassVar[CollocationTableau] = gauss(2)

    @property
    def adaptive(self) -> bool:
        return False

    @property
    def damps(self) -> bool:
        return False  # symmetric: what decays forwards, grows alike backwards
