"""The Bogacki-Shampine pair: 4 stages (first same as last), order 3(2), dense output by cubic Hermite.

Source: P. Bogacki and L. F. Shampine, A 3(2) pair of Runge-Kutta formulas, Appl. Math. Lett. 2 (1989) 321-325,
doi:10.1016/0893-9659(89)90079-7.
"""

from ..tableau import ButcherTableau, exact, exact_rows

TABLEAU = ButcherTableau(
    order=3,
    c=exact([0, "1/2", "3/4", 1]),
    a=exact_rows([[], ["1/2"], [0, "3/4"], ["2/9", "1/3", "4/9"]]),
    b=exact(["2/9", "1/3", "4/9", 0]),
    b_embedded=exact(["7/24", "1/4", "1/3", "1/8"]),
    embedded_order=2,
)
