"""Many solves at once: batches, lanes of straight-line code, chunks, threads, devices, processes."""

from .ensemble import solve_ensemble
from .interpreter import Interpreter, NotInLanes
from .lanes import run_lanes
from .processes import connect, gathered

__all__ = ["Interpreter", "NotInLanes", "connect", "gathered", "run_lanes", "solve_ensemble"]
