"""Pictures, by matplotlib, which is imported when the first one is drawn."""

from .figure import new_figure, save_figure
from .fit import plot_fit

__all__ = ["new_figure", "plot_fit", "save_figure"]
