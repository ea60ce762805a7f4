"""Ralston's method: 2 stages, order 2, smallest bound on the leading error, with Euler embedded (order 1).

Source: A. Ralston, Runge-Kutta methods with minimum error bounds, Math. Comp. 16 (1962) 431-437,
doi:10.1090/S0025-5718-1962-0150954-0.
"""

from ..tableau import ButcherTableau, exact, exact_rows

TABLEAU = ButcherTableau(
    order=2,
    c=exact([0, "2/3"]),
    a=exact_rows([[], ["2/3"]]),
    b=exact(["1/4", "3/4"]),
    b_embedded=exact([1, 0]),
    embedded_order=1,
    dense_order=2,
)
