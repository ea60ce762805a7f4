r"""Coefficients of ROCK2: 46 polynomials of 3 to 200 stages.

Source: A. Abdulle & A. A. Medovikov, Second order Chebyshev methods based on orthogonal polynomials, Numer. Math. 90
(2001) 1-18, doi:10.1007/s002110100292; numbers as in the Julia
package OrdinaryDiffEqStabilizedRK, 13 to 16 digits.

Measured on the polynomials that these numbers make: $|R(z)| \le 1$ on $[-(0.807 s^2 - 1.5), 0]$ for every number of
stages s (the usual rule, $0.811 s^2 - 1.5$, is up to 0.4 percent longer than the interval).
"""

from functools import cache

from ..table import Table, read


@cache
def table() -> Table:
    """The members, read when first asked for."""
    return read("rock2.txt", extra=2, factor=0.807, offset=1.5)
