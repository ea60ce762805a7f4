"""Jump processes: exact and approximate methods, networks of reactions, one loop."""

from .diffusion import Diffusion, Jump, augment, stripped
from .local_rates import LocalRates
from .mass_action import MassAction
from .method import JumpMethod, JumpStep
from .network import Network
from .next_reaction import NextReaction
from .prepare import known_changes, known_counts, prepare
from .process import JumpProcess
from .run import run
from .ssa import SSA
from .tau_leaping import TauLeaping

__all__ = [
    "SSA",
    "Diffusion",
    "Jump",
    "JumpMethod",
    "JumpProcess",
    "JumpStep",
    "LocalRates",
    "MassAction",
    "Network",
    "NextReaction",
    "TauLeaping",
    "augment",
    "known_changes",
    "known_counts",
    "prepare",
    "run",
    "stripped",
]
