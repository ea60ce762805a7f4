"""Points: the same rows whatever pieces they are asked for in; even in the box."""

import jax
import numpy as np
import pytest
from scipy import stats

from sciml_jax.ensemble import Generated, Grid, LatinHypercube, Rows, SaltelliDesign, Sobol

RANGES = {"rate": (0.5, 2.0), "start": {"q": stats.norm(1.0, 0.1), "p": stats.loguniform(1e-3, 1.0)}}
POINTS = {
    "rows": Rows({"a": np.arange(80.0), "b": np.arange(160).reshape(80, 2)}),
    "grid": Grid({"a": [1.0, 2.0], "b": np.arange(5), "c": (3, 4, 5)}),
    "generated": Generated(64, lambda start, stop: (np.arange(start, stop) ** 2, np.ones(stop - start))),
    "sobol": Sobol(64, RANGES, seed=1),
    "latin": LatinHypercube(50, RANGES, seed=1),
    "saltelli": SaltelliDesign(16, RANGES, seed=1),
}


@pytest.mark.parametrize("name", POINTS)
def test_pieces_are_parts_of_the_whole(name):
    points = POINTS[name]
    whole = points.rows(0, points.n)
    assert {x.shape[0] for x in jax.tree.leaves(whole)} == {points.n} == {len(points)}
    for start, stop in ((0, 1), (3, 20), (points.n - 1, points.n), (15, 33)):
        piece = points.rows(start, min(stop, points.n))
        for a, b in zip(jax.tree.leaves(piece), jax.tree.leaves(whole), strict=True):
            np.testing.assert_array_equal(a, b[start:stop])


def test_a_grid_is_every_combination():
    grid = POINTS["grid"]
    assert grid.shape == (2, 5, 3)
    rows = grid.rows(0, 30)
    a, b, c = np.meshgrid([1.0, 2.0], np.arange(5), [3, 4, 5], indexing="ij")
    for mine, want in zip((rows["a"], rows["b"], rows["c"]), (a, b, c), strict=True):
        np.testing.assert_array_equal(mine.reshape(grid.shape), want)


@pytest.mark.parametrize("axes", [(np.arange(2), np.arange(3)), [np.arange(2), np.arange(3)], ([0, 1], (0, 1, 2))])
def test_grids_of_any_tree(axes):
    grid = Grid(axes)
    assert grid.shape == (2, 3)
    assert [x.tolist() for x in grid.rows(2, 4)] == [[0, 1], [2, 0]]


def test_samples_follow_their_distributions():
    """Every 1/64 of probability holds one row of a Sobol' sequence, and of a Latin hypercube 1/50."""
    for points in (POINTS["sobol"], POINTS["latin"]):
        rows = points.rows(0, points.n)
        cells = [
            (rows["rate"] - 0.5) / 1.5,
            stats.norm(1.0, 0.1).cdf(rows["start"]["q"]),
            stats.loguniform(1e-3, 1.0).cdf(rows["start"]["p"]),
        ]
        for unit in cells:
            assert sorted(np.floor(unit * points.n).astype(int)) == list(range(points.n))
    assert POINTS["saltelli"].names == ["rate", "start/p", "start/q"]


def test_seeds():
    one, two = (Sobol(16, (0.0, 1.0), seed=seed).rows(0, 16) for seed in (1, 2))
    assert not np.any(one == two)
    np.testing.assert_array_equal(one, Sobol(16, (0.0, 1.0), seed=1).rows(0, 16))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Rows({"a": np.ones(3), "b": np.ones(4)}), "first axes have one length"),
        (lambda: Rows(3.0), "first axes have one length"),
        (lambda: Rows({}), "none at all"),
        (lambda: Grid({"a": np.ones((2, 2))}), "one-dimensional and not empty"),
        (lambda: Grid({"a": []}), "one-dimensional and not empty"),
        (lambda: Sobol(8, {}), "there is nothing to sample"),
        (lambda: Sobol(8, {"k": (2.0, 1.0)}), r"the range of k must be \(low, high\) with low < high"),
        (lambda: Sobol(8, {"k": 3.0}), r"the range of k must be \(low, high\)"),
        (lambda: Sobol(8, (0.0, np.inf)), "the range of the parameter must be"),
        (lambda: SaltelliDesign(12, RANGES), "n must be a power of two"),
    ],
)
def test_wrong_points(make, message):
    with pytest.raises(ValueError, match=message):
        make()
