"""How a gradient goes through a solve."""

from .backsolve import Backsolve
from .forward import Forward
from .gauss_quadrature import GaussQuadrature
from .gradient import Gradient
from .interpolating import Interpolating
from .recorded import Recorded
from .reversible import Reversible

__all__ = ["Backsolve", "Forward", "GaussQuadrature", "Gradient", "Interpolating", "Recorded", "Reversible"]
