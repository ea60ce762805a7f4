"""JumpProcess: the field of an ensemble of jump processes."""

from collections.abc import Callable

import equinox as eqx
import numpy as np
from jaxtyping import ArrayLike

from ...core import Table
from .mass_action import MassAction


class JumpProcess(eqx.Module):
    """Rates and stoichiometry as one object; a single path is solved by `sj.solve_jump`.

    - `rates`, `stoichiometry`: as of `sj.solve_jump`; those of a `sj.MassAction` by default.

    >>> import sciml_jax as sj
    >>> dimers = sj.JumpProcess(sj.MassAction([[2, 0], [0, 1]], [[0, 1], [2, 0]]))
    >>> dimers.stoichiometry.tolist()
    [[-2, 1], [2, -1]]
    """

    rates: Callable
    changes: Table = eqx.field(static=True)

    def __init__(self, rates: Callable, stoichiometry: ArrayLike | None = None):
        if stoichiometry is None:
            if not isinstance(rates, MassAction):
                raise TypeError("sj.JumpProcess needs stoichiometry, unless its rates are a sj.MassAction")
            stoichiometry = rates.stoichiometry
        self.rates = rates
        self.changes = Table(stoichiometry)

    @property
    def stoichiometry(self) -> np.ndarray:
        """Changes of the counts, shape (channels, species)."""
        return self.changes.array
