"""The parts of a field that additive methods treat differently, as functions of (t, vector)."""

from collections.abc import Callable

from jaxtyping import Array, Float

from ..layout import Layout
from ..problem import Problem, State, Time
from ..structured import Split

Part = Callable[[Time, Array], Float[Array, " n"]]


def parts(problem: Problem, layout: Layout, additive: bool = True) -> tuple[Part | None, Part]:
    """What is treated explicitly and implicitly: the parts of `sj.Split`; of other fields, and by methods that are not
    `additive`, nothing and everything."""

    def on_vectors(part: Callable[[Time, State], State]) -> Part:
        return lambda t, v: layout.vector(part(t, layout.state(v)))

    field = problem.field
    if additive and isinstance(field, Split):
        return on_vectors(problem.part(field.explicit)), on_vectors(problem.part(field.implicit))
    return None, on_vectors(problem.evaluate)
