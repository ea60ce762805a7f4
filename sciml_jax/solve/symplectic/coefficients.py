r"""Weights of the symmetric compositions that raise a symmetric method of order 2 (leapfrog) to order 4, 6 and 8.

$$\Psi_h = \Phi_{\gamma_m h} \circ \cdots \circ \Phi_{\gamma_1 h}, \qquad \sum_i \gamma_i = 1, \qquad
\gamma_i = \gamma_{m + 1 - i}$$

Each constant is the tuple $(\gamma_1, \ldots, \gamma_m)$ as exact fractions of 50-digit decimals; the middle weight is
one minus the others, so that they add up to 1 exactly. The digits were computed from the order conditions by Newton's
method, started from the published values.
"""

from fractions import Fraction

from ..explicit.tableau import Row, exact


def symmetric(outer: Row) -> Row:
    """The palindrome of `outer` around the middle weight that makes the sum 1."""
    return (*outer, Fraction(1) - 2 * sum(outer), *reversed(outer))


# H. Yoshida, Construction of higher order symplectic integrators, Phys. Lett. A 150 (1990) 262-268,
# doi:10.1016/0375-9601(90)90092-3; also E. Forest and R. D. Ruth, Physica D 43 (1990) 105-117,
# doi:10.1016/0167-2789(90)90019-L. 3 stages, order 4: gamma_1 = 1 / (2 - 2^(1/3)).
YOSHIDA4 = symmetric(exact(["1.3512071919596576340476878089714608269219993762171"]))

# Yoshida (1990), Table 1, solution A. 7 stages, order 6. Here w_3, w_2, w_1 of the paper, which prints 15 digits;
# the last digits of w_3 and w_2 there are off by 3 and 1.
YOSHIDA6 = symmetric(
    exact(
        [
            "0.78451361047755726381949763386634987577682441745149",
            "0.2355732133593581336847931829785346016864680821034",
            "-1.1776799841788710069464156809643157346392692526346",
        ]
    )
)

# W. Kahan and R.-C. Li, Composition constants for raising the orders of unconventional schemes for ordinary
# differential equations, Math. Comp. 66 (1997) 1089-1099, doi:10.1090/S0025-5718-97-00873-9, method s17odr8a.
# 17 stages, order 8. One parameter is free; the 26 printed digits are kept (the further ones are the nearest
# solution).
KAHANLI8 = symmetric(
    exact(
        [
            "0.13020248308889008087881763209670052235724723381457",
            "0.561162981775108384561964407700150567266159354341",
            "-0.38947496264484728640807859823524838883606804677158",
            "0.15884190655515560089621074570715248141214780943123",
            "-0.39590389413323757733623153934793893602677148542677",
            "0.18453964097831570709183254153337546281898734415031",
            "0.25837438768632204729397910999493947181307620895217",
            "0.29501172360931029887096624021822811297654323035151",
        ]
    )
)
