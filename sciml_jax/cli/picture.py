"""The picture of the main job."""

from pathlib import Path

import numpy as np

from ..plot import plot_fit, save_figure
from ..plot.fit import alike
from .job import MECHANISTIC, Job, rms


def draw(job: Job, path: Path) -> None:
    """Draw what there is, and write it as a PNG."""
    series, seen = job.series, job.seen
    assert job.mechanistic is not None
    naive = {name: value for name, value in job.forecasts.items() if name not in job.models}
    found = {name: rms(value, series.y, ~seen) for name, value in job.forecasts.items()}
    errors = {name: error for name, error in found.items() if error is not None}
    best = min(naive, key=errors.__getitem__, default=None)
    figure = plot_fit(
        series,
        seen,
        job.fine,
        {name: curves[0] for name, curves in job.curves.items()},
        start_curves=job.curves[MECHANISTIC][1:],
        start_errors=np.sqrt(job.mechanistic.start_losses[0]),
        naive=None if best is None else (best, naive[best]),
        forecast_errors=errors,
        validation=_validation(job),
        title=title_of(job),
    )
    save_figure(figure, path)


def title_of(job: Job) -> str:
    """What is drawn, and whether the network made a difference."""
    title = f"{job.series.source}: {MECHANISTIC} and a universal differential equation"
    both = [curves[0] for curves in job.curves.values()]
    return title + (", whose network stays near zero" if len(both) == 2 and alike(*both) else "")


def _validation(job: Job) -> dict[str, float] | None:
    if job.universal is None or not len(job.universal.validation):
        return None
    mean = np.mean(job.universal.validation, axis=0)
    return {f"{s:g}": float(error) for s, error in zip(job.universal.priors, mean, strict=True)}
