"""How an ensemble is dealt to threads."""

import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.ensemble.streams import _evenly, in_streams


@pytest.mark.parametrize(
    ("grains", "least", "streams"), [(1000, 32, 2), (64, 32, 2), (33, 32, 2), (17, 16, 3), (5, 5, 2)]
)
def test_pieces_leave_no_thread_idle(grains, least, streams):
    """Of all counts allowed none is done earlier, and the work that is repeated or waited for stays small."""
    count = _evenly(grains, least, streams)
    assert least <= count <= min(2 * least, grains)
    rounds = {k: -(-k // streams) * -(-grains // k) for k in range(least, min(2 * least, grains) + 1)}
    assert rounds[count] == min(rounds.values()) <= 1.25 * grains / streams


@pytest.mark.parametrize("n", [2048, 5000, 20_480, 33_000])
@pytest.mark.parametrize("chunk", [None, 64, 1500])
def test_rows_come_back_in_their_places(n, chunk):
    """With rows of several shapes and types, whatever is left over; every piece has one size."""
    rows = {"x": np.arange(n, dtype=float), "pair": np.arange(2 * n, dtype=np.int32).reshape(n, 2)}
    sizes = set()

    def run(rows):
        sizes.add(len(rows["x"]))
        return {"double": 2 * jnp.asarray(rows["x"]), "sum": jnp.sum(rows["pair"], axis=1), "odd": rows["x"] % 2 == 1}

    for _ in range(2):  # the second call knows the shapes of its results
        out = in_streams(run, rows, n, chunk, 2, ("test", n, chunk))
        np.testing.assert_array_equal(out["double"], 2 * rows["x"])
        np.testing.assert_array_equal(out["sum"], rows["pair"].sum(axis=1))
        np.testing.assert_array_equal(out["odd"], rows["x"] % 2 == 1)
    assert len(sizes) == 1 and (chunk is None or sizes.pop() % chunk == 0 or n < 2 * chunk)
