"""The classical Runge-Kutta method: 4 stages, order 4, without an estimate of its error.

Source: W. Kutta, Beitrag zur näherungsweisen Integration totaler Differentialgleichungen, Z. Math. Phys. 46 (1901)
435-453.
"""

from ..tableau import ButcherTableau, exact, exact_rows

TABLEAU = ButcherTableau(
    order=4,
    c=exact([0, "1/2", "1/2", 1]),
    a=exact_rows([[], ["1/2"], [0, "1/2"], [0, 0, 1]]),
    b=exact(["1/6", "1/3", "1/3", "1/6"]),
)
