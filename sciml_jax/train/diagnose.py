"""Where a loss stopped being finite: the term, the point, the row of the data."""

from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from .batches import Batches
from .loop import LOSS_NOT_FINITE, Place, Setup
from .params import Params
from .problem import Residuals

CURES = "a smaller learning rate, clip=1.0 in the stage, data without infinities, or where() before the arithmetic"


def explain(setup: Setup, params: Params, at: Place, step: int, loss: float, terms: dict[str, float], code: int) -> str:
    """The reason for a stop, in words: never an error of its own, whatever the objective does outside jit."""
    where = f"at step {step} (stage {setup.stage.name!r}, its step {int(at.step)})"
    if code != LOSS_NOT_FINITE:
        return (
            f"{where} the loss was finite ({loss:.6g}) but the step led to parameters that are not: "
            f"{_safely(_bad_gradients, setup, params, at)}; the parameters before it are kept. Try {CURES}"
        )
    bad = [f"term {name!r} is {value}" for name, value in terms.items() if not np.isfinite(value)]
    details = [*bad, *_safely(_bad_points, setup, params, at), *_safely(_bad_data, setup, params, at)]
    about = f" ({'; '.join(details)})" if details else ""
    return f"{where} the loss became {loss}{about}; the last parameters with a finite loss are kept. Try {CURES}"


def _safely(find: Any, setup: Setup, params: Params, at: Place) -> Any:
    try:
        return find(setup, params, at)
    except Exception:  # a hint that cannot be had must not hide the reason
        return []


def _bad_points(setup: Setup, params: Params, at: Place) -> list[str]:
    problem = setup.problem(at.draw, at.cursor)
    model = problem.model(params)
    out = problem.objective(model, problem.batch, problem.key)
    found = []
    for name, residuals in out.items() if isinstance(out, dict) else ():
        rows = np.asarray(residuals.rows(model)) if isinstance(residuals, Residuals) else np.zeros(0)
        wrong = np.flatnonzero(~np.isfinite(rows.reshape(len(rows), -1)).all(axis=1)) if len(rows) else []
        if len(wrong) and residuals.points is not None:
            point = jax.tree.map(lambda x, i=wrong[0]: np.asarray(x)[i].tolist(), residuals.points)
            found.append(
                f"{name!r} is not finite at {len(wrong)} of {len(rows)} points, first point {wrong[0]}: {point}"
            )
    return found


def _bad_data(setup: Setup, params: Params, at: Place) -> list[str]:
    problem = setup.problem(at.draw, at.cursor)
    source = setup.source
    rows = None
    if isinstance(source, Batches):
        rows = np.asarray(source.indices(jax.random.split(setup.key)[0], at.cursor))
    found = []
    for path, x in jax.tree.leaves_with_path(problem.batch):
        x = np.asarray(x)
        wrong = np.argwhere(~np.isfinite(x)) if np.issubdtype(x.dtype, np.inexact) else []
        if len(wrong):
            index = tuple(wrong[0].tolist())
            row = f", row {rows[index[0]]} of the data" if rows is not None else ""
            found.append(f"batch{jax.tree_util.keystr(path)} is not finite at {index}{row}")
    return found


def _bad_gradients(setup: Setup, params: Params, at: Place) -> str:
    problem = setup.problem(at.draw, at.cursor)
    _, grad = problem.value_and_grad(params)
    names = [jax.tree_util.keystr(path) or "the model" for path, g in jax.tree.leaves_with_path(grad) if _wrong(g)]
    return f"the gradient is not finite in {', '.join(names)}" if names else "the update overflowed"


def _wrong(x: PyTree) -> bool:
    return not bool(np.isfinite(np.asarray(x)).all())
