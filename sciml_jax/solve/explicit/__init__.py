"""Explicit Runge-Kutta methods, one a file, for problems that are not stiff."""

from .bosh3 import Bosh3
from .dopri5 import Dopri5
from .dopri8 import Dopri8
from .euler import Euler
from .feagin14 import Feagin14
from .heun import Heun
from .midpoint import Midpoint
from .ralston import Ralston
from .reversible_coupling import ReversibleCoupling
from .rk4 import RK4
from .runge_kutta import RungeKutta
from .ssprk3 import SSPRK3
from .ssprk43 import SSPRK43
from .tableau import ButcherTableau
from .tsit5 import Tsit5
from .vern6 import Vern6
from .vern7 import Vern7
from .vern8 import Vern8
from .vern9 import Vern9

__all__ = [
    "RK4",
    "SSPRK3",
    "SSPRK43",
    "Bosh3",
    "ButcherTableau",
    "Dopri5",
    "Dopri8",
    "Euler",
    "Feagin14",
    "Heun",
    "Midpoint",
    "Ralston",
    "ReversibleCoupling",
    "RungeKutta",
    "Tsit5",
    "Vern6",
    "Vern7",
    "Vern8",
    "Vern9",
]
