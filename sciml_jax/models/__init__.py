"""Models: populations with mechanistic and universal differential equations, and fits of many copies at once."""

from .fit_lotka_volterra import MechanisticFit, fit_lotka_volterra, misfit, standard_errors
from .generalized_lotka_volterra import GeneralizedLotkaVolterra
from .lotka_volterra import LotkaVolterra
from .populations import AbstractPopulations, log_predict
from .starts import pick, side_by_side, stack
from .universal import Standardize, UniversalField, rest, squared_weights
from .universal_lotka_volterra import UniversalLotkaVolterra
