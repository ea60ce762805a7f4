"""A series of measurements: times, values, and what they are called."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float


class DataError(ValueError):
    """Data that cannot be used as they are: one line that names the place, what stands there and the cure."""


@dataclass(frozen=True)
class Series:
    """Measurements of several quantities at common times, as float64 NumPy arrays.

    **Arguments:** `t`, the times, of shape `(T,)`; `y`, the values, of shape `(T, n)`; `names` of the `n` quantities;
    `time`, the name of the time; `unit` of the values and `time_unit`, `""` where unknown; `source`, where they come
    from.

    **Raises:** `ValueError` for shapes that do not belong together.

    >>> import numpy as np
    >>> from sciml_jax.data import Series
    >>> series = Series(np.arange(3.0), np.ones((3, 2)), names=("prey", "predator"))
    >>> series.rows, series.select(["predator"]).y.shape
    (3, (3, 1))
    """

    t: Float[np.ndarray, " T"]
    y: Float[np.ndarray, "T n"]
    names: tuple[str, ...]
    time: str = "time"
    unit: str = ""
    time_unit: str = ""
    source: str = ""

    def __post_init__(self):
        t, y = np.asarray(self.t, np.float64), np.asarray(self.y, np.float64)
        if t.ndim != 1 or y.shape != (len(t), len(self.names)):
            raise ValueError(
                f"Series needs t of shape (T,) and y of shape (T, n) with n names; got t {t.shape}, y {y.shape} and "
                f"{len(self.names)} names"
            )
        for name, value in (("t", t), ("y", y), ("names", tuple(self.names))):
            object.__setattr__(self, name, value)

    @property
    def rows(self) -> int:
        """The number of times."""
        return len(self.t)

    def select(self, names) -> "Series":
        """The series of these quantities only, in this order.

        **Raises:** `DataError` for a name that is not there, or stands there twice.
        """
        for i, name in enumerate(names):
            if name not in self.names:
                raise DataError(f"{self.source}: there is no column {name!r}; it has {_listed(self.names)}")
            if name in names[:i]:
                raise DataError(f"{self.source}: column {name!r} is asked for twice")
        return replace(self, y=self.y[:, [self.names.index(name) for name in names]], names=tuple(names))

    def check_positive(self) -> "Series":
        """The series itself.

        **Raises:** `DataError`, naming row and column, where a value is zero or negative: populations have logarithms.
        """
        bad = np.argwhere(~(self.y > 0))
        if len(bad):
            row, column = bad[0]
            raise DataError(
                f"{self.source}: {self.names[column]!r} is {self.y[row, column]:g} at {self.time} {self.t[row]:g}; "
                "populations must be positive (their logarithms are fitted)"
            )
        return self


def _listed(names) -> str:
    return ", ".join(repr(name) for name in names)
