"""Forecasts without a model, which every model has to beat."""

import numpy as np
from jaxtyping import Bool, Float


def naive_forecasts(
    t: Float[np.ndarray, " T"], y: Float[np.ndarray, "T n"], seen: Bool[np.ndarray, " T"]
) -> dict[str, Float[np.ndarray, "T n"]]:
    """Forecasts of positive series from the rows that are seen, by name; the rows that are seen stay as they are.

    `"last value"`; `"mean"`, of the logarithms; and, where the seen rows show a cycle (`cycle_length`), `"last cycle"`:
    the values of the same phase in the last cycle that is seen, interpolated in logarithms.

    >>> import numpy as np
    >>> from sciml_jax.data import naive_forecasts
    >>> t, y = np.arange(4.0), np.array([[1.0], [4.0], [2.0], [9.0]])
    >>> {name: value[3].tolist() for name, value in naive_forecasts(t, y, t < 3).items()}
    {'last value': [2.0], 'mean': [2.0]}
    """
    t, log_y, seen = np.asarray(t, float), np.log(np.asarray(y, float)), np.asarray(seen, bool)
    last = np.flatnonzero(seen)[-1]
    forecasts = {"last value": log_y[last], "mean": np.mean(log_y[seen], axis=0)}
    period = cycle_length(t[seen], log_y[seen])
    if period is not None:
        cycles = np.ceil(np.maximum(t - t[last], 0) / period)
        back = t - cycles * period
        columns = [np.interp(back, t[seen], column) for column in log_y[seen].T]
        forecasts["last cycle"] = np.stack(columns, axis=1)
    return {name: np.exp(np.where(seen[:, None], log_y, value)) for name, value in forecasts.items()}


def cycle_length(t: Float[np.ndarray, " T"], x: Float[np.ndarray, "T n"]) -> float | None:
    """The length of a cycle, in units of `t`: the lag of the first peak of the autocorrelation after it was negative.

    The autocorrelation is the mean over the columns, on an even grid of as many times as there are; a lag counts where
    at least a quarter of the series overlaps.

    **Returns:** the lag, or `None` where there is no positive peak.

    >>> import numpy as np
    >>> from sciml_jax.data import cycle_length
    >>> t = np.arange(30.0)
    >>> cycle_length(t, np.sin(2 * np.pi * t / 10)[:, None])
    10.0
    """
    n = len(t)
    grid = np.linspace(t[0], t[-1], n)
    columns = np.stack([np.interp(grid, t, column) for column in np.asarray(x, float).T], axis=1)
    columns = columns - np.mean(columns, axis=0)
    lags = range(n - max(n // 4, 3) + 1)
    correlation = np.array([np.mean([_correlation(c, lag) for c in columns.T]) for lag in lags])
    negative = np.flatnonzero(correlation < 0)
    if not len(negative):
        return None
    for lag in range(negative[0] + 1, len(correlation) - 1):
        if correlation[lag] > 0 and correlation[lag - 1] <= correlation[lag] >= correlation[lag + 1]:
            return float(lag * (grid[1] - grid[0]))
    return None


def _correlation(x: np.ndarray, lag: int) -> float:
    a, b = x[: len(x) - lag], x[lag:]
    size = np.sqrt(np.sum(a * a) * np.sum(b * b))
    return float(np.sum(a * b) / size) if size > 0 else 0.0
