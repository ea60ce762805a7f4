"""Data: series with names and units, sets that come with the package, reading your own, naive forecasts, problems."""

from . import problems
from .csv import read_csv
from .hudson_bay import PUBLISHED_MEANS, hudson_bay
from .naive import cycle_length, naive_forecasts
from .series import DataError, Series

__all__ = [
    "PUBLISHED_MEANS",
    "DataError",
    "Series",
    "cycle_length",
    "hudson_bay",
    "naive_forecasts",
    "problems",
    "read_csv",
]
