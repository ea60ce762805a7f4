"""Implicit methods for stiff problems, one a file."""

from .bdf import BDF
from .collocation import Collocation
from .collocation_tableau import CollocationTableau
from .dirk import Dirk
from .dirk_tableau import DirkTableau
from .gauss_legendre4 import GaussLegendre4
from .gauss_legendre6 import GaussLegendre6
from .imex_euler import IMEXEuler
from .implicit_euler import ImplicitEuler
from .kencarp3 import KenCarp3
from .kencarp4 import KenCarp4
from .kencarp5 import KenCarp5
from .kvaerno3 import Kvaerno3
from .kvaerno4 import Kvaerno4
from .kvaerno5 import Kvaerno5
from .radau5 import Radau5
from .radau_iia import RadauIIA
from .rodas3 import Rodas3
from .rodas4 import Rodas4
from .rodas5p import Rodas5P
from .rodas42 import Rodas42
from .rosenbrock import Rosenbrock
from .rosenbrock23 import Rosenbrock23
from .rosenbrock_tableau import RosenbrockTableau
from .sbdf2 import SBDF2
from .trapezoid import Trapezoid
from .trbdf2 import TRBDF2

__all__ = [
    "BDF",
    "SBDF2",
    "TRBDF2",
    "Collocation",
    "CollocationTableau",
    "Dirk",
    "DirkTableau",
    "GaussLegendre4",
    "GaussLegendre6",
    "IMEXEuler",
    "ImplicitEuler",
    "KenCarp3",
    "KenCarp4",
    "KenCarp5",
    "Kvaerno3",
    "Kvaerno4",
    "Kvaerno5",
    "Radau5",
    "RadauIIA",
    "Rodas3",
    "Rodas4",
    "Rodas5P",
    "Rodas42",
    "Rosenbrock",
    "Rosenbrock23",
    "RosenbrockTableau",
    "Trapezoid",
]
