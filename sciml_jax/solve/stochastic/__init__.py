"""Methods for stochastic differential equations, one a file, and the field they solve."""

from .baoab import BAOAB
from .dri1 import DRI1
from .dyadic_steps import DyadicSteps
from .euler_maruyama import EulerMaruyama
from .field import Stochastic
from .implicit_euler_maruyama import ImplicitEulerMaruyama
from .kl import with_kl
from .langevin import Langevin
from .langevin_splitting import LangevinSplitting
from .method import StochasticMethod
from .milstein import Milstein
from .obabo import OBABO
from .shark import ShARK
from .skencarp import SKenCarp
from .sosra import SOSRA
from .sosri import SOSRI
from .spark import SPaRK
from .sra import SRA, SRATableau
from .sra1 import SRA1
from .sri import SRI, SRITableau
from .sriw1 import SRIW1
from .stratonovich_heun import StratonovichHeun

__all__ = [
    "BAOAB",
    "DRI1",
    "OBABO",
    "SKenCarp",
    "SOSRA",
    "SOSRI",
    "SRA",
    "SRA1",
    "SRI",
    "SRIW1",
    "DyadicSteps",
    "EulerMaruyama",
    "ImplicitEulerMaruyama",
    "Langevin",
    "LangevinSplitting",
    "Milstein",
    "SPaRK",
    "SRATableau",
    "SRITableau",
    "ShARK",
    "Stochastic",
    "StochasticMethod",
    "StratonovichHeun",
    "with_kl",
]
