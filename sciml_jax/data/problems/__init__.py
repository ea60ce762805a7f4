"""Test problems for solvers, with reference solutions: stiff, differential-algebraic and non-stiff ones."""

from .arenstorf import arenstorf
from .beam import beam
from .brusselator_1d import brusselator_1d
from .brusselator_2d import brusselator_2d
from .chemical_akzo_nobel import chemical_akzo_nobel
from .detest import DETEST, detest
from .e5 import e5
from .emep import emep
from .hires import hires
from .lotka_volterra import lotka_volterra
from .medical_akzo_nobel import medical_akzo_nobel
from .orego import orego
from .pendulum_dae import pendulum_dae
from .pleiades import pleiades
from .pollu import pollu
from .problem import InitialValueProblem
from .rigid_body import rigid_body
from .ring_modulator import ring_modulator
from .rober import rober, rober_dae
from .transistor_amplifier import transistor_amplifier
from .van_der_pol import van_der_pol, van_der_pol_scaled

__all__ = [
    "DETEST",
    "InitialValueProblem",
    "arenstorf",
    "beam",
    "brusselator_1d",
    "brusselator_2d",
    "chemical_akzo_nobel",
    "detest",
    "e5",
    "emep",
    "hires",
    "lotka_volterra",
    "medical_akzo_nobel",
    "orego",
    "pendulum_dae",
    "pleiades",
    "pollu",
    "rigid_body",
    "ring_modulator",
    "rober",
    "rober_dae",
    "transistor_amplifier",
    "van_der_pol",
    "van_der_pol_scaled",
]
