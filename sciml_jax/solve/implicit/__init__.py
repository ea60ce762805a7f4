"""Implicit methods for stiff problems, one a file."""

from .rodas3 import Rodas3
from .rodas4 import Rodas4
from .rodas5p import Rodas5P
from .rodas42 import Rodas42
from .rosenbrock import Rosenbrock
from .rosenbrock23 import Rosenbrock23
from .rosenbrock_tableau import RosenbrockTableau

__all__ = ["Rodas3", "Rodas4", "Rodas42", "Rodas5P", "Rosenbrock", "Rosenbrock23", "RosenbrockTableau"]
