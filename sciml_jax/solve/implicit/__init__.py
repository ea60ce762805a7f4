"""Implicit methods for stiff problems, one a file."""

from .bdf import BDF
from .dirk import Dirk
from .dirk_tableau import DirkTableau
from .imex_euler import IMEXEuler
from .implicit_euler import ImplicitEuler
from .kencarp3 import KenCarp3
from .kencarp4 import KenCarp4
from .kencarp5 import KenCarp5
from .kvaerno3 import Kvaerno3
from .kvaerno4 import Kvaerno4
from .kvaerno5 import Kvaerno5
from .rodas3 import Rodas3
from .rodas4 import Rodas4
from .rodas5p import Rodas5P
from .rodas42 import Rodas42
from .rosenbrock import Rosenbrock
from .rosenbrock23 import Rosenbrock23
from .rosenbrock_tableau import RosenbrockTableau
from .trapezoid import Trapezoid
from .trbdf2 import TRBDF2

__all__ = [
    "BDF",
    "Dirk",
    "DirkTableau",
    "IMEXEuler",
    "ImplicitEuler",
    "KenCarp3",
    "KenCarp4",
    "KenCarp5",
    "Kvaerno3",
    "Kvaerno4",
    "Kvaerno5",
    "Rodas3",
    "Rodas4",
    "Rodas42",
    "Rodas5P",
    "Rosenbrock",
    "Rosenbrock23",
    "RosenbrockTableau",
    "TRBDF2",
    "Trapezoid",
]
