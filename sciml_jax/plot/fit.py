"""The picture of a fit: data, fitted curves and forecasts, the spread over starts, and who forecasts best."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from ..data import Series
from .figure import COLORS, bars, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEAR = 1.05
"""A start is near the best one where its error is at most so many times that of the best."""
ALIKE = 0.01
"""Two curves that differ by less than this part cannot be told apart in a picture."""


def plot_fit(
    series: Series,
    seen: Bool[np.ndarray, " T"],
    t: Float[np.ndarray, " F"],
    curves: Mapping[str, Float[np.ndarray, "F n"]],
    *,
    start_curves: Float[np.ndarray, "S F n"],
    start_errors: Float[np.ndarray, " S"],
    naive: tuple[str, Float[np.ndarray, "T n"]] | None = None,
    forecast_errors: Mapping[str, float] | None = None,
    validation: Mapping[str, float] | None = None,
    title: str = "",
) -> "Figure":
    """Draw a fit: a panel for each population on the left, the searches and the errors on the right.

    **Arguments:**

    - `series`, the data; `seen` of shape `(T,)`, which rows the fit has seen: the others are the forecast.
    - `t` of shape `(F,)`, fine times, and `curves` by name, each of shape `(F, n)`; the first two are drawn bold. The
      legend says so where they lie on each other, within 1%.
    - `start_curves` of shape `(S, F, n)` and `start_errors` of shape `(S,)`: where every start of the search ended, and
      its root mean square error of the logarithms. Those within 5% of the best are drawn.
    - `naive`: name and values of a forecast without a model, at the times of the series.
    - `forecast_errors` by name, drawn as bars; `validation`, errors inside the training rows by name, in order.
    - `title` of the whole.

    **Returns:** a matplotlib figure, drawn by Agg; `save_figure` writes it.

    **Raises:** `ImportError` that says what to install, where there is no matplotlib.

    >>> import numpy as np
    >>> from sciml_jax.data import hudson_bay
    >>> from sciml_jax.plot import plot_fit
    >>> pelts = hudson_bay()
    >>> curves = {"guess": pelts.y}
    >>> starts = {"start_curves": pelts.y[None], "start_errors": np.array([0.2])}
    >>> figure = plot_fit(pelts, pelts.t < 1916, pelts.t, curves, **starts)
    >>> len(figure.axes)
    3
    """
    n, panels = len(series.names), 1 + bool(forecast_errors) + bool(validation)
    figure = new_figure(13.5, max(2.6 * n + 1.2, 2.0 * panels + 0.8))
    sides: Any = figure.subfigures(1, 2, width_ratios=(2.1, 1.0), wspace=0.03)
    left, right = sides
    populations = left.subplots(n, 1, sharex=True, squeeze=False)[:, 0]
    for i, axes in enumerate(populations):
        _population(axes, i, series, seen, t, curves, start_curves, start_errors, naive)
    populations[-1].set_xlabel(series.time)
    left.suptitle(title, x=0.02, ha="left", fontsize=12)
    left.legend(*populations[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    others = list(right.subplots(panels, 1, squeeze=False)[:, 0])
    _starts(others.pop(0), start_errors)
    if forecast_errors:
        axes, colors = others.pop(0), [_color(name, list(curves)) for name in forecast_errors]
        tidy(axes, title="Forecast of the held-out rows", x="rms error of log population")
        bars(axes, list(forecast_errors), list(forecast_errors.values()), colors)
    if validation:
        _validation(others.pop(0), validation)
    return figure


def alike(one: Float[np.ndarray, "F n"], other: Float[np.ndarray, "F n"]) -> bool:
    """Whether two curves of positive populations differ nowhere by 1% or more.

    >>> import numpy as np
    >>> from sciml_jax.plot.fit import alike
    >>> alike(np.ones((3, 1)), 1.001 * np.ones((3, 1))), alike(np.ones((3, 1)), 1.1 * np.ones((3, 1)))
    (True, False)
    """
    return bool(np.all(np.abs(other / one - 1) < ALIKE))


def _population(axes, i, series, seen, t, curves, start_curves, start_errors, naive) -> None:
    near = np.flatnonzero(start_errors <= NEAR * np.nanmin(start_errors))
    for k in near:
        label = f"starts within 5% of the best ({len(near)} of {len(start_errors)})" if k == near[0] else None
        axes.plot(t, start_curves[k, :, i], color=COLORS["faint"], linewidth=0.7, alpha=0.6, label=label, zorder=1)
    if naive is not None and not np.all(seen):
        first = np.flatnonzero(~seen)[0] - 1
        style = {"color": COLORS["naive"], "linestyle": ":", "linewidth": 1.4}
        axes.plot(series.t[first:], naive[1][first:, i], label=f"naive: {naive[0]}", **style)
    first, *second = list(curves)[:2]
    same = bool(second) and alike(curves[first], curves[second[0]])
    for name, dashes in zip(curves, ((None, None), (5, 2)), strict=False):
        color, label = _color(name, list(curves)), f"{name}, the same as {first}" if same and name != first else name
        axes.plot(t, curves[name][:, i], color=color, linewidth=2.0, dashes=dashes, label=label, zorder=3)
    y = series.y[:, i]
    axes.plot(series.t[seen], y[seen], "o", color=COLORS["data"], markersize=5, label="data, fitted", zorder=4)
    if not np.all(seen):
        kind = {"markerfacecolor": "white", "markeredgewidth": 1.3, "zorder": 4}
        axes.plot(series.t[~seen], y[~seen], "o", color=COLORS["data"], markersize=5.5, label="data, held out", **kind)
        # the forecast begins after the last row that was seen
        last, step = series.t[seen][-1], np.median(np.diff(series.t))
        axes.axvspan(last + step / 2, series.t[-1] + step / 2, color=COLORS["shade"], zorder=0)
        axes.text(last + 0.6 * step, 0.95, "forecast", transform=axes.get_xaxis_transform(), fontsize=9, va="top")
    axes.xaxis.get_major_locator().set_params(steps=[1, 2, 5, 10])
    axes.set_xlim(series.t[0] - 0.02 * np.ptp(series.t), series.t[-1] + 0.03 * np.ptp(series.t))
    # one wild start must not flatten the data
    tops = [np.max(y), *(np.max(curve[:, i]) for curve in curves.values())]
    axes.set_ylim(0, 1.18 * min(np.max(tops), 3 * np.max(y)))
    tidy(axes, y=f"{series.names[i]}" + (f"\n({series.unit})" if series.unit else ""))


def _starts(axes, errors) -> None:
    ordered = np.sort(errors[np.isfinite(errors)])
    good = int(np.sum(ordered <= NEAR * ordered[0]))
    axes.plot(np.arange(1, len(ordered) + 1), ordered, "o", color=COLORS["first"], markersize=3.5)
    axes.axhline(ordered[0], color=COLORS["naive"], linewidth=0.8, linestyle="--")
    axes.set_yscale("log")
    title = f"Starts: {good} of {len(errors)} within 5% of the best"
    tidy(axes, title=title, x="start, best first", y="rms error")
    axes.set_ylim(0.8 * ordered[0], 1.5 * ordered[-1])
    _plain_ticks(axes.yaxis)


def _validation(axes, validation: Mapping[str, float]) -> None:
    places = range(len(validation))
    axes.plot(places, list(validation.values()), "o-", color=COLORS["second"], linewidth=1.2, markersize=4)
    axes.set_xticks(places, list(validation))
    axes.set_ylim(0, 1.25 * max(validation.values()))
    title = "Forecasts inside the training rows"
    tidy(axes, title=title, x="prior std of the network's weights", y="rms error")


def _plain_ticks(axis) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _color(name: str, curves: list[str]) -> str:
    place = curves.index(name) if name in curves else 2
    return (COLORS["first"], COLORS["second"], COLORS["naive"])[min(place, 2)]
