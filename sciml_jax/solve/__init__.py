"""Solvers: one front function per equation class, one driver, one method a file."""

from .checks import SolveError
from .events import Event, EventLog
from .explicit import (
    RK4,
    SSPRK3,
    SSPRK43,
    Bosh3,
    ButcherTableau,
    Dopri5,
    Dopri8,
    Euler,
    Feagin14,
    Heun,
    Midpoint,
    Ralston,
    RungeKutta,
    Tsit5,
    Vern6,
    Vern7,
    Vern8,
    Vern9,
)
from .method import Method, MethodState, Step
from .ode import solve_ode
from .problem import Problem
from .saving import Dense, Final, Save, Steps, Times
from .sensitivity import Forward, Gradient, Recorded
from .solution import Solution
from .step_size import ConstantSteps, Controller, EqualSteps, GivenSteps, IController, PIController, PIDController
from .structured import SecondOrder, Separable, StructuredField

__all__ = [
    "RK4",
    "SSPRK3",
    "SSPRK43",
    "Bosh3",
    "ButcherTableau",
    "ConstantSteps",
    "Controller",
    "Dense",
    "Dopri5",
    "Dopri8",
    "EqualSteps",
    "Euler",
    "Event",
    "EventLog",
    "Feagin14",
    "Final",
    "Forward",
    "GivenSteps",
    "Gradient",
    "Heun",
    "IController",
    "Method",
    "MethodState",
    "Midpoint",
    "PIController",
    "PIDController",
    "Problem",
    "Ralston",
    "Recorded",
    "RungeKutta",
    "Save",
    "SecondOrder",
    "Separable",
    "Solution",
    "SolveError",
    "Step",
    "Steps",
    "StructuredField",
    "Times",
    "Tsit5",
    "Vern6",
    "Vern7",
    "Vern8",
    "Vern9",
    "solve_ode",
]
