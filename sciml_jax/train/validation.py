"""Validation: which model is kept, and when there is no more to gain."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class Validation:
    """A loss on data that is not trained on: the best model by it is the one that `fit` returns.

    **Arguments:**

    - `target`: a function `model -> loss`, called on the host (a jitted one is faster), or data: then the loss is the
      training objective on it, with one fixed key. Give a function where the model has dropout.
    - `every`: validate every so many steps, counted over all stages; before the first step and after the last as well.
      Default 100.
    - `patience`: end the whole run after so many validations without a new best; default `None`, never.
    - `min_delta`: how far below the best a loss has to be to count as a new best. Default 0.

    **Raises:** `ValueError` for numbers out of range.

    >>> from sciml_jax.train import Validation
    >>> Validation(lambda model: 0.0, every=50, patience=5).patience
    5
    """

    target: Any
    every: int = 100
    patience: int | None = None
    min_delta: float = 0.0

    def __post_init__(self):
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise ValueError(f"Validation: every must be an integer of at least 1; got {self.every!r}")
        if self.patience is not None and (not isinstance(self.patience, int) or self.patience < 1):
            raise ValueError(f"Validation: patience must be None or an integer of at least 1; got {self.patience!r}")
        if not self.min_delta >= 0:
            raise ValueError(f"Validation: min_delta must not be negative; got {self.min_delta!r}")


@dataclass(frozen=True)
class Best:
    """The best validation so far, the validations since, and all of them as `(step, loss)`."""

    loss: float = np.inf
    step: int = 0
    since: int = 0
    params: Any = None
    record: tuple[tuple[int, float], ...] = ()

    def update(self, loss: float, step: int, params: Any, min_delta: float) -> "Best":
        """With one more validation; a loss that is no number is never the best."""
        record = (*self.record, (step, loss))
        # the first finite loss is a best, whatever min_delta is: infinity less anything is infinity
        if loss < self.loss - min_delta:
            return Best(loss, step, 0, params, record)
        return Best(self.loss, self.step, self.since + 1, self.params, record)


def as_validation(validate: Any) -> Validation | None:
    """The argument `validate` of `fit`: `None`, a `Validation`, or what one is made of."""
    return validate if validate is None or isinstance(validate, Validation) else Validation(validate)


def check_loss(loss: Any) -> float:
    """The number that a validation function returned; `TypeError` or `ValueError` for anything else."""
    try:
        value = np.asarray(loss)
    except Exception as error:
        raise TypeError(f"validate must return one real number; it returned {type(loss).__name__}") from error
    if value.shape != ():
        raise ValueError(f"validate must return one real number; it returned shape {value.shape}: take the mean")
    if not (jnp.issubdtype(value.dtype, jnp.floating) or jnp.issubdtype(value.dtype, jnp.integer)):
        raise TypeError(f"validate must return one real number; it returned dtype {value.dtype}")
    return float(value)
