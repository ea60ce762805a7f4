"""Options of the solves of an ensemble: numbers are looked at before they are traced."""

from typing import Any

import numpy as np
from jaxtyping import PyTree

from ..solve import arguments, checks
from ..solve.failure import known
from ..solve.saving import as_saves

_FORMS = {
    "dt": arguments.nonzero,
    "dt0": arguments.nonzero,
    "dt_min": arguments.positive,
    "dt_max": arguments.positive,
    "rtol": lambda name, value: arguments.floats(value),
    "atol": lambda name, value: arguments.floats(value),
}


def checked(options: dict[str, Any], t_span: tuple[Any, Any], y0: PyTree) -> dict[str, Any]:
    """The options with whole numbers as floats, of which a new value must not recompile, and lists as arrays.

    Raises for values that `solve_ode` refuses; it sees them only as tracers. Times to save at must lie in one of the
    spans at least: a trajectory whose own ends before says so in its result.
    """
    options = {name: _FORMS[name](name, value) if name in _FORMS else value for name, value in options.items()}
    options |= {name: _as_arrays(options[name]) for name in ("save", "step_to") if name in options}
    # what is not given is positive
    checks.tolerances(options.get("rtol", 1.0), options.get("atol", 1.0))
    arguments.stops(options.get("step_to"))
    if known(t_span):
        ends = np.concatenate([np.ravel(np.asarray(t, np.float64)) for t in t_span])
        if ends.size and np.all(np.isfinite(ends)):
            checks.save_requests(as_saves(options.get("save"))[0], (ends.min(), ends.max()), y0)
    return options


def _as_arrays(x: Any) -> Any:
    """Lists of times as arrays: their numbers shall not be operands of their own."""
    if isinstance(x, dict):
        return {name: _as_arrays(value) for name, value in x.items()}
    return np.asarray(x) if isinstance(x, list) else x
