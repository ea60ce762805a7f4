"""The one trainer: fit, its stages and objectives, batches, validation, callbacks, checkpoints."""

from .batches import Batches
from .callbacks import Every, Info
from .checkpoint import Checkpoint, load_model, save_model
from .collocation import collocation, smooth
from .fit import FitResult, fit
from .history import History, StageSpan
from .lbfgs import lbfgs
from .names import register
from .objectives import nll, trajectory
from .plan import Outcome
from .problem import Problem, Residuals
from .shooting import Shooting, multiple_shooting
from .stages import AbstractStage, StageStep, adam, adamw, optax_stage, sgd
from .validation import Validation

__all__ = [
    "AbstractStage",
    "Batches",
    "Checkpoint",
    "Every",
    "FitResult",
    "History",
    "Info",
    "Outcome",
    "Problem",
    "Residuals",
    "Shooting",
    "StageSpan",
    "StageStep",
    "Validation",
    "adam",
    "adamw",
    "collocation",
    "fit",
    "lbfgs",
    "load_model",
    "multiple_shooting",
    "nll",
    "optax_stage",
    "register",
    "save_model",
    "sgd",
    "smooth",
    "trajectory",
]
