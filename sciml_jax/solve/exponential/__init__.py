"""Exponential integrators: the linear part of a field solved exactly, one method a file."""

from .etd import ExponentialRungeKutta
from .etdrk2 import ETDRK2
from .etdrk4 import ETDRK4
from .exprb import ExponentialRosenbrock
from .exprb32 import Exprb32
from .exprb43 import Exprb43

__all__ = ["ETDRK2", "ETDRK4", "ExponentialRosenbrock", "ExponentialRungeKutta", "Exprb32", "Exprb43"]
