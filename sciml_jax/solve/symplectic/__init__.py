"""Geometric methods: symplectic ones for separable and second-order systems, and reversible ones for any field."""

from .alf import ALF
from .composition import Composition, Symplectic
from .kahan_li8 import KahanLi8
from .reversible_heun import ReversibleHeun
from .stormer_verlet import StormerVerlet
from .symplectic_euler import SymplecticEuler
from .yoshida4 import Yoshida4
from .yoshida6 import Yoshida6

__all__ = [
    "ALF",
    "Composition",
    "KahanLi8",
    "ReversibleHeun",
    "StormerVerlet",
    "Symplectic",
    "SymplecticEuler",
    "Yoshida4",
    "Yoshida6",
]
