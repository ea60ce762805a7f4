"""Windows of a series that end before it does: what a forecast may see, and what judges it."""

import numpy as np
from jaxtyping import Bool, Float


def rolling_windows(rows: int, horizon: int, *, count: int = 3, least: int = 8) -> Float[np.ndarray, "W rows"]:
    """Windows from the first row on, to judge forecasts by the rows that come after them.

    **Arguments:** `rows`, that may be seen; `horizon`, rows of a forecast; `count`, windows at most (3), each a row
    shorter than the one before; `least`, the fewest rows of a window (8; at least half of `rows` in any case).

    **Returns:** weights of shape `(W, rows)`, 1 in the window; `W` may be 0.

    Source: R. Hyndman, G. Athanasopoulos, Forecasting: principles and practice, 3rd ed. 2021, section 5.10.

    >>> from sciml_jax.models import rolling_windows
    >>> rolling_windows(16, 4).sum(axis=1).tolist()
    [12.0, 11.0, 10.0]
    """
    lengths = [rows - horizon - k for k in range(count)]
    kept = [length for length in lengths if length >= max(least, (rows + 1) // 2)] if horizon > 0 else []
    return np.array([np.arange(rows) < length for length in kept], float).reshape(len(kept), rows)


def rows_after(window: Float[np.ndarray, " T"], horizon: int) -> Bool[np.ndarray, " T"]:
    """The next `horizon` rows after a window.

    >>> import numpy as np
    >>> from sciml_jax.models import rows_after
    >>> rows_after(np.array([1.0, 1.0, 0.0, 0.0, 0.0]), 2).tolist()
    [False, False, True, True, False]
    """
    end, rows = int(np.flatnonzero(window)[-1]) + 1, np.arange(len(window))
    return (rows >= end) & (rows < end + horizon)
