"""Rodas4: a Rosenbrock-Wanner method."""

from typing import ClassVar

from .rosenbrock import Rosenbrock
from .rosenbrock_tableau import RosenbrockTableau, stiffly_accurate


class Rodas4(Rosenbrock):
    """Hairer and Wanner's method of order 4(3), six stages, L-stable and stiffly accurate; its own interpolant of
    order 3.

    Source: Hairer & Wanner II, IV.7 and VI.4; coefficients of their program RODAS (METH = 1).

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * y, (0.0, 1.0), 1.0, method=sj.Rodas4())
    >>> abs(float(sol.y)) < 1e-6
    True
    """

    # fmt: off
    tableau: ClassVar[RosenbrockTableau] = stiffly_accurate(
        order=4,
        error_order=4,
        gamma=0.25,
        a=[
            [],
            [1.544],
            [0.9466785280815826, 0.2557011698983284],
            [3.314825187068521, 2.896124015972201, 0.9986419139977817],
            [1.221224509226641, 6.019134481288629, 12.53708332932087, -0.687886036105895],
            [1.221224509226641, 6.019134481288629, 12.53708332932087, -0.687886036105895, 1.0],
        ],
        coupling=[
            [],
            [-5.6688],
            [-2.430093356833875, -0.2063599157091915],
            [-0.1073529058151375, -9.594562251023355, -20.47028614809616],
            [7.496443313967647, -10.24680431464352, -33.99990352819905, 11.7089089320616],
            [8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054],
        ],
        nodes=[0.0, 0.386, 0.21, 0.63, 1.0, 1.0],
        time=[0.25, -0.1043, 0.1035, -0.0362, 0.0, 0.0],
        dense=[
            [10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662, 0.0],
            [-0.6762803392801253, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872, 0.0],
        ],
        dense_order=3,
    )
    # fmt: on
