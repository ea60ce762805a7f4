"""Coefficients of a family of stabilised methods, one member a degree, in flat arrays that a traced index reads."""

from dataclasses import dataclass
from importlib import resources

import numpy as np


@dataclass(frozen=True, eq=False)
class Table:
    """The members of a family, by increasing degree.

    - `degrees`: of the three-term recurrence. `stages`: that and the finishing stages.
    - `limits`: length of the interval of stability on the negative real axis, for each degree.
    - `starts`: where a degree's part of `mu`, `kappa` and `nodes` begins; `nodes` are the times of the recurrence's
      values, in units of the step.
    - `finish`: the coefficients of the finishing stages, one row a degree.
    """

    degrees: np.ndarray
    stages: np.ndarray
    limits: np.ndarray
    starts: np.ndarray
    mu: np.ndarray
    kappa: np.ndarray
    nodes: np.ndarray
    finish: np.ndarray

    def up_to(self, stages: int) -> "Table":
        """The members of at most so many stages."""
        n = int(np.searchsorted(self.stages, stages, side="right"))
        end = int(self.starts[n - 1] + self.degrees[n - 1])
        rows = (self.degrees[:n], self.stages[:n], self.limits[:n], self.starts[:n])
        return Table(*rows, self.mu[:end], self.kappa[:end], self.nodes[:end], self.finish[:n])


def read(name: str, *, extra: int, factor: float, offset: float) -> Table:
    r"""A table from a file of `tableaux`: `extra` finishing stages, and for s stages the limit
    $\mathrm{factor}\, s^2 - \mathrm{offset}$.

    The file has three blocks with a comment above each: the degrees; the finishing stages' coefficients, a line a
    degree; and 2 d - 1 numbers a degree d, mu_1, then mu_j and kappa_j for j = 2..d (kappa_1 is zero).
    """
    text = (resources.files("sciml_jax.solve.stabilized.tableaux") / name).read_text()
    degrees, finish, recurrence = ([n for n in block.splitlines() if n[:1] != "#"] for block in text.split("\n\n"))
    ds, flat = np.array(" ".join(degrees).split(), int), np.array(" ".join(recurrence).split(), float)
    mus, kappas, nodes = [], [], []
    for numbers in np.split(flat, np.cumsum(2 * ds - 1)[:-1]):
        mu, kappa = numbers[[0, *range(1, len(numbers), 2)]], np.append(0.0, numbers[2::2])
        node, step = 0.0, 0.0
        for m, k in zip(mu, kappa, strict=True):  # the recurrence of the field f = 1
            step = k * step + m
            node += step
            nodes.append(node)
        mus.append(mu)
        kappas.append(kappa)
    stages = ds + extra
    starts = np.cumsum(ds) - ds
    rows = np.array(" ".join(finish).split(), float).reshape(len(ds), -1)
    limits = factor * stages**2.0 - offset
    return Table(ds, stages, limits, starts, np.concatenate(mus), np.concatenate(kappas), np.array(nodes), rows)
