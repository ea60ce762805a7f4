"""Models: universal differential equations, populations, and fits of many copies at once."""

from .fit_lotka_volterra import MechanisticFit, fit_lotka_volterra, misfit, standard_errors
from .fit_universal import UniversalFit, fit_universal
from .generalized_lotka_volterra import GeneralizedLotkaVolterra
from .lotka_volterra import LotkaVolterra
from .populations import AbstractPopulations, log_predict
from .starts import pick, side_by_side, stack
from .universal import Standardize, UniversalField, rest, squared_weights
from .universal_lotka_volterra import UniversalLotkaVolterra
from .windows import rolling_windows, rows_after

__all__ = [
    "AbstractPopulations",
    "GeneralizedLotkaVolterra",
    "LotkaVolterra",
    "MechanisticFit",
    "Standardize",
    "UniversalField",
    "UniversalFit",
    "UniversalLotkaVolterra",
    "fit_lotka_volterra",
    "fit_universal",
    "log_predict",
    "misfit",
    "pick",
    "rest",
    "rolling_windows",
    "rows_after",
    "side_by_side",
    "squared_weights",
    "stack",
    "standard_errors",
]
