"""Predator and prey."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast


def _field(t: Any, y: Float[Array, " 2"], args: Any) -> Float[Array, " 2"]:
    a, b, c, d = cast(y, args)
    prey, predator = y
    return jnp.stack([a * prey - b * prey * predator, d * prey * predator - c * predator])


def lotka_volterra() -> InitialValueProblem:
    r"""The model of Lotka and Volterra: two populations that follow one another round a closed curve.

    $$\dot x = a x - b x y, \quad \dot y = d x y - c y, \qquad x(0) = y(0) = 1$$

    `args` = (a, b, c, d) = (1.5, 1, 3, 1), t from 0 to 10 (nearly three periods of 3.4). What stays the same is
    $d x - c \ln x + b y - a \ln y$.

    Source: V. Volterra, Fluctuations in the abundance of a species considered mathematically, Nature 118 (1926)
    558-560, doi:10.1038/118558a0; constants as in C. Rackauckas, Q. Nie, DifferentialEquations.jl, J. Open Research
    Software 5 (2017) 15, doi:10.5334/jors.151. Reference: Taylor series in 40 digits.

    >>> from sciml_jax.data import problems
    >>> p = problems.lotka_volterra()
    >>> p.field(0.0, p.y0, p.args).tolist()
    [0.5, -2.0]
    """
    return InitialValueProblem(
        "Lotka-Volterra",
        _field,
        (0.0, 10.0),
        np.array([1.0, 1.0]),
        (1.5, 1.0, 3.0, 1.0),
        stiff=False,
        atol=1e-6,
        reference=np.array([1.02634476757508932, 0.909691078136041618]),
        reference_digits=14,
        source="V. Volterra, Nature 118 (1926)",
    )
