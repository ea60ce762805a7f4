"""Why a solve ended: one enumeration for every solver, with the cure in the text."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool


class RESULT(eqx.Enumeration):
    """Why a solve ended. `RESULT.successful` and `RESULT.event_occurred` are successes, all others failures.

    Compare with `sol.result == sj.RESULT.successful` (an array of booleans under `vmap`);
    `sj.RESULT[sol.result]` is the text, `sj.tally(sol.result)` counts those of an ensemble.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0)
    >>> bool(sol.result == sj.RESULT.successful)
    True
    """

    successful = ""
    event_occurred = "A terminating event ended the solve before t1."
    max_steps_reached = (
        "The solver took max_steps steps before it reached t1. Raise max_steps=, loosen rtol= and atol=, "
        "or, where the problem is stiff, use an implicit method: method=sj.Rodas5P()."
    )
    record_capacity_reached = (
        "The solve took more steps than a gradient has room for, 4,096 by default. Give max_steps= as many as it may "
        "need (8 bytes each in every solve of a batch), or loosen rtol= and atol=."
    )
    dt_min_reached = (
        "The step size fell below the smallest one that t (or dt_min=) allows. The tolerance may be below the rounding "
        "error of the dtype, or the solution may have a singularity or a jump: loosen rtol= and atol=, use float64, "
        "or name the jump times in step_to=."
    )
    non_finite = (
        "The solution or its error estimate became NaN or infinite and smaller steps did not help. Check the field at "
        "the reported state, the initial state, and whether the solution blows up."
    )
    step_failed = (
        "The equations of a step could not be solved (Newton's iteration did not converge, or a Krylov space was too "
        "small), and smaller steps did not help or steps are constant. Check that the field is smooth and its Jacobian "
        "finite at the reported state; give the exact jacobian=, use float64, or take smaller steps. Rosenbrock "
        "methods (sj.Rodas5P()) need no iteration."
    )
    inconsistent_initial = (
        "The initial state does not satisfy the algebraic equations (those that the mass matrix or dF/dy' has no "
        "derivative in). Give a consistent y0, or let it be found: initial='find'. Where that fails too, the index is "
        "above one: differentiate the constraints."
    )
    max_events_reached = (
        "max_events events happened before t1. Raise max_events=, or end the solve with a terminating event "
        "where events accumulate (a ball that comes to rest)."
    )
    events_accumulate = (
        "An event happened again and again at one time, as the impacts of a ball that comes to rest do. End the solve "
        "before, with a terminating event, or let affect change the state so that it does not happen again at once. In "
        "a delay equation a varying lag may turn at a breaking point: give a smaller rtol or another method."
    )
    save_capacity_reached = (
        "There were more steps than save=Steps(capacity), Dense(capacity) or gradient=Interpolating(capacity) can "
        "hold; the ones before are kept. Raise the capacity, or save at given times."
    )
    history_capacity_reached = (
        "A lag of a delay equation reached back beyond the steps that are kept, or a gradient needs more of them than "
        "are kept. Raise capacity= of solve_dde."
    )
    save_outside_span = "save= names times outside t_span. Clip them to the span, or widen it."
    bad_rates = (
        "A rate of a jump process was negative, NaN, infinite or above its bound=. Check rates= at the reported state."
    )


_NAMES = (
    "successful",
    "event_occurred",
    "max_steps_reached",
    "record_capacity_reached",
    "dt_min_reached",
    "non_finite",
    "step_failed",
    "inconsistent_initial",
    "max_events_reached",
    "events_accumulate",
    "save_capacity_reached",
    "history_capacity_reached",
    "save_outside_span",
    "bad_rates",
)


def tally(result: Any) -> dict[str, int]:
    """How often each `RESULT` occurs in the `result` of a solve or an ensemble, in any shape: counts by name, without
    those that do not occur.

    >>> import sciml_jax as sj
    >>> import jax.numpy as jnp
    >>> rates = jnp.array([0.0, 0.5, 2.0])
    >>> sol = sj.solve_ensemble(lambda t, y, rate: rate * y**2, (0.0, 1.0), 1.0, rates, in_axes=(None, 0))
    >>> sj.tally(sol.result)
    {'successful': 2, 'dt_min_reached': 1}
    """
    counts = {name: int(jnp.sum(result == getattr(RESULT, name))) for name in _NAMES}
    return {name: n for name, n in counts.items() if n}


def succeeded(result: Any) -> Bool[Array, "..."]:
    """Whether a result is one of the successes."""
    return (result == RESULT.successful) | (result == RESULT.event_occurred)


def either(on: Bool[Array, ""], yes: Any, no: Any) -> Any:
    """One of two results, by a traced condition."""
    return RESULT.where(on, yes, no)
