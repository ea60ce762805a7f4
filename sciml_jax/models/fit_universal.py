"""Fitting the universal model: how free its network may be is decided by forecasts inside the training years."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from ..train import Outcome, fit
from .fit_lotka_volterra import Populations, misfit
from .populations import MAX_STEPS, log_predict
from .starts import cooling_adam, pick, side_by_side, stack
from .universal_lotka_volterra import UniversalLotkaVolterra
from .windows import rows_after

PRIORS = (0.05, 0.1, 0.25, 0.5)
"""Standard deviations of the prior on the network's weights that are compared.

On synthetic series (21 rows, errors of 20%; Lotka–Volterra itself, interfering predators, or logistic prey with a
saturating response: tests/models/test_universal_study.py) 0.25 and 0.5 forecast best where the network was needed."""
GAIN = 0.8
"""A wider prior has to bring the error of its forecasts below this part of a narrower one's. On those series the
universal model then gained where it could, and did no harm where it could not."""


@dataclass(frozen=True)
class UniversalFit:
    """What `fit_universal` returns.

    - `model`: the best of the copies with the chosen prior.
    - `copies`: all with the chosen prior, stacked: they differ in the first weights of the network.
    - `copy_losses` of shape `(copies,)`: their mean square errors of the logarithms, the penalty not counted.
    - `loss`: that of the model.
    - `prior`: the chosen standard deviation of the weights; `priors`: all that were compared, the narrowest first.
    - `validation` of shape `(windows, priors)`: root mean square errors of the forecasts from the rolling windows; no
      rows where there were none.
    - `outcome`: `"completed"`, or `"interrupted"`: then the model is as it was.
    - `seconds`: wall time, compilation included.
    """

    model: UniversalLotkaVolterra
    copies: UniversalLotkaVolterra
    copy_losses: Float[np.ndarray, " copies"]
    loss: float
    prior: float
    priors: tuple[float, ...]
    validation: Float[np.ndarray, "windows priors"]
    outcome: Outcome
    seconds: float


def fit_universal(
    t: Float[ArrayLike, " T"],
    y: Float[ArrayLike, "T n"],
    models: Sequence[Populations],
    *,
    windows: Float[ArrayLike, "W T"],
    horizon: int,
    priors: Sequence[float] = PRIORS,
    copies: int = 4,
    width: int = 8,
    steps: int = 500,
    lr: float = 0.015,
    key: PRNGKeyArray,
    progress: bool = True,
    callbacks: Any = (),
) -> UniversalFit:
    r"""Fit a `UniversalLotkaVolterra`, started from mechanistic fits, with a prior chosen by forecasts of known data.

    $$ \min \frac{1}{n |W|} \sum_{t \in W} \lVert \log \hat y(t) - \log y(t) \rVert^2
       + \frac{\sigma^2}{n |W| s^2} \lVert w \rVert^2 $$

    is the posterior mode for errors of size $\sigma$ (that of the mechanistic fit) and weights $w \sim N(0, s^2)$. It
    is found for every $s$ in `priors`, every window and several first weights at once. Each window but the first is
    judged by its forecast of the next `horizon` rows; the narrowest prior wins unless a wider one is better by the
    factor `GAIN`. The fit is that of the first window with the prior so chosen. What no window sees is not used, as
    long as the rows after the rolling ones lie in the first.

    **Arguments:**

    - `t` of shape `(T,)`; `y` of shape `(T, n)`, positive.
    - `models`: mechanistic fits, one for each window (`fit_lotka_volterra(windows=).models`).
    - `windows`: weights of shape `(W, T)`: first that of the fit, then rolling ones (`rolling_windows`), if any;
      without them the narrowest prior is taken.
    - `horizon`: rows that are forecast from each rolling window.
    - `priors`; `copies`, first weights of the network, `width` of its hidden layer, `steps` and `lr` of Adam; `key`;
      `progress` and `callbacks` as in `train.fit`.

    **Returns:** a `UniversalFit`. Call it with JAX's 64-bit mode on.

    **Cost:** `W * len(priors) * copies * steps` solves and gradients: seconds.

    >>> import jax
    >>> from sciml_jax.data import hudson_bay
    >>> from sciml_jax.models import LotkaVolterra, fit_universal
    >>> pelts = hudson_bay()
    >>> with jax.enable_x64(True):
    ...     start = LotkaVolterra([0.54, 0.027, 0.8, 0.024], [34.6, 5.8], t0=1900.0)
    ...     options = {"windows": [[1.0] * 21], "horizon": 0, "priors": [0.5], "copies": 1, "steps": 20}
    ...     fitted = fit_universal(pelts.t, pelts.y, [start], **options, key=jax.random.key(0), progress=False)
    >>> fitted.loss < 0.06
    True
    """
    began = time.monotonic()
    t, log_y, windows = np.asarray(t, float), np.log(np.asarray(y, float)), np.asarray(windows, float)
    priors = tuple(sorted(float(s) for s in priors))
    shape = (len(windows), len(priors), copies)
    first, penalties = _lanes(t, log_y, models, windows, priors, width, jax.random.split(key, copies))
    trained = fit(
        first,
        side_by_side(penalized_misfit),
        stages=cooling_adam(steps, lr),
        data=((t, log_y), (np.repeat(windows, len(priors) * copies, axis=0), penalties)),
        key=key,
        progress=progress,
        callbacks=callbacks,
    )
    z, squares = (np.asarray(x).reshape(*shape, *x.shape[1:]) for x in _evaluate(trained.model, jnp.asarray(t)))
    squared = np.where(np.isfinite(z), z - log_y, np.inf) ** 2
    after = [squared[w][:, :, rows_after(windows[w], horizon)] for w in range(1, len(windows))]
    validation = np.array([np.sqrt(np.mean(s, axis=(1, 2, 3))) for s in after]).reshape(len(after), len(priors))
    p = choose(validation)
    losses = np.mean(squared[0, p][:, windows[0] > 0], axis=(1, 2))
    best = int(np.argmin(losses + penalties.reshape(shape)[0, p] * squares[0, p]))
    kept = pick(trained.model, np.arange(p * copies, (p + 1) * copies))
    return UniversalFit(
        model=pick(kept, best),
        copies=kept,
        copy_losses=losses,
        loss=float(losses[best]),
        prior=priors[p],
        priors=priors,
        validation=validation,
        outcome=trained.result,
        seconds=time.monotonic() - began,
    )


def choose(validation: Float[np.ndarray, "windows priors"], gain: float = GAIN) -> int:
    """The narrowest prior whose mean error over the windows no other undercuts by the factor `gain`; 0 without windows.

    >>> import numpy as np
    >>> from sciml_jax.models.fit_universal import choose
    >>> choose(np.array([[0.40, 0.35, 0.34]])), choose(np.array([[0.40, 0.20, 0.18]]))
    (0, 1)
    """
    if not len(validation):
        return 0
    mean = np.mean(validation, axis=0)
    return int(np.flatnonzero(gain * mean <= np.min(mean))[0])


def penalized_misfit(
    model: UniversalLotkaVolterra,
    t: Float[Array, " T"],
    log_y: Float[Array, "T n"],
    window: Float[Array, " T"],
    penalty: Float[Array, ""],
) -> Float[Array, ""]:
    """The mean square error of the logarithms in the window, and `penalty` times the squared weights of the network."""
    return misfit(model, t, log_y, window) + penalty * model.squared_weights()


def _lanes(t, log_y, models, windows, priors, width, keys) -> tuple[UniversalLotkaVolterra, Float[np.ndarray, " K"]]:
    """All copies, stacked in the order (window, prior, first weights), and their penalties."""
    copies, penalties = [], []
    for model, window in zip(models, windows, strict=True):
        seen = log_y[window > 0]
        noise = float(misfit(model, jnp.asarray(t), jnp.asarray(log_y), jnp.asarray(window)))
        made = [_start(model, seen, width, key) for key in keys]
        for s in priors:
            copies += made
            penalties += [noise / (seen.size * s**2)] * len(keys)
    return stack(copies), np.array(penalties)


def _start(model: Populations, log_y: Float[np.ndarray, "T n"], width: int, key) -> UniversalLotkaVolterra:
    # a population that hardly changes must not be blown up to order one
    spread = np.maximum(np.std(log_y, axis=0), 0.1)
    return UniversalLotkaVolterra(model, np.mean(log_y, axis=0), spread, width=width, key=key)


@eqx.filter_jit
def _evaluate(models: UniversalLotkaVolterra, t: Float[Array, " T"]):
    """Predicted logarithms and squared weights of stacked models."""

    def one(model, t):
        return log_predict(model, t, max_steps=MAX_STEPS, throw=False), model.squared_weights()

    return eqx.filter_vmap(one, in_axes=(eqx.if_array(0), None))(models, t)
