"""How a gradient goes through a solve."""

from .backsolve import Backsolve
from .forward import Forward
from .gradient import Gradient
from .recorded import Recorded

__all__ = ["Backsolve", "Forward", "Gradient", "Recorded"]
