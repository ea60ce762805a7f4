"""Names for the types that every module speaks of."""

from typing import TYPE_CHECKING, Any, TypeAlias

from jaxtyping import Array, Inexact, PyTree, Real

if TYPE_CHECKING:
    State: TypeAlias = Any
    Time: TypeAlias = Array
else:
    State = PyTree[Inexact[Array, "..."]]
    Time = Real[Array, ""]

__all__ = ["State", "Time"]
