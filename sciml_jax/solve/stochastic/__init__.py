"""Methods for stochastic differential equations, one a file, and the field they solve."""

from .euler_maruyama import EulerMaruyama
from .field import Stochastic
from .method import StochasticMethod
from .milstein import Milstein
from .shark import ShARK
from .sra1 import SRA1
from .stratonovich_heun import StratonovichHeun

__all__ = ["EulerMaruyama", "SRA1", "Milstein", "ShARK", "Stochastic", "StochasticMethod", "StratonovichHeun"]
