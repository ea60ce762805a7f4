"""What happened in a run: loss and terms at every step, stage boundaries, validation."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class StageSpan:
    """The steps of a history that belong to one stage.

    - `name`: that of the stage, such as `"adam"`.
    - `start`, `stop`: the first step, and the one after the last.
    """

    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class History:
    """The record of a run, as NumPy arrays.

    - `loss` of shape `(steps,)`: `loss[k]` is that of the parameters that step `k` started from, on its batch.
    - `terms`: a dict of such arrays, by the names of the objective's terms.
    - `stages`: a `StageSpan` for every stage that has begun.
    - `validation_step`, `validation_loss` of shape `(validations,)`: the loss and after how many steps it was taken.

    >>> import numpy as np
    >>> from sciml_jax.train import History, StageSpan
    >>> History(np.array([2.0, 1.0]), {}, (StageSpan("adam", 0, 2),)).steps
    2
    """

    loss: Float[np.ndarray, " steps"]
    terms: dict[str, Float[np.ndarray, " steps"]]
    stages: tuple[StageSpan, ...]
    validation_step: Int[np.ndarray, " validations"] = field(default_factory=lambda: np.zeros(0, np.int64))
    validation_loss: Float[np.ndarray, " validations"] = field(default_factory=lambda: np.zeros(0))

    @property
    def steps(self) -> int:
        """The number of steps."""
        return len(self.loss)


class Recorder:
    """Loss and terms while they grow. The caller says how many steps count: an interrupt may part two writes."""

    def __init__(self, terms: tuple[str, ...]):
        self.names = terms
        self.pieces: list[tuple[int, np.ndarray, dict[str, np.ndarray]]] = []

    def add(self, start: int, loss: np.ndarray, terms: dict[str, np.ndarray]) -> None:
        """Rows of the steps from `start` on, as float64."""
        terms = {name: np.asarray(terms[name], np.float64) for name in self.names}
        self.pieces.append((start, np.asarray(loss, np.float64), terms))

    def history(self, steps: int, spans: tuple[StageSpan, ...], validation: tuple[tuple[int, float], ...]) -> History:
        """The record of the first `steps` steps."""
        kept = [piece for piece in self.pieces if piece[0] < steps]
        loss = np.concatenate([np.zeros(0), *(p[1] for p in kept)])
        terms = {name: np.concatenate([np.zeros(0), *(p[2][name] for p in kept)]) for name in self.names}
        at, losses = zip(*validation, strict=True) if validation else ((), ())
        return History(loss, terms, spans, np.array(at, np.int64), np.array(losses, np.float64))
