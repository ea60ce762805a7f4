r"""Heun's method, the explicit trapezoidal rule: 2 stages, order 2, with Euler embedded (order 1).

$$y_1 = y + \tfrac h2 \bigl(k_1 + f(t + h, y + h k_1)\bigr)$$

Source: K. Heun, Neue Methoden zur approximativen Integration der Differentialgleichungen einer unabhängigen
Veränderlichen, Z. Math. Phys. 45 (1900) 23-38.
"""

from ..tableau import ButcherTableau, exact, exact_rows

TABLEAU = ButcherTableau(
    order=2,
    c=exact([0, 1]),
    a=exact_rows([[], [1]]),
    b=exact(["1/2", "1/2"]),
    b_embedded=exact([1, 0]),
    embedded_order=1,
    dense_order=2,
)
