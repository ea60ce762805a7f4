"""Paths through observations that drive equations, and what is known of a path by its log-signature."""

from .control import Control
from .controlled import ByPieces, Controlled
from .cubic_path import CubicPath
from .hermite_path import HermitePath
from .linear_path import LinearPath
from .log_ode import Brackets, in_windows
from .log_signature import log_signature, signature
from .rectilinear_path import RectilinearPath
from .step_path import StepPath

__all__ = [
    "Brackets",
    "ByPieces",
    "Control",
    "Controlled",
    "CubicPath",
    "HermitePath",
    "LinearPath",
    "RectilinearPath",
    "StepPath",
    "in_windows",
    "log_signature",
    "signature",
]
