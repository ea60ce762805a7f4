"""Many solves at once: batches, lanes of straight-line code, chunks."""

from .ensemble import solve_ensemble
from .interpreter import Interpreter, NotInLanes
from .lanes import run_lanes

__all__ = ["Interpreter", "NotInLanes", "run_lanes", "solve_ensemble"]
