"""One solve as a pytree: everything the driver needs, and what it hands back."""

from typing import Any, NamedTuple

import equinox as eqx
from jaxtyping import Array, Bool, Float, Int, PyTree

from ..core import RESULT, Rows
from .events import Event
from .method import Method, MethodState
from .problem import Problem, State, Time
from .roots import direction_of
from .saving import Save
from .step_size import Controller


class Resume(eqx.Module):
    """Where a solve stood when it ended: give it back as `state=` to continue without a new start."""

    t: Time
    y: State
    dt: Time
    method: MethodState
    control: PyTree


class Job(eqx.Module):
    """The inputs of one solve, normalised: arrays of one time dtype, traced functions, sorted times."""

    problem: Problem
    method: Method
    controller: Controller
    t0: Time
    t1: Time
    y0: State
    dt0: Time | None
    dt_min: Time | None
    dt_max: Time | None
    step_to: Array | None
    saves: tuple[Save, ...]
    events: tuple[Event, ...]
    projection: Any
    resume: Resume | None
    consistent: Bool[Array, ""] | None  # whether y0 satisfies the algebraic equations, where there are some,
    residual: Float[Array, ""] | None  # and the largest of their residuals in it
    memory: Any  # what is remembered of earlier steps, for delay equations: `None`, or a `delay.Memory`
    progress: Any = eqx.field(static=True)
    max_steps: int = eqx.field(static=True)
    recorded_steps: int = eqx.field(static=True)  # how many of them a gradient has room for
    max_events: int = eqx.field(static=True)

    @property
    def direction(self) -> Time:
        """+1 or -1, the direction of time."""
        return direction_of(self.t1 - self.t0)


class Outcome(NamedTuple):
    """The raw outputs of the driver: the end, the saved buffers, the log of events, and the work done."""

    t: Time
    y: State
    resume: Resume
    result: RESULT
    accepted: Int[Array, ""]
    rejected: Int[Array, ""]
    counts: dict[str, Int[Array, ""]]
    saved: tuple[Any, ...]
    events: Rows | None
    n_events: Any
    ended_by_event: Bool[Array, ""]
