"""Fitting Lotka–Volterra: from many starts at once, on several windows of the data at once."""

import time
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from ..core.frozen import is_frozen
from ..solve import Forward
from ..train import Outcome, fit, lbfgs
from .generalized_lotka_volterra import GeneralizedLotkaVolterra
from .lotka_volterra import LotkaVolterra
from .population_starts import generalized_starts, predator_prey_starts
from .populations import MAX_STEPS, AbstractPopulations, log_predict
from .starts import cooling_adam, pick, side_by_side, stack

Populations = LotkaVolterra | GeneralizedLotkaVolterra


@dataclass(frozen=True)
class MechanisticFit:
    """What `fit_lotka_volterra` returns: a fit for each window.

    - `models`: the best model of each window; `model` is that of the first.
    - `starts`: where every start of every window ended before the best was polished; stacked `(windows, starts)`.
    - `start_losses` of shape `(windows, starts)`: their mean square errors of the logarithms.
    - `losses` of shape `(windows,)`: that of the best, polished.
    - `outcome`: `"completed"`, or `"interrupted"`: then these are the models as they were.
    - `seconds`: wall time, compilation included.
    """

    models: tuple[Populations, ...]
    starts: Populations
    start_losses: Float[np.ndarray, "windows starts"]
    losses: Float[np.ndarray, " windows"]
    outcome: Outcome
    seconds: float

    @property
    def model(self) -> Populations:
        """The model of the first window."""
        return self.models[0]


def fit_lotka_volterra(
    t: Float[ArrayLike, " T"],
    y: Float[ArrayLike, "T n"],
    *,
    windows: Float[ArrayLike, "W T"] | None = None,
    starts: int = 64,
    steps: int = 400,
    lr: float = 0.05,
    polish: int | None = None,
    key: PRNGKeyArray,
    progress: bool = True,
    callbacks: Any = (),
) -> MechanisticFit:
    r"""Fit Lotka–Volterra with its initial state to populations, with lognormal errors of one size.

    $$ \min_{\theta, y_0} \frac{1}{n |W|} \sum_{t \in W} \sum_i \big(\log \hat y_i(t) - \log y_i(t)\big)^2 $$

    All starts on all windows train at once (one vmapped solve), by Adam with a rate that falls to zero; the best of
    each window can then be polished by L-BFGS. Two populations are a prey and its predator, in this order
    (`LotkaVolterra`); more are a `GeneralizedLotkaVolterra`.

    **Arguments:**

    - `t` of shape `(T,)`, increasing; `y` of shape `(T, n)`, positive, `n >= 2`.
    - `windows`: weights of shape `(W, T)`, one row a window: 1 where it sees the data, 0 elsewhere. What a window does
      not see has no influence on its fit, its starts included. Default: one window that sees all.
    - `starts`: random starts in each window (64). `steps`, `lr`: of Adam (400, 0.05). `polish`: the most steps of
      L-BFGS; default 0 for two populations, whose rates Adam leaves within some 1e-4 of the optimum, else 60.
    - `key`; `progress` and `callbacks` as in `train.fit`.

    **Returns:** a `MechanisticFit`. Call it with JAX's 64-bit mode on.

    **Cost:** `W * starts * steps` solves and gradients of `n` equations: seconds.

    Source: B. Carpenter, Predator-prey population dynamics, Stan case studies, 2018, has this likelihood with one
    size of errors for each population and weak priors.

    >>> import jax, jax.numpy as jnp
    >>> from sciml_jax.data import hudson_bay
    >>> from sciml_jax.models import fit_lotka_volterra
    >>> pelts = hudson_bay()
    >>> with jax.enable_x64(True):
    ...     fitted = fit_lotka_volterra(pelts.t, pelts.y, starts=16, key=jax.random.key(0), progress=False)
    >>> fitted.model.rates.round(2).tolist()
    [0.54, 0.03, 0.8, 0.02]
    """
    began = time.monotonic()
    t, log_y = np.asarray(t, float), np.log(np.asarray(y, float))
    windows = np.ones((1, len(t))) if windows is None else np.asarray(windows, float)
    polish = polish_steps(log_y.shape[1]) if polish is None else polish
    draw = predator_prey_starts if log_y.shape[1] == 2 else generalized_starts
    first = stack([draw(t, log_y, window, starts, key) for window in windows])
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]) if eqx.is_array(x) else x, first)
    objective, options = side_by_side(misfit), {"key": key, "progress": progress, "callbacks": callbacks}
    searched = fit(
        flat,
        objective,
        stages=cooling_adam(steps, lr),
        data=_batch(t, log_y, np.repeat(windows, starts, axis=0)),
        **options,
    )
    shape = (len(windows), starts)
    ended = jax.tree.map(lambda x: x.reshape(*shape, *x.shape[1:]) if eqx.is_array(x) else x, searched.model)
    losses = _losses(searched.model, t, log_y, np.repeat(windows, starts, axis=0)).reshape(shape)
    best = pick(ended, (np.arange(shape[0]), np.argmin(losses, axis=1)))
    outcome, best_losses = searched.result, np.min(losses, axis=1)
    if outcome is not Outcome.interrupted and polish:
        polished = fit(best, objective, stages=lbfgs(polish), data=_batch(t, log_y, windows), **options)
        best, outcome, best_losses = polished.model, polished.result, _losses(polished.model, t, log_y, windows)
    return MechanisticFit(
        models=tuple(pick(best, i) for i in range(len(windows))),
        starts=ended,
        start_losses=losses,
        losses=best_losses,
        outcome=outcome,
        seconds=time.monotonic() - began,
    )


def polish_steps(populations: int) -> int:
    """Steps of L-BFGS after the search: 0 where Adam alone ends at the optimum."""
    return 0 if populations == 2 else 60


def misfit(
    model: AbstractPopulations, t: Float[Array, " T"], log_y: Float[Array, "T n"], window: Float[Array, " T"]
) -> Float[Array, ""]:
    """The mean square error of the logarithms of the populations where the window is 1.

    >>> import jax.numpy as jnp
    >>> from sciml_jax.models import LotkaVolterra, misfit
    >>> model = LotkaVolterra([0.55, 0.028, 0.8, 0.024], [30.0, 4.0])
    >>> t = jnp.array([0.0, 5.0])
    >>> bool(misfit(model, t, jnp.log(model.predict(t)), jnp.ones(2)) < 1e-8)
    True
    """
    z = log_predict(model, t, max_steps=MAX_STEPS, throw=False)
    return jnp.sum(window[:, None] * (z - log_y) ** 2) / (jnp.sum(window) * log_y.shape[1])


def standard_errors(
    model: Populations, t: Float[ArrayLike, " T"], y: Float[ArrayLike, "T n"], window: Float[ArrayLike, " T"]
) -> Any:
    r"""The standard errors of all parameters of a fitted model, $\sigma^2 (J^T J)^{-1}$, in a model's structure.

    They are those of what trains: of a logarithm, so relative ones, where a parameter is positive. $J$ is the Jacobian
    of the predicted logarithms, $\sigma^2$ the sum of squares over the degrees of freedom; infinite where the data
    leave a direction open.

    **Cost:** one solve with a tangent for each parameter.

    >>> import jax, numpy as np
    >>> from sciml_jax.data import hudson_bay
    >>> from sciml_jax.models import LotkaVolterra, standard_errors
    >>> pelts = hudson_bay()
    >>> with jax.enable_x64(True):
    ...     model = LotkaVolterra([0.5402, 0.02717, 0.7964, 0.0237], [34.6, 5.84], t0=1900.0)
    ...     relative = standard_errors(model, pelts.t, pelts.y, np.ones(21)).log_rates
    >>> (model.rates * relative).round(3).tolist()
    [0.059, 0.004, 0.084, 0.003]
    """
    seen = np.asarray(window) > 0
    residuals, jacobian, unravel = _linearized(model, jnp.asarray(t), jnp.log(jnp.asarray(y)))
    size = jacobian.shape[-1]
    r, jacobian = np.asarray(residuals)[seen].reshape(-1), np.asarray(jacobian)[seen].reshape(-1, size)
    _, singular, rows = np.linalg.svd(jacobian, full_matrices=False)
    if len(r) <= size or singular[-1] < len(r) * np.finfo(float).eps * singular[0]:
        return unravel(jnp.full(size, jnp.inf))
    variance = np.sum(r**2) / (len(r) - size) * np.sum((rows / singular[:, None]) ** 2, axis=0)
    return unravel(jnp.asarray(np.sqrt(variance)))


@eqx.filter_jit
def _linearized(model, t, log_y):
    """Residuals, their Jacobian along the last axis, and how a vector becomes a model's parameters."""
    trains = jax.tree.map(lambda x: False if is_frozen(x) else eqx.is_inexact_array(x), model, is_leaf=is_frozen)
    params, rest = eqx.partition(model, trains)
    flat, unravel = ravel_pytree(params)

    def residuals(flat):
        model = eqx.combine(unravel(flat), rest)
        return log_predict(model, t, max_steps=MAX_STEPS, gradient=Forward(), throw=False) - log_y

    return residuals(flat), jax.jacfwd(residuals)(flat), unravel


def _batch(t, log_y, windows):
    return (t, log_y), (windows,)


@eqx.filter_jit
def _losses_jitted(models, t, log_y, windows):
    return eqx.filter_vmap(misfit, in_axes=(eqx.if_array(0), None, None, 0))(models, t, log_y, windows)


def _losses(models, t, log_y, windows) -> Float[np.ndarray, " K"]:
    losses = np.asarray(_losses_jitted(models, t, log_y, windows))
    return np.where(np.isfinite(losses), losses, np.inf)
