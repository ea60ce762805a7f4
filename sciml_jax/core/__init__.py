"""What everything stands on: results, pytree algebra, loops that vmap well, closures, frozen arrays, XLA tuning."""

from .closure import Closed, close
from .entry import call_jitted
from .forward_only import forward_only
from .frozen import Frozen
from .loop import when, while_loop
from .own_jvp import own_jvp
from .result import RESULT, either, succeeded, tally
from .rows import Rows, empty_rows, read_row, write_row
from .table import Table
from .trees import max_norm, rms_norm
from .turns import in_turn
from .xla import tune

__all__ = [
    "RESULT",
    "Closed",
    "Frozen",
    "Rows",
    "Table",
    "call_jitted",
    "close",
    "either",
    "empty_rows",
    "forward_only",
    "in_turn",
    "max_norm",
    "own_jvp",
    "read_row",
    "rms_norm",
    "succeeded",
    "tally",
    "tune",
    "when",
    "while_loop",
    "write_row",
]
