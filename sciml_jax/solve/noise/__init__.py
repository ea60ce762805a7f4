"""Brownian paths: random numbers by counters, increments, trees."""

from .brownian_tree import BrownianTree
from .increment_path import IncrementPath
from .normal import key_words
from .path import GivenPath, Path

__all__ = ["BrownianTree", "GivenPath", "IncrementPath", "Path", "key_words"]
