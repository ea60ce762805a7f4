"""Memory that is used again, and never while somebody holds it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.ensemble import memory


def address(x: np.ndarray) -> int:
    return x.ctypes.data


@pytest.fixture
def nothing_kept(monkeypatch):
    monkeypatch.setattr(memory, "_free", [])


def test_deleted_arrays_leave_their_memory(nothing_kept):
    x = memory.empty((1000, 3), np.dtype(float))
    assert x.shape == (1000, 3) and x.dtype == float and address(x) % 64 == 0
    place = address(x)
    del x
    other = memory.empty((1001, 3), np.dtype(float))
    assert address(other) != place
    again = memory.empty((3000,), np.dtype(float))
    assert address(again) == place and len(memory._free) == 0


def test_memory_that_is_held_is_not_given_away(nothing_kept):
    """By a view, by an array of JAX that shares it, and by a view of that."""
    x = memory.empty((4096,), np.dtype(float))
    x[:] = 1.0
    place, part = address(x), x[1000:2000]
    del x
    y = memory.empty((4096,), np.dtype(float))
    y[:] = 2.0
    assert address(y) != place and np.all(part == 1)
    shared = jax.device_put(y, may_alias=True)
    seen = np.asarray(shared)
    held = address(y)
    del y
    z = memory.empty((4096,), np.dtype(float))
    z[:] = 3.0
    assert address(z) not in (place, held) and float(jnp.sum(shared)) == 2 * 4096
    del shared
    fourth = memory.empty((4096,), np.dtype(float))
    fourth[:] = 4.0
    assert np.all(seen == 2) and address(fourth) != held
    del seen, part
    assert {address(memory.empty((4096,), np.dtype(float))) for _ in range(2)} <= {place, held}


def test_little_is_kept(nothing_kept, monkeypatch):
    monkeypatch.setattr(memory, "_MOST", 100_000)
    arrays = [memory.empty((5000 + k,), np.dtype(float)) for k in range(4)]
    del arrays
    assert sum(block.nbytes for block in memory._free) <= 100_000 and len(memory._free) == 2
    del memory._free[:]
    large = memory.empty((20_000,), np.dtype(float))
    del large
    assert memory._free == []
