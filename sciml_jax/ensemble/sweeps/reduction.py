"""How results are reduced while a sweep runs: the contract, and reductions by functions of one's own."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import PyTree

State: TypeAlias = dict[str, np.ndarray]


class Reduction(ABC):
    """A summary of many results that is brought up to date chunk by chunk.

    A reduction of one's own defines three functions of NumPy arrays for a single array of results: `start(like)`, the
    state before the first row, for results with the shape and dtype of `like`; `add(state, rows)`, the state after
    more rows; `finish(state)`, the summary. A state is a dictionary of arrays, which is what a sweep keeps on disk.
    Results may be any pytree: each of its arrays has a state of its own.
    """

    @abstractmethod
    def start(self, like: jax.ShapeDtypeStruct) -> State:
        """The state before the first row; `like` has the shape of one row."""

    @abstractmethod
    def add(self, state: State, rows: np.ndarray) -> State:
        """The state after `rows`, an array with a leading axis of trajectories."""

    @abstractmethod
    def finish(self, state: State) -> Any:
        """The summary."""


class Fold:
    """A reduction by functions of one's own, of whole results and with the points that they belong to.

    **Arguments:** `start`, a pytree of arrays (numbers) before the first row; `add(state, points, results)`, which
    returns a new state and leaves the old one as it is, of NumPy arrays with a leading axis of trajectories;
    `finish(state)`, by default the state.

    >>> import numpy as np, sciml_jax as sj
    >>> def add(best, points, y):
    ...     i = np.argmax(y)
    ...     return np.stack([points[i], y[i]]) if y[i] > best[1] else best
    >>> best = sj.ensemble.Fold(np.array([np.nan, -np.inf]), add)
    >>> sj.sweep(lambda x: -((x - 0.25) ** 2), np.linspace(0, 1, 9), reduce=best, progress=False).reduced.tolist()
    [0.25, 0.0]
    """

    def __init__(self, start: PyTree, add: Callable[[PyTree, PyTree, PyTree], PyTree], finish: Callable = lambda x: x):
        self.begin, self.add, self.finish = jax.tree.map(np.asarray, start), add, finish


def _settings(part: Reduction) -> dict[str, Any]:
    """What a reduction was made with: numbers, texts and arrays, which are the same in another process."""
    plain = (int, float, complex, str, list, tuple, np.ndarray, np.generic)
    return {name: np.asarray(value).tolist() for name, value in vars(part).items() if isinstance(value, plain)}


def _as_fold(part: Reduction | Fold, like: PyTree) -> Fold:
    """A reduction as a fold: of each array of the results for itself."""
    if isinstance(part, Fold):
        return part
    leaves, tree = jax.tree.flatten(like)

    def add(states, points, results):
        return [part.add(state, x) for state, x in zip(states, jax.tree.leaves(results), strict=True)]

    def finish(states):
        return jax.tree.unflatten(tree, [part.finish(state) for state in states])

    return Fold([part.start(x) for x in leaves], add, finish)


class Reducer:
    """The reductions of a sweep together: `spec` is a reduction, a fold, or a pytree (a dictionary) of these."""

    def __init__(self, spec: PyTree, like: PyTree):
        self.parts, self.tree = jax.tree.flatten(spec, is_leaf=lambda x: isinstance(x, Reduction | Fold))
        wrong = [x for x in self.parts if not isinstance(x, Reduction | Fold)]
        if wrong or not self.parts:
            raise TypeError(
                f"reduce must be a reduction such as sj.ensemble.Moments(), or a dictionary of these; got {spec!r}"
            )
        self.folds = [_as_fold(part, like) for part in self.parts]
        self.states = [jax.tree.map(np.copy, fold.begin) for fold in self.folds]

    def add(self, points: PyTree, results: PyTree) -> None:
        """Brings all states up to date, as one."""
        new = [fold.add(state, points, results) for fold, state in zip(self.folds, self.states, strict=True)]
        self.states = jax.tree.map(np.asarray, new)

    def finish(self) -> PyTree:
        """The summaries, in the structure of the spec; each in the structure of the results."""
        out = [fold.finish(state) for fold, state in zip(self.folds, self.states, strict=True)]
        return jax.tree.unflatten(self.tree, out)

    def described(self) -> list[str]:
        """What tells these reductions from others: kinds, settings, and the structure of what they keep."""
        kinds = [type(part).__name__ + ("" if isinstance(part, Fold) else str(_settings(part))) for part in self.parts]
        return [*kinds, str(jax.tree.structure(self.states))]

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies of the states' arrays, by their number."""
        return {str(i): np.array(x) for i, x in enumerate(jax.tree.leaves(self.states))}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """The states as they were when `arrays` was taken."""
        tree = jax.tree.structure(self.states)
        self.states = jax.tree.unflatten(tree, [arrays[str(i)] for i in range(tree.num_leaves)])
