"""What a callback sees, and one that is called at exact steps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import PyTree


@dataclass(frozen=True)
class Info:
    """Where a run stands, for callbacks.

    - `step`: steps done in all stages together; `total_steps`: those of all stages together.
    - `stage`: the name of the stage; `stage_step`: steps done in it.
    - `loss`: the loss at the last step; `terms`: its named terms.
    - `validation`: the last validation loss, `None` before the first.
    - `model`: the model as it is now, built when it is read, in the dtypes it was given in (`make_model` builds it).
    """

    step: int
    total_steps: int
    stage: str
    stage_step: int
    loss: float
    terms: dict[str, float]
    validation: float | None
    make_model: Callable[[], PyTree] = field(repr=False)

    @property
    def model(self) -> PyTree:
        """The model as it is now."""
        return self.make_model()


@dataclass(frozen=True)
class Every:
    """A callback at every `steps`-th step exactly, however fast the steps are.

    A plain callback is called between two compiled pieces of a run, several times a second; which steps those are
    depends on the machine. The return value `"stop"` ends the run after this step.

    **Raises:** `ValueError` for a number of steps below 1, `TypeError` for what is no function.

    >>> from sciml_jax.train import Every
    >>> seen = Every(100, lambda info: print(info.step, info.loss))
    """

    steps: int
    callback: Callable[[Info], Any]

    def __post_init__(self):
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise ValueError(f"Every(steps, callback): steps must be an integer of at least 1; got {self.steps!r}")
        if not callable(self.callback):
            raise TypeError(f"Every(steps, callback): callback must be a function of train.Info; got {self.callback!r}")

    def __call__(self, info: Info) -> Any:
        return self.callback(info) if info.step % self.steps == 0 else None


Callback = Callable[[Info], Any]


def check_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    """The callbacks as a tuple; `TypeError` for what is none."""
    if callable(callbacks):
        return (callbacks,)
    try:
        callbacks = tuple(callbacks)
    except TypeError as error:
        raise TypeError(f"callbacks must be functions of one argument, train.Info; got {callbacks!r}") from error
    for callback in callbacks:
        if not callable(callback):
            raise TypeError(f"callbacks must be functions of one argument, train.Info; got {callback!r}")
    return callbacks


def ask(callbacks: tuple[Callback, ...], info: Info) -> bool:
    """Call every callback; whether one of them answered `"stop"`."""
    answers = [callback(info) for callback in callbacks]
    for callback, answer in zip(callbacks, answers, strict=True):
        if answer is not None and not (isinstance(answer, str) and answer == "stop"):
            raise TypeError(f'a callback returns None to go on or "stop"; {callback!r} returned {answer!r}')
    return "stop" in [answer for answer in answers if answer is not None]
