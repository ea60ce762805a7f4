"""Dormand and Prince's pair: 7 stages (first same as last), order 5(4), interpolant of order 4 without extra stages.

Source: J. R. Dormand and P. J. Prince, A family of embedded Runge-Kutta formulae, J. Comput. Appl. Math. 6 (1980)
19-26, Table 2, doi:10.1016/0771-050X(80)90013-3. Interpolant: L. F. Shampine, Some practical Runge-Kutta formulas,
Math. Comp. 46 (1986) 135-150, doi:10.1090/S0025-5718-1986-0815836-3; it is the one of `contd5` in E. Hairer,
S. P. Norsett and G. Wanner, Solving Ordinary Differential Equations I (1993), sect. II.6, with the brackets multiplied
out.
"""

from ..tableau import ButcherTableau, exact, exact_rows

TABLEAU = ButcherTableau(
    order=5,
    c=exact([0, "1/5", "3/10", "4/5", "8/9", 1, 1]),
    a=exact_rows(
        [
            [],
            ["1/5"],
            ["3/40", "9/40"],
            ["44/45", "-56/15", "32/9"],
            ["19372/6561", "-25360/2187", "64448/6561", "-212/729"],
            ["9017/3168", "-355/33", "46732/5247", "49/176", "-5103/18656"],
            ["35/384", 0, "500/1113", "125/192", "-2187/6784", "11/84"],
        ]
    ),
    b=exact(["35/384", 0, "500/1113", "125/192", "-2187/6784", "11/84", 0]),
    b_embedded=exact(["5179/57600", 0, "7571/16695", "393/640", "-92097/339200", "187/2100", "1/40"]),
    embedded_order=4,
    dense=exact_rows(
        [
            [1, "-8048581381/2820520608", "8663915743/2820520608", "-12715105075/11282082432"],
            [0, 0, 0, 0],
            [0, "131558114200/32700410799", "-68118460800/10900136933", "87487479700/32700410799"],
            [0, "-1754552775/470086768", "14199869525/1410260304", "-10690763975/1880347072"],
            [0, "127303824393/49829197408", "-318862633887/49829197408", "701980252875/199316789632"],
            [0, "-282668133/205662961", "2019193451/616988883", "-1453857185/822651844"],
            [0, "40617522/29380423", "-110615467/29380423", "69997945/29380423"],
        ]
    ),
    dense_order=4,
)
