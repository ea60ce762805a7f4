r"""Explicit Euler: one stage, order 1, without an estimate of its error.

$$y_1 = y + h f(t, y)$$

Source: L. Euler, Institutionum calculi integralis (1768), vol. 1, sect. 2, ch. 7.
"""

from ..tableau import ButcherTableau, exact, exact_rows

TABLEAU = ButcherTableau(
    order=1,
    c=exact([0]),
    a=exact_rows([[]]),
    b=exact([1]),
    dense_order=1,
)
