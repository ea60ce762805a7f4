"""Series, the pelts, and forecasts without a model."""

import numpy as np
import pytest

from sciml_jax.data import PUBLISHED_MEANS, DataError, Series, cycle_length, hudson_bay, naive_forecasts


def test_the_pelts_are_the_published_table():
    pelts = hudson_bay()
    assert pelts.t.tolist() == list(range(1900, 1921))
    assert pelts.y[[0, 4, 13, 20]].tolist() == [[30, 4], [36.3, 59.4], [76.6, 19.5], [24.7, 8.6]]
    # sums of the two columns, added up from the table by hand
    assert pelts.y.sum(axis=0) == pytest.approx([715.7, 423.5])
    assert list(PUBLISHED_MEANS) == ["a", "b", "c", "d"]


def test_select_orders_columns_and_names_what_is_missing():
    pelts = hudson_bay().select(["lynx", "hare"])
    assert (pelts.names, pelts.y[0].tolist()) == (("lynx", "hare"), [4, 30])
    with pytest.raises(DataError, match="no column 'fox'; it has 'hare', 'lynx'"):
        hudson_bay().select(["fox"])
    with pytest.raises(DataError, match="'hare' is asked for twice"):
        hudson_bay().select(["hare", "hare"])


@pytest.mark.parametrize("value", [0.0, -3.0, np.nan])
def test_populations_must_be_positive(value):
    y = np.ones((3, 2))
    y[1, 1] = value
    series = Series(np.arange(3.0), y, names=("u", "v"), time="day", source="file.csv")
    with pytest.raises(DataError, match=r"file.csv: 'v' is (0|-3|nan) at day 1; populations must be positive"):
        series.check_positive()
    assert series.select(["u"]).check_positive().names == ("u",)


def test_shapes_must_belong_together():
    with pytest.raises(ValueError, match="with n names"):
        Series(np.arange(3.0), np.ones((3, 2)), names=("u",))


def test_the_cycle_of_a_cycle():
    t = np.arange(16.0)
    wave = np.stack([np.sin(2 * np.pi * t / 8), np.cos(2 * np.pi * t / 8)], axis=1)
    assert cycle_length(t, wave) == 8.0
    assert cycle_length(10 * t, wave) == 80.0
    # what only rises, or does not change, has none
    assert cycle_length(t, t[:, None]) is None
    assert cycle_length(t, np.ones((16, 1))) is None


def test_naive_forecasts_of_a_periodic_series_are_exact_one_cycle_on():
    t = np.arange(30.0)
    y = np.exp(np.sin(2 * np.pi * t / 10)[:, None] + np.zeros(2))
    seen = t < 20
    forecasts = naive_forecasts(t, y, seen)
    assert set(forecasts) == {"last value", "mean", "last cycle"}
    np.testing.assert_allclose(forecasts["last cycle"], y, rtol=1e-12)
    np.testing.assert_allclose(forecasts["last value"][20:], np.tile(y[19], (10, 1)))
    np.testing.assert_allclose(forecasts["mean"][20:], 1.0, rtol=1e-12)
    for value in forecasts.values():
        np.testing.assert_allclose(value[seen], y[seen])


def test_naive_forecasts_do_not_see_what_is_held_out():
    pelts = hudson_bay()
    seen = pelts.t < 1916
    other = np.where(seen[:, None], pelts.y, 1e6)
    for name, value in naive_forecasts(pelts.t, other, seen).items():
        np.testing.assert_array_equal(value[~seen], naive_forecasts(pelts.t, pelts.y, seen)[name][~seen])
