"""The picture of a fit, by what is in it: panels, labels, sizes."""

import sys

import numpy as np
import pytest

from sciml_jax.data import hudson_bay
from sciml_jax.plot import new_figure, plot_fit, save_figure

PELTS = hudson_bay()
SEEN = PELTS.t < 1916
CURVES = {"first": PELTS.y, "second": 1.1 * PELTS.y}
STARTS = {"start_curves": np.stack([PELTS.y, 2 * PELTS.y, 9 * PELTS.y]), "start_errors": np.array([0.2, 0.3, 3.0])}


def texts(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_everything_is_in_it():
    figure = plot_fit(
        *(PELTS, SEEN, PELTS.t, CURVES),
        **STARTS,
        naive=("mean", np.ones_like(PELTS.y)),
        forecast_errors={"first": 0.3, "mean": 0.8},
        validation={"0.1": 0.4, "0.5": 0.3},
        title="Pelts",
    )
    hare, lynx, *others = figure.axes
    assert (hare.get_ylabel(), lynx.get_ylabel(), lynx.get_xlabel()) == (
        *("hare\n(thousands of pelts)", "lynx\n(thousands of pelts)"),
        "year",
    )
    labels = {line.get_label() for line in hare.get_lines()}
    assert {"first", "second", "naive: mean", "data, fitted", "data, held out"} <= labels
    # the starts that missed the data are left out of the curves, and are among the errors
    assert "starts within 5% of the best (1 of 3)" in labels
    assert texts(figure)[2:] == [
        "Starts: 1 of 3 within 5% of the best",
        "Forecast of the held-out rows",
        "Forecasts inside the training rows",
    ]
    assert len(others[0].get_lines()[0].get_xdata()) == 3
    # the scale is that of the data and the fits
    assert 77.4 < hare.get_ylim()[1] < 120


def test_curves_on_each_other_are_said_to_be_the_same():
    def labels(factor):
        figure = plot_fit(PELTS, SEEN, PELTS.t, {"first": PELTS.y, "second": factor * PELTS.y}, **STARTS)
        return {line.get_label() for line in figure.axes[0].get_lines()}

    assert {"first", "second, the same as first"} <= labels(1.005)
    assert {"first", "second"} <= labels(1.02)


def test_without_a_forecast_there_is_none():
    figure = plot_fit(PELTS, np.ones(21, bool), PELTS.t, {"first": PELTS.y}, **STARTS)
    assert len(figure.axes) == 3
    labels = {line.get_label() for line in figure.axes[0].get_lines()}
    assert "data, held out" not in labels


def test_it_is_a_png_of_the_size_asked_for(tmp_path):
    figure = plot_fit(PELTS, SEEN, PELTS.t, CURVES, **STARTS)
    save_figure(figure, tmp_path / "picture.png", dpi=50)
    content = (tmp_path / "picture.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(content[k : k + 4], "big") for k in (16, 20))
    assert (width, height) == tuple(round(50 * side) for side in figure.get_size_inches())


def test_no_matplotlib_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'sciml-jax\[plot\]'"):
        new_figure(1.0, 1.0)
