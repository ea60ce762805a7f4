"""Figures without a display: made, labelled and saved the same way everywhere."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = {
    "data": "#1a1a1a",
    "first": "#1f5fa8",
    "second": "#d55e00",
    "naive": "#7a7a7a",
    "faint": "#b8c4d6",
    "shade": "#f4efe4",
}
"""Colours that differ in print and for all eyes (blue, vermilion, greys)."""

INSTALL = "install matplotlib for pictures: pip install 'sciml-jax[plot]'"


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of a size in inches, drawn by Agg: no window, no display, no global state.

    **Raises:** `ImportError` that says what to install, where there is no matplotlib.

    >>> from sciml_jax.plot import new_figure
    >>> new_figure(6.0, 4.0).get_size_inches().tolist()
    [6.0, 4.0]
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(INSTALL) from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: str | os.PathLike, *, dpi: float = 150) -> None:
    """Write a figure to a file; the ending of its name says the format. `dpi`: pixels per inch (150).

    >>> import tempfile
    >>> from sciml_jax.plot import new_figure, save_figure
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_figure(new_figure(2.0, 1.0), f"{folder}/empty.png")
    """
    figure.savefig(path, dpi=dpi)


def tidy(axes: Any, *, title: str = "", x: str = "", y: str = "") -> None:
    """Labels, a light grid, and no frame where nothing is read off."""
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True, color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def bars(axes: Any, names: Sequence[str], values: Sequence[float], colors: Sequence[str]) -> None:
    """Horizontal bars from top to bottom, each with its number."""
    places = range(len(names))
    axes.barh(places, values, color=colors, height=0.62)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    largest = max(values, default=1.0)
    for place, value in zip(places, values, strict=True):
        axes.text(value + 0.015 * largest, place, f"{value:.3f}", va="center", fontsize=9)
    axes.set_xlim(0, 1.18 * largest)
