"""The optimal strong-stability-preserving method of 4 stages and order 3(2): SSP coefficient 2.

Source: J. F. B. M. Kraaijevanger, Contractivity of Runge-Kutta methods, BIT 31 (1991) 482-528,
doi:10.1007/BF01933264. Embedded weights: I. Fekete, S. Conde and J. N. Shadid, Embedded pairs for optimal explicit
strong stability preserving Runge-Kutta methods, J. Comput. Appl. Math. 412 (2022) 114325,
doi:10.1016/j.cam.2022.114325, in the choice of H. Ranocha, L. Dalcin, M. Parsani and D. I. Ketcheson, Optimized
Runge-Kutta methods with automatic step size control for compressible computational fluid dynamics, Commun. Appl. Math.
Comput. 4 (2022) 1191-1228, doi:10.1007/s42967-021-00159-w.
"""

from ..tableau import ButcherTableau, exact, exact_rows

TABLEAU = ButcherTableau(
    order=3,
    c=exact([0, "1/2", 1, "1/2"]),
    a=exact_rows([[], ["1/2"], ["1/2", "1/2"], ["1/6", "1/6", "1/6"]]),
    b=exact(["1/6", "1/6", "1/6", "1/2"]),
    b_embedded=exact(["1/4", "1/4", "1/4", "1/4"]),
    embedded_order=2,
)
