"""Differential equations and machine learning in JAX: solvers as pure functions, models as Equinox modules."""

from .core import xla as _xla

_xla.tune()

from .solve import *  # noqa: E402, F403
from .core import RESULT, Frozen, max_norm, rms_norm  # noqa: E402, I001
