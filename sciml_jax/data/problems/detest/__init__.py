"""DETEST: the twenty-five non-stiff problems of Hull, Enright, Fellen and Sedgwick, one class a file."""

import numpy as np

from ..problem import InitialValueProblem
from .class_a import CLASS_A
from .class_b import CLASS_B
from .class_c import CLASS_C
from .class_d import CLASS_D
from .class_e import CLASS_E

_ROWS = {**CLASS_A, **CLASS_B, **CLASS_C, **CLASS_D, **CLASS_E}

DETEST = tuple(_ROWS)
"""The names, A1 to E5."""


def detest(name: str) -> InitialValueProblem:
    r"""A problem of DETEST, the first collection to compare solvers by; all run from 0 to 20 and none is stiff.

    - A, single equations: A1 $\dot y = -y$; A2 $-y^3/2$; A3 $y \cos t$; A4 $\frac y4 (1 - \frac y{20})$; A5
      $\frac{y - t}{y + t}$.
    - B, small systems: B1 two populations; B2, B3 a linear and a nonlinear reaction; B4 a torus; B5 a rigid body.
    - C, moderate systems: C1, C2 radioactive chains (10); C3, C4 diffusion (10, 51); C5 the outer planets (30).
    - D, orbits of two bodies with eccentricity 0.1, 0.3, 0.5, 0.7, 0.9.
    - E, equations of second order: E1 Bessel; E2 Van der Pol; E3 Duffing; E4 a falling body; E5 pursuit.

    `args` is empty but for C5: the constant of gravity, the mass of the sun with the inner planets, and the masses of
    the five others, (5,). Raises `ValueError` for other names.

    Source: T. E. Hull, W. H. Enright, B. M. Fellen, A. E. Sedgwick, Comparing numerical methods for ordinary
    differential equations, SIAM J. Numer. Anal. 9 (1972) 603-637, doi:10.1137/0709052; constants: W. H. Enright,
    J. D. Pryce, Algorithm 648, ACM Trans. Math. Software 13 (1987) 28-34. References: exact
    where there is a formula, else by extrapolation in extended precision; Algorithm 648 has about 12 of the digits.

    >>> from sciml_jax.data import problems
    >>> p = problems.detest("A4")
    >>> p.name, p.field(0.0, p.y0, p.args).tolist(), p.reference.round(3).tolist()
    ('DETEST A4', [0.2375], [17.73])
    """
    if name not in _ROWS:
        raise ValueError(f"name must be one of A1, ..., A5, B1, ..., E5 of DETEST; got {name!r}")
    row = _ROWS[name]
    return InitialValueProblem(
        f"DETEST {name}",
        row.field,
        (0.0, 20.0),
        np.array(row.y0),
        row.args,
        stiff=False,
        atol=1e-6,
        reference=np.array(row.reference),
        reference_digits=13,
        source=f"{row.meaning}; T. E. Hull et al., SIAM J. Numer. Anal. 9 (1972)",
    )
