"""How a gradient goes through a solve."""

from .forward import Forward
from .gradient import Gradient
from .recorded import Recorded

__all__ = ["Forward", "Gradient", "Recorded"]
