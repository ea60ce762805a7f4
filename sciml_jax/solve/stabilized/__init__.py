"""Stabilised explicit methods for mildly stiff problems with real negative spectra, one a file."""

from .rock2 import ROCK2
from .rock4 import ROCK4
from .stabilized import Stabilized

__all__ = ["ROCK2", "ROCK4", "Stabilized"]
