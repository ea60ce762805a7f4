"""The parts of a field that additive methods treat differently, as functions of (t, vector)."""

from collections.abc import Callable

from jaxtyping import Array, Float

from ..layout import Layout
from ..problem import Problem, State, Time
from ..structured import Split, StructuredField

Part = Callable[[Time, Array], Float[Array, " n"]]


def split_of(problem: Problem) -> Split | None:
    """The parts of the field, or of the drift of a stochastic equation, where it has any."""
    return problem.field.split if isinstance(problem.field, StructuredField) else None


def parts(problem: Problem, layout: Layout, additive: bool = True) -> tuple[Part | None, Part]:
    """What is treated explicitly and implicitly: the parts of `sj.Split`; of other fields, and by methods that are not
    `additive`, nothing and everything."""

    def on_vectors(part: Callable[[Time, State], State]) -> Part:
        return lambda t, v: layout.vector(part(t, layout.state(v)))

    split = split_of(problem) if additive else None
    if split is not None:
        return on_vectors(problem.part(split.explicit)), on_vectors(problem.part(split.implicit))
    return None, on_vectors(problem.evaluate)
