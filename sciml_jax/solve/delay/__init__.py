"""Delay equations: the past as fields see it, breaking points, and what the driver remembers."""

from .field import Delayed
from .history import Taps
from .memory import Memory

__all__ = ["Delayed", "Memory", "Taps"]
