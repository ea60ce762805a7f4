"""What the main job leaves in its folder: `fit.json`, the saved models and the picture."""

import json
import math
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..data import PUBLISHED_MEANS
from ..models import LotkaVolterra, MechanisticFit, UniversalFit, standard_errors
from ..models.lotka_volterra import RATES
from ..train import save_model
from .job import MECHANISTIC, UNIVERSAL, Job, rms
from .picture import draw
from .versions import versions

FORMAT = 1
FOLDERS = {MECHANISTIC: "lotka_volterra", UNIVERSAL: "universal"}
"""Where a model is saved, inside the output folder: `sciml_jax.train.load_model` reads it."""


def write(job: Job, folder: Path, plot: bool) -> tuple[dict[str, Any], list[Path]]:
    """Write everything that there is; the content of `fit.json`, and the paths that were written."""
    written = []
    for name, model in job.models.items():
        save_model(folder / FOLDERS[name], model)
        written.append(folder / FOLDERS[name])
    document = plain(describe(job))
    # whole or not at all: a second Ctrl-C must leave no half file
    temporary = folder / "fit.json.writing"
    temporary.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    os.replace(temporary, folder / "fit.json")
    written.append(folder / "fit.json")
    if plot and job.mechanistic is not None:
        draw(job, folder / "picture.png")
        written.append(folder / "picture.png")
    return document, written


def describe(job: Job) -> dict[str, Any]:
    """The content of `fit.json`: numbers that cannot be had are `None`."""
    series, forecasts = job.series, job.forecasts
    parts = {
        "lotka_volterra": None if job.mechanistic is None else _mechanistic(job, job.mechanistic),
        "starts": None if job.mechanistic is None else _starts(job, job.mechanistic),
        "universal": None if job.universal is None else _universal(job, job.universal),
    }
    return {
        "format": FORMAT,
        "status": "interrupted" if job.interrupted else "completed",
        "data": {
            "source": series.source,
            "time": series.time,
            "time_unit": series.time_unit,
            "states": list(series.names),
            "unit": series.unit,
            "rows": series.rows,
            "held_out": job.holdout,
            "t": series.t,
            "y": series.y,
        },
        "settings": {"starts": job.starts, "seed": job.seed, "prior": job.prior},
        **parts,
        "errors": errors(job),
        "cycle_length": job.cycle(),
        "predictions": forecasts,
        "seconds": job.seconds,
        "versions": versions(),
    }


def errors(job: Job) -> dict[str, dict[str, Any]]:
    """Root mean square errors of the logarithms by name: `training`, `forecast`, and the forecast `by_state`."""
    series, seen = job.series, job.seen
    table = {}
    for name, value in job.forecasts.items():
        columns = [rms(value[:, [i]], series.y[:, [i]], ~seen) for i in range(len(series.names))]
        table[name] = {
            # a naive forecast says nothing of the rows it has seen
            "training": rms(value, series.y, seen) if name in job.models else None,
            "forecast": rms(value, series.y, ~seen),
            "by_state": dict(zip(series.names, columns, strict=True)),
        }
    return table


def estimates(job: Job, window: int) -> dict[str, Any]:
    """Parameters of the mechanistic fit to a window, their standard errors, and the initial state."""
    assert job.mechanistic is not None
    model = job.mechanistic.models[window]
    sigma = standard_errors(model, job.series.t, job.series.y, job.windows[window])
    names = job.series.names
    if isinstance(model, LotkaVolterra):
        values = dict(zip(RATES, np.asarray(model.rates), strict=True))
        spread = dict(zip(RATES, np.asarray(model.rates * sigma.log_rates), strict=True))
    else:
        rate, scale = model.rate.value, model.scale.value
        values = {"growth": model.growth, "interaction": model.interaction}
        spread = {"growth": sigma.scaled_growth * rate, "interaction": sigma.scaled_interaction * rate / scale}
    return {
        "parameters": values,
        "standard_errors": spread,
        "initial_state": dict(zip(names, np.asarray(model.y0), strict=True)),
        "rms_error": math.sqrt(job.mechanistic.losses[window]),
        "rows": int(np.sum(job.windows[window])),
    }


def _mechanistic(job: Job, fitted: MechanisticFit) -> dict[str, Any]:
    predator_prey = isinstance(fitted.model, LotkaVolterra)
    equation = "u' = a u - b u v, v' = -c v + d u v" if predator_prey else "y_i' = y_i (r_i + sum_j A_ij y_j)"
    return {
        "equation": equation,
        **estimates(job, 0),
        "all_rows": estimates(job, len(fitted.models) - 1) if job.holdout else None,
        "published_means": PUBLISHED_MEANS if job.hudson and predator_prey else None,
        "outcome": str(fitted.outcome),
    }


def _starts(job: Job, fitted: MechanisticFit) -> dict[str, Any]:
    """The spread over starts, on the training rows, the best first."""
    order = np.argsort(fitted.start_losses[0])
    found = np.sqrt(fitted.start_losses[0][order])
    ended = jax.tree.map(lambda x: x[0][order], fitted.starts)
    values = jax.vmap(lambda model: (model.growth, model.interaction, model.y0))(ended)
    return {
        "count": len(order),
        "within_5_percent": int(np.sum(found <= 1.05 * found[0])),
        "spread_of_data": float(np.mean(np.std(np.log(job.series.y[job.seen]), axis=0))),
        "rms_error": found,
        **dict(zip(("growth", "interaction", "initial_state"), values, strict=True)),
    }


def _universal(job: Job, fitted: UniversalFit) -> dict[str, Any]:
    model, names = fitted.model, job.series.names
    factors = jax.vmap(model.factors)(jnp.asarray(job.series.y[job.seen]))
    return {
        "growth": model.known.rates,
        "interaction": model.output.strength,
        "network_factor": {"least": float(jnp.min(factors)), "largest": float(jnp.max(factors))},
        "initial_state": dict(zip(names, np.asarray(model.y0), strict=True)),
        "rms_error": math.sqrt(fitted.loss),
        "prior": fitted.prior,
        "priors": fitted.priors,
        "validation_rms_error": fitted.validation,
        "copies_rms_error": np.sqrt(fitted.copy_losses),
        "outcome": str(fitted.outcome),
    }


def plain(x: Any) -> Any:
    """For JSON: arrays as lists, and `None` for what is no finite number."""
    if isinstance(x, dict):
        return {str(key): plain(value) for key, value in x.items()}
    if isinstance(x, jax.Array | np.ndarray):
        return plain(np.asarray(x).tolist())
    if isinstance(x, list | tuple):
        return [plain(value) for value in x]
    if isinstance(x, np.generic):
        x = x.item()
    return None if isinstance(x, float) and not math.isfinite(x) else x
