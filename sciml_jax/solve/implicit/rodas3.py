"""Rodas3: a Rosenbrock-Wanner method."""

from typing import ClassVar

from .rosenbrock import Rosenbrock
from .rosenbrock_tableau import RosenbrockTableau, stiffly_accurate


class Rodas3(Rosenbrock):
    """Sandu's method of order 3(2), four stages with three evaluations, L-stable and stiffly accurate; quadratic
    interpolant. For loose tolerances, as in atmospheric chemistry.

    Source: A. Sandu et al., Benchmarking stiff ODE solvers for atmospheric chemistry problems II, Atmos. Environ. 31
    (1997) 3459-3472, doi:10.1016/S1352-2310(97)83212-8.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * y, (0.0, 1.0), 1.0, method=sj.Rodas3())
    >>> abs(float(sol.y)) < 1e-6
    True
    """

    tableau: ClassVar[RosenbrockTableau] = stiffly_accurate(
        order=3,
        error_order=3,
        gamma=0.5,
        a=[[], [0.0], [2.0, 0.0], [2.0, 0.0, 1.0]],
        coupling=[[], [4.0], [1.0, -1.0], [1.0, -1.0, -8 / 3]],
        nodes=[0.0, 0.0, 1.0, 1.0],
        time=[0.5, 1.5, 0.0, 0.0],
        # of order 2, as close to order 3 in quadratures as one row can be
        dense=[[3.0, -1.0, -1.0, 0.0]],
        dense_order=2,
    )
