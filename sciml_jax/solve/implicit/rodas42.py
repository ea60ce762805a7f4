"""Rodas42: a Rosenbrock-Wanner method."""

from typing import ClassVar

from .rosenbrock import Rosenbrock
from .rosenbrock_tableau import RosenbrockTableau, stiffly_accurate


class Rodas42(Rosenbrock):
    """A second method of order 4(3) by Hairer and Wanner, six stages, L-stable and stiffly accurate, with smaller
    errors on differential-algebraic problems; its own interpolant of order 3.

    Source: Hairer & Wanner II, VI.4; coefficients of their program RODAS (METH = 2).

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * y, (0.0, 1.0), 1.0, method=sj.Rodas42())
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
            [1.4028884],
            [0.6581212688557198, -1.320936088384301],
            [7.131197445744498, 16.02964143958207, -5.561572550509766],
            [22.73885722420363, 67.38147284535289, -31.2187749303856, 0.7285641833203814],
            [22.73885722420363, 67.38147284535289, -31.2187749303856, 0.7285641833203814, 1.0],
        ],
        coupling=[
            [],
            [-5.1043536],
            [-2.899967805418783, 4.040399359702244],
            [-32.64449927841361, -99.35311008728094, 49.99119122405989],
            [-76.46023087151691, -278.5942120829058, 153.9294840910643, 10.97101866258358],
            [-76.29701586804983, -294.2795630511232, 162.0029695867566, 23.6516690309527, -7.652977706771382],
        ],
        nodes=[0.0, 0.3507221, 0.2557041, 0.681779, 1.0, 1.0],
        time=[0.25, -0.0690221, -0.0009672, -0.087979, 0.0, 0.0],
        dense=[
            [-38.71940424117216, -135.8025833007622, 64.51068857505875, -4.192663174613162, -2.53193205033506, 0.0],
            [-14.99268484949843, -76.30242396627033, 58.65928432851416, 16.61359034616402, -0.6758691794084156, 0.0],
        ],
        dense_order=3,
    )
    # fmt: on
