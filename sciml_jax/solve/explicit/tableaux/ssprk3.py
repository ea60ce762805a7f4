"""The optimal strong-stability-preserving method of 3 stages: order 3(2), SSP coefficient 1.

Source: C.-W. Shu and S. Osher, Efficient implementation of essentially non-oscillatory shock-capturing schemes,
J. Comput. Phys. 77 (1988) 439-471, doi:10.1016/0021-9991(88)90177-5. Embedded weights: I. Fekete, S. Conde and
J. N. Shadid, Embedded pairs for optimal explicit strong stability preserving Runge-Kutta methods, J. Comput. Appl.
Math. 412 (2022) 114325, doi:10.1016/j.cam.2022.114325.

The embedded weights (w, w, 1 - 2w) have order 2 for every w; the authors optimised w and print 15 digits. Their last
weight, 0.417029162243181, is rounded so that the three add up to 1 - 1e-15; here its last digit makes the sum exact.
"""

from ..tableau import ButcherTableau, exact, exact_rows

TABLEAU = ButcherTableau(
    order=3,
    c=exact([0, 1, "1/2"]),
    a=exact_rows([[], [1], ["1/4", "1/4"]]),
    b=exact(["1/6", "1/6", "2/3"]),
    b_embedded=exact(["0.291485418878409", "0.291485418878409", "0.417029162243182"]),
    embedded_order=2,
)
