"""Numbers that are part of a compiled function."""

import numpy as np
import pytest

from sciml_jax.core import Table


def test_tables_are_their_entries():
    given = np.arange(6).reshape(2, 3)
    table = Table(given)
    given[0, 0] = 9
    assert table.array[0, 0] == 0
    assert table == Table(np.arange(6).reshape(2, 3)) and hash(table) == hash(Table(np.arange(6).reshape(2, 3)))
    others = (Table(given), Table(np.arange(6)), Table(np.arange(6.0).reshape(2, 3)), "a word")
    assert all(table != other for other in others)
    with pytest.raises(ValueError, match="read-only"):
        table.array[0, 0] = 1
