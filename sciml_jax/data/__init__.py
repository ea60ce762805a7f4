"""Data: series with names and units, the sets that come with the package, and reading your own."""

from .csv import read_csv
from .hudson_bay import PUBLISHED_MEANS, hudson_bay
from .series import DataError, Series

__all__ = ["PUBLISHED_MEANS", "DataError", "Series", "hudson_bay", "read_csv"]
