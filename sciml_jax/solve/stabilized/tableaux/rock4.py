r"""Coefficients of ROCK4: 48 polynomials of 5 to 142 stages.

Source: A. Abdulle, Fourth order Chebyshev methods with recurrence relation, SIAM J. Sci. Comput. 23 (2002) 2041-2054,
doi:10.1137/S1064827500379549; numbers as in the Julia package OrdinaryDiffEqStabilizedRK,
12 to 16 digits.

Measured on the polynomials that these numbers make: $|R(z)| \le 1$ on $[-(0.352 s^2 - 3), 0]$ for every number of
stages s. Those of 133 and 152 stages are left out: they reach 1.006 and 1.008 between z = -8.8 and z = -8.
"""

from functools import cache

from ..table import Table, read


@cache
def table() -> Table:
    """The members, read when first asked for."""
    return read("rock4.txt", extra=4, factor=0.352, offset=3.0)
