"""What channels change, and whose rates that changes: against the matrices."""

import numpy as np

from sciml_jax.core import Table
from sciml_jax.solve.jumps.neighbours import affected, changed


def test_lists():
    random = np.random.default_rng(0)
    changes = random.integers(-1, 2, (12, 7)) * (random.random((12, 7)) < 0.4)
    orders = random.integers(0, 3, (12, 7)) * (random.random((12, 7)) < 0.3)
    changes[3] = orders[5] = 0  # a channel that changes nothing, and one that reads nothing
    lists, amounts = changed(Table(changes))
    others = affected(Table(changes), Table(orders))
    for j in range(12):
        mine = slice(lists.starts[j], lists.starts[j + 1])
        row = np.zeros(7)
        row[lists.indices[mine]] = amounts[mine]
        assert np.array_equal(row, changes[j])
        wanted = {q for q in range(12) if any(changes[j, i] and orders[q, i] for i in range(7))}
        assert set(others.indices[others.starts[j] : others.starts[j + 1]].tolist()) == wanted
