"""Rosenbrock23: the method of ode23s."""

from math import sqrt
from typing import ClassVar

from .rosenbrock import Rosenbrock
from .rosenbrock_tableau import RosenbrockTableau, from_classical

_G = 1 / (2 + sqrt(2))
_E32 = 6 + sqrt(2)


class Rosenbrock23(Rosenbrock):
    """Shampine and Reichelt's W-method of order 2 with an estimate of order 3, L-stable; its own quadratic interpolant.
    For loose tolerances and rough right-hand sides.

    Source: L. F. Shampine & M. W. Reichelt, The MATLAB ODE suite, SIAM J. Sci. Comput. 18 (1997), section 2.3,
    doi:10.1137/S1064827594276424, here in the classical form of a Rosenbrock method.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * y, (0.0, 1.0), 1.0, method=sj.Rosenbrock23())
    >>> abs(float(sol.y)) < 1e-6
    True
    """

    # with F1 and F0 replaced by what the first two stages say of them, k3 has the couplings e32 - 2 and -e32
    tableau: ClassVar[RosenbrockTableau] = from_classical(
        order=2,
        error_order=3,
        alpha=[[], [0.5], [0.0, 1.0]],
        gamma=[[_G], [-_G, _G], [_G * (_E32 - 2), -_G * _E32, _G]],
        b=[0.0, 1.0, 0.0],
        error=[1 / 6, -2 / 6, 1 / 6],
        dense=[[1 / (1 - 2 * _G), -1 / (1 - 2 * _G), 0.0]],
    )
