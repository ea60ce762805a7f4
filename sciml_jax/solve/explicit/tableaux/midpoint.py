r"""The explicit midpoint rule: 2 stages, order 2, with Euler embedded (order 1).

$$y_1 = y + h f\bigl(t + \tfrac h2, y + \tfrac h2 k_1\bigr)$$

Source: C. Runge, Ueber die numerische Auflösung von Differentialgleichungen, Math. Ann. 46 (1895) 167-178,
doi:10.1007/BF01446807.
"""

from ..tableau import ButcherTableau, exact, exact_rows

TABLEAU = ButcherTableau(
    order=2,
    c=exact([0, "1/2"]),
    a=exact_rows([[], ["1/2"]]),
    b=exact([0, 1]),
    b_embedded=exact([1, 0]),
    embedded_order=1,
    dense_order=2,
)
