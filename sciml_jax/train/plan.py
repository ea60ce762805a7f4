"""What a run is asked to do, where it stands, and how it may end."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxtyping import PRNGKeyArray

from .batches import Source
from .callbacks import Callback
from .checkpoint import Checkpoint
from .history import StageSpan
from .loop import TrainState
from .opening import OpenStage, open_stage
from .params import Params, Parts
from .stages import AbstractStage
from .validation import Validation


class Outcome(enum.StrEnum):
    """Why a run ended; equal to its name as a string.

    - `completed`: all stages are done.
    - `early_stopped`: validation has not improved for as long as `Validation(patience=)` allows.
    - `stopped`: a callback asked for it.
    - `non_finite`: the loss or the parameters were not finite any more.
    - `interrupted`: Ctrl-C, or an exception.
    """

    completed = "completed"
    early_stopped = "early_stopped"
    stopped = "stopped"
    non_finite = "non_finite"
    interrupted = "interrupted"


@dataclass(frozen=True)
class Plan:
    """The checked arguments of a run."""

    objective: Callable
    stages: tuple[AbstractStage, ...]
    source: Source
    validation: Validation | None
    key: PRNGKeyArray
    checkpoint: Checkpoint | None
    folder: Path | None
    callbacks: tuple[Callback, ...]
    params: Params
    parts: Parts
    terms: tuple[str, ...]
    identity: dict[str, Any]

    @property
    def total_steps(self) -> int:
        """The steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def open_stage(self, index: int) -> OpenStage:
        """A stage with its key, its batches and its precision."""
        stage, source = self.stages[index], self.source
        return open_stage(self.objective, stage, index, source, self.key, self.params, self.parts, self.terms)


@dataclass(frozen=True)
class Position:
    """Where a run stands. Replaced as a whole, so that an interrupt never sees half of a step."""

    opened: OpenStage
    stage: int
    step: int
    finished: bool
    spans: tuple[StageSpan, ...]
    state: TrainState

    @property
    def total(self) -> int:
        """Steps done in all stages."""
        return self.spans[-1].stop

    def after(self, state: TrainState, steps: int, finished: bool) -> "Position":
        """The position some steps later in the same stage."""
        last = self.spans[-1]
        spans = (*self.spans[:-1], replace(last, stop=last.stop + steps))
        return Position(self.opened, self.stage, self.step + steps, finished, spans, state)
