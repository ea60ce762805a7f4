"""Sweeps: everything at once and in pieces, in memory and on disk, killed and resumed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.ensemble import Fold, Generated, Grid, Histogram, Moments, Quantiles, Sobol

PROGRAM = Path(__file__).with_name("killed_sweep.py")
POINTS = Sobol(1000, {"a": (0.0, 1.0), "b": (1.0, 2.0)})
COUNT = Fold(np.zeros((), int), lambda state, points, y: state + len(points["a"]))


def run(p):
    return {"y": jnp.stack([p["a"] * p["b"], p["a"] - p["b"]], axis=1), "n": (10 * p["a"]).astype(int)}


def swept(points=POINTS, function=run, **options):
    return sj.sweep(function, points, **({"chunk": 96, "progress": False} | options))


@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize("chunk", [1000, 96, 7])
def test_all_results_in_order(streams, chunk):
    found = swept(streams=streams, chunk=chunk)
    rows = POINTS.rows(0, 1000)
    np.testing.assert_allclose(found.results["y"][:, 0], rows["a"] * rows["b"], rtol=1e-15)
    np.testing.assert_array_equal(found.results["n"], (10 * rows["a"]).astype(int))
    assert found.n == 1000 and found.reduced is None


def test_one_compilation():
    """The last chunk has a different number of rows, and is filled up."""
    traces = []

    def counted(p):
        traces.append(p["a"].shape)
        return p["a"]

    swept(function=counted, streams=2)
    assert traces == [(96,)]


def test_rows_that_fill_up_do_not_count():
    found = swept(reduce=Moments(), keep=True)
    np.testing.assert_array_equal(found.reduced["y"].count, [1000, 1000])
    np.testing.assert_allclose(found.reduced["y"].mean, found.results["y"].mean(0), rtol=1e-13)
    assert swept(reduce=Moments()).results is None


def test_reductions_do_not_depend_on_streams():
    spec = {"m": Moments(), "q": Quantiles([0.5], size=64)}
    one, many = (jax.tree.leaves(swept(reduce=spec, streams=k).reduced) for k in (1, 4))
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_ensemble_over_a_grid():
    """exp(-rate t) on a grid, against its formula; a solve that fails is left out by NaN."""
    grid = Grid({"rate": np.linspace(0.1, 2.0, 7), "y0": np.linspace(1.0, 3.0, 5)})

    def ends(p):
        field = lambda t, y, rate: -rate * y  # noqa: E731
        sol = sj.solve_ensemble(field, (0.0, 1.0), p["y0"], p["rate"], rtol=1e-8, atol=1e-10, max_steps=40)
        return jnp.where(sol.success, sol.y, jnp.nan)

    found = sj.sweep(ends, grid, chunk=8, progress=False).results.reshape(grid.shape)
    want = np.exp(-grid.axes[0])[:, None] * grid.axes[1]
    np.testing.assert_allclose(found, want, rtol=1e-7)


def test_an_ensemble_on_a_mesh():
    if jax.device_count() < 8:
        pytest.skip("needs eight devices")
    mesh = jax.make_mesh((8,), ("i",))

    def ends(rate):
        return sj.solve_ensemble(lambda t, y, r: -r * y, (0.0, 1.0), 1.0, rate, in_axes=(None, 0), mesh=mesh).y

    rates = np.linspace(0.1, 2.0, 50)
    np.testing.assert_allclose(sj.sweep(ends, rates, chunk=16, progress=False).results, np.exp(-rates), rtol=1e-5)


# ---- on disk


def test_results_on_disk(tmp_path):
    found = swept(out=tmp_path / "sweep")
    memory = swept()
    for name in ("y", "n"):
        assert found.results[name].shape == memory.results[name].shape
        np.testing.assert_array_equal(found.results[name][:], memory.results[name])
    import zarr

    stored = zarr.open_group(tmp_path / "sweep" / "results.zarr", mode="r")
    np.testing.assert_array_equal(stored["points/b"][:], POINTS.rows(0, 1000)["b"])
    assert sorted(stored) == ["points", "results"]


def test_a_finished_sweep_is_not_run_again(tmp_path):
    first = swept(out=tmp_path, reduce=Moments(), keep=True)
    calls = []

    def counting(start, stop):
        calls.append((start, stop))
        return POINTS.rows(start, stop)

    again = swept(Generated(1000, counting), out=tmp_path, reduce=Moments(), keep=True)
    assert max(stop - start for start, stop in calls) == 96 and (96, 192) not in calls  # one chunk, to compile
    np.testing.assert_array_equal(again.results["y"][:], first.results["y"][:])
    assert again.reduced["y"].mean.tolist() == first.reduced["y"].mean.tolist()


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("at, chunk", [(0, 96), (3, 96), (10, 96), (3, 7), (3, 1000)])
@pytest.mark.parametrize("error", [Interrupted, KeyboardInterrupt])
def test_an_interrupted_sweep_goes_on(tmp_path, at, chunk, error):
    """Nothing is lost and nothing counts twice, whatever the chunks are afterwards."""
    spec = {"m": Moments(), "q": Quantiles([0.1, 0.9], size=64), "h": Histogram([0.0, 0.5, 1.0]), "sum": COUNT}
    want = swept(reduce=spec, keep=True)

    def breaking(start, stop):
        if start >= 96 * at and stop - start > 1 and start:
            raise error
        return POINTS.rows(start, stop)

    with pytest.raises(error):
        swept(Generated(1000, breaking), reduce=spec, keep=True, out=tmp_path, streams=1)
    found = swept(reduce=spec, keep=True, out=tmp_path, chunk=chunk)
    np.testing.assert_array_equal(found.results["y"][:], want.results["y"])
    for a, b in zip(jax.tree.leaves(found.reduced), jax.tree.leaves(want.reduced), strict=True):
        if chunk == 96:
            np.testing.assert_array_equal(a, b)
        else:  # sums in another order
            np.testing.assert_allclose(a, b, rtol=1e-12)
    assert int(found.reduced["sum"]) == 1000


@pytest.mark.parametrize(
    "change, message",
    [
        ({"points": Sobol(1000, {"a": (0.0, 1.0), "b": (1.0, 2.0)}, seed=1)}, "its points"),
        ({"points": Sobol(999, {"a": (0.0, 1.0), "b": (1.0, 2.0)})}, "its rows"),
        ({"function": lambda p: run(p) | {"z": p["a"]}}, "its results"),
        ({"reduce": Quantiles([0.4])}, "its reductions"),
        ({"keep": True}, "its kept"),
    ],
)
def test_a_folder_of_another_sweep(tmp_path, change, message):
    swept(out=tmp_path, reduce=Quantiles([0.5]))
    with pytest.raises(ValueError, match=f"holds another sweep .{message}.*give another folder"):
        swept(**({"out": tmp_path, "reduce": Quantiles([0.5])} | change))


def test_a_folder_with_other_files(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="holds other files: give a new folder"):
        swept(out=tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_points_that_differ_anywhere(tmp_path):
    points = np.linspace(0.0, 1.0, 1000)
    sj.sweep(jnp.sin, points, out=tmp_path, progress=False)
    points[123] = 0.5
    with pytest.raises(ValueError, match="holds another sweep .its points"):
        sj.sweep(jnp.sin, points, out=tmp_path, progress=False)


def test_results_that_someone_deleted(tmp_path):
    swept(out=tmp_path)
    shutil.rmtree(tmp_path / "results.zarr")
    with pytest.raises(ValueError, match="1000 rows behind it, but points/a is missing in results.zarr"):
        swept(out=tmp_path)


@pytest.mark.parametrize("tree", [{"a": {"b": 1}, "a/b": 2}, {"a": 1, "a/b": 2}, {"..": 1}, {"": 1, "y": 2}])
def test_names_that_are_no_files(tmp_path, tree):
    function = lambda x: jax.tree.map(lambda k: k * x, tree)  # noqa: E731
    with pytest.raises(ValueError, match="names of points and results become files"):
        sj.sweep(function, np.arange(4.0), out=tmp_path, progress=False)


def test_a_fold_that_changes_its_state_in_place(tmp_path):
    def add(state, points, y):
        state += y.sum()
        return state

    fold = Fold(np.zeros(1), add)
    for _ in range(2):
        assert sj.sweep(lambda x: x, np.arange(4.0), reduce=fold, chunk=2, progress=False).reduced.tolist() == [6.0]


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path):
    """The process is killed again and again; at the end everything is there, once."""
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    done = False
    for k in range(20):
        process = subprocess.Popen([sys.executable, PROGRAM, tmp_path / "out"], env=environment, stdout=subprocess.PIPE)
        line = process.stdout.readline()  # it has begun
        assert line.strip() == b"begins"
        if k < 4:
            time.sleep(0.3 + 0.35 * k)
            process.send_signal(signal.SIGKILL)
        rest = process.communicate(timeout=120)[0]
        done = process.returncode == 0
        if done:
            break
    assert done and k >= 3
    found = json.loads(rest)
    n = found["n"]
    assert found["count"] == n and found["sum"] == n * (n - 1) // 2
    assert found["results"] == n * (n - 1) // 2 and found["resumed_at"] > 0


# ---- mistakes


@pytest.mark.parametrize(
    "function, points, message",
    [
        (
            lambda p: jnp.sum(p),
            np.arange(10.0),
            r"lead with the axis of the chunk, here 10; results has the shape \(\)",
        ),
        (lambda p: {"m": p.T}, np.ones((10, 3)), r"m has the shape \(3, 10\)"),
        (lambda p: p, np.ones((0, 3)), "there are no points"),
        (lambda p: p, Generated(10, lambda start, stop: np.ones(3)), r"points.rows\(0, 10\) must have 10 rows"),
        (lambda p: None, np.ones(10), "run must return an array or a pytree of arrays"),
    ],
)
def test_wrong_functions_and_points(function, points, message):
    with pytest.raises(ValueError, match=message):
        sj.sweep(function, points, progress=False)


def test_rows_of_another_kind_later():
    def rows(start, stop):
        return np.ones(stop - start, float if start < 8 else int)

    with pytest.raises(ValueError, match=r"points.rows\(8, 12\) has other leaves than the first rows"):
        sj.sweep(lambda p: p, Generated(20, rows), chunk=4, progress=False)


def test_integers_that_do_not_fit():
    with jax.enable_x64(False), pytest.raises(ValueError, match="points hold integers that int32 does not"):
        sj.sweep(lambda p: p, np.arange(2**40, 2**40 + 3), progress=False)


def test_keys_as_points():
    with pytest.raises(TypeError, match="points are numbers: give jax.random.key_data"):
        sj.sweep(lambda p: p, jax.random.split(jax.random.key(0), 3), progress=False)


@pytest.mark.parametrize("function", [np.asarray, lambda p: p if p[0] > 0 else -p, lambda p: float(p[0])])
def test_functions_that_cannot_be_compiled(function):
    with pytest.raises(TypeError, match="run is compiled by JAX for a chunk of rows: use jax.numpy in it"):
        sj.sweep(function, np.arange(10.0), progress=False)


def test_progress(capsys, monkeypatch):
    sj.sweep(run, POINTS, chunk=100)
    assert "sweep: 100%" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tqdm", None)
    sj.sweep(run, POINTS, chunk=100)
    assert "sweep: 1,000 of 1,000 rows" in capsys.readouterr().err


def test_zarr_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ImportError, match=r"pip install 'sciml-jax\[sweep\]'"):
        swept(out=tmp_path)
    assert swept(out=tmp_path / "reduced", reduce=Moments()).reduced["y"].mean.shape == (2,)
