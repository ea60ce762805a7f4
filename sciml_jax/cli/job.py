"""The main job: mechanistic fits, the universal one, and what they forecast."""

from dataclasses import dataclass, field
from functools import cached_property

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, PyTree

from ..data import Series, cycle_length, naive_forecasts
from ..models import (
    AbstractPopulations,
    MechanisticFit,
    UniversalFit,
    fit_lotka_volterra,
    fit_universal,
    log_predict,
    pick,
    rolling_windows,
)
from ..models.fit_lotka_volterra import polish_steps
from ..models.fit_universal import PRIORS
from ..train import Outcome
from .bar import JobBar

STEPS, UNIVERSAL_STEPS = 400, 500
"""Steps of the search over starts and of the universal model."""
MECHANISTIC, UNIVERSAL = "Lotka–Volterra", "universal (UDE)"


@dataclass
class Job:
    """What is asked for, and what there is so far: an interrupt leaves the rest empty."""

    series: Series
    holdout: int
    starts: int
    seed: int
    prior: float | None = None
    hudson: bool = False
    mechanistic: MechanisticFit | None = None
    universal: UniversalFit | None = None
    interrupted: bool = False
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def seen(self) -> Bool[np.ndarray, " T"]:
        """The rows that are not held out."""
        return np.arange(self.series.rows) < self.series.rows - self.holdout

    @property
    def horizon(self) -> int:
        """Rows of a forecast inside the training rows: as many as are held out, or a quarter of those that are seen."""
        quarter = int(np.sum(self.seen)) // 4
        return min(self.holdout, quarter) if self.holdout else quarter

    @property
    def windows(self) -> Float[np.ndarray, "W T"]:
        """The training rows, the rolling windows inside them, and all rows where some are held out."""
        rolling = rolling_windows(int(np.sum(self.seen)), self.horizon)
        rolling = np.pad(rolling, ((0, 0), (0, self.holdout)))
        everything = [np.ones((1, self.series.rows))] if self.holdout else []
        return np.concatenate([self.seen[None].astype(float), rolling, *everything])

    @property
    def models(self) -> dict[str, AbstractPopulations]:
        """The fits to the training rows, by name."""
        fits = {MECHANISTIC: self.mechanistic, UNIVERSAL: self.universal}
        return {name: fitted.model for name, fitted in fits.items() if fitted is not None}

    @property
    def fine(self) -> Float[np.ndarray, " F"]:
        """Times for curves, those of the data among them."""
        t = self.series.t
        return np.union1d(np.linspace(t[0], t[-1], min(20 * len(t), 1000)), t)

    @cached_property
    def curves(self) -> dict[str, Float[np.ndarray, "K F n"]]:
        """What every model says at the fine times: the best fit first, then the starts or copies of its search."""
        fits = {}
        if self.mechanistic is not None:
            fits[MECHANISTIC] = [self.mechanistic.model, pick(self.mechanistic.starts, 0)]
        if self.universal is not None:
            fits[UNIVERSAL] = [self.universal.model, self.universal.copies]
        return {name: predict(best, others, self.fine) for name, (best, others) in fits.items()}

    @cached_property
    def forecasts(self) -> dict[str, Float[np.ndarray, "T n"]]:
        """What every model says at the times of the data, and the naive forecasts where rows are held out."""
        at = np.searchsorted(self.fine, self.series.t)
        values = {name: curves[0, at] for name, curves in self.curves.items()}
        return values | (naive_forecasts(self.series.t, self.series.y, self.seen) if self.holdout else {})

    def cycle(self) -> float | None:
        """The length of a cycle in the training rows, `None` where they show none."""
        return cycle_length(self.series.t[self.seen], np.log(self.series.y[self.seen]))


def run_job(job: Job, bar: JobBar) -> None:
    """Fit everything, filling the job in; an interrupt leaves it with what there is."""
    try:
        _fit(job, bar)
    except KeyboardInterrupt:
        job.interrupted = True


def _fit(job: Job, bar: JobBar) -> None:
    search, network = jax.random.split(jax.random.key(job.seed))
    t, y, windows = job.series.t, job.series.y, job.windows
    polish = polish_steps(len(job.series.names))
    feed = bar.phase(f"{MECHANISTIC}, {job.starts} starts", STEPS + polish)
    options = {"progress": False, "callbacks": feed, "key": search}
    job.mechanistic = fit_lotka_volterra(
        t, y, windows=windows, starts=job.starts, steps=STEPS, polish=polish, **options
    )
    job.seconds["lotka_volterra"] = job.mechanistic.seconds
    _stop_if_interrupted(job.mechanistic.outcome)
    inside = len(windows) - bool(job.holdout)
    job.universal = fit_universal(
        *(t, y, job.mechanistic.models[:inside]),
        windows=windows[:inside],
        horizon=job.horizon,
        priors=PRIORS if job.prior is None else (job.prior,),
        steps=UNIVERSAL_STEPS,
        key=network,
        progress=False,
        callbacks=bar.phase(UNIVERSAL, UNIVERSAL_STEPS),
    )
    job.seconds["universal"] = job.universal.seconds
    _stop_if_interrupted(job.universal.outcome)


def _stop_if_interrupted(outcome: Outcome) -> None:
    # the trainer catches Ctrl-C to hand back what it has
    if outcome is Outcome.interrupted:
        raise KeyboardInterrupt


def predict(best: PyTree, others: PyTree, t: Float[np.ndarray, " F"]) -> Float[np.ndarray, "K F n"]:
    """The populations of a model and of stacked ones of its structure at times `t`."""
    joined = jax.tree.map(lambda x, xs: jnp.concatenate([x[None], xs]) if eqx.is_array(x) else x, best, others)
    return np.exp(np.asarray(_predict(joined, jnp.asarray(t))))


@eqx.filter_jit
def _predict(models, t):
    def one(model, t):
        return log_predict(model, t, max_steps=10_000, throw=False)

    return eqx.filter_vmap(one, in_axes=(eqx.if_array(0), None))(models, t)


def rms(predicted: Float[np.ndarray, "T n"], y: Float[np.ndarray, "T n"], rows) -> float | None:
    """The root mean square error of the logarithms over some rows; `None` where there are none."""
    if not np.any(rows):
        return None
    return float(np.sqrt(np.mean(np.log(predicted / y)[rows] ** 2)))
