"""One problem of DETEST, as the tables of the classes hold it."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Row(NamedTuple):
    """A field, its initial state at 0, the state at 20, what it models, and its constants."""

    field: Callable
    y0: tuple[float, ...]
    reference: tuple[float, ...]
    meaning: str
    args: Any = ()
