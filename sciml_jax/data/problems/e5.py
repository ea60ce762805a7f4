"""E5: a pyrolysis whose species have hardly any mass left to measure."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast


def _field(t: Any, y: Float[Array, " 4"], args: Any) -> Float[Array, " 4"]:
    a, b, cm, c = cast(y, args)
    r1, r2, r3, r4 = a * y[0], b * y[0] * y[2], cm * y[1] * y[2], c * y[3]
    # the third is the difference of two others: what cancels in y2 - y3 - y4 is the same
    return jnp.stack([-r1 - r2, r1 - r3, (r1 - r3) - (r2 - r4), r2 - r4])


def e5(t1: float = 1e11) -> InitialValueProblem:
    r"""E5 of the stiff problems of DETEST: a pyrolysis, with components of 1e-3 to 1e-25.

    $$\dot y_1 = -A y_1 - B y_1 y_3, \quad \dot y_2 = A y_1 - M C\, y_2 y_3, \quad
      \dot y_4 = B y_1 y_3 - C y_4, \quad \dot y_3 = \dot y_2 - \dot y_4$$

    from (1.76e-3, 0, 0, 0); A = 7.89e-10, B = 1.1e7, C = 1.13e3, M = 1e6, `args` = (A, B, M C, C). The absolute
    tolerance must be tiny. `t1`: 1e11 (default) and 1e13 have references; $y_1$ has died out by then, and at 1e13
    it is zero in double precision, as $y_4$ is.

    $y_2 = y_3 + y_4$ always, but rounding breaks it: the species were ten billion times more before. Expect
    errors of 1e-5 in $y_2$ and $y_3$ at 1e11 and of 1e-3 at 1e13 whatever the tolerance. The digits of the Test Set for
    IVP Solvers at 1e13 (0.88677e-22 and 0.88548e-22) suffer from it too; those here are from the equations without
    $y_2$ (and without $y_3$), with Radau IIA at 1e-12 in double and in 40 digits.

    Source: W. H. Enright, T. E. Hull, B. Lindberg, Comparing numerical methods for stiff systems of ODEs, BIT 15 (1975)
    10-48, doi:10.1007/BF01932994; E. Hairer, G. Wanner, Solving Ordinary Differential Equations II (1996), IV.10.

    >>> from sciml_jax.data import problems
    >>> p = problems.e5()
    >>> [f"{float(v):.4e}" for v in p.field(0.0, p.y0, p.args)]
    ['-1.3886e-12', '1.3886e-12', '1.3886e-12', '0.0000e+00']
    """
    t1 = float(t1)
    references = {
        1e11: ((3.769308219739e-49, 1.019258256814e-20, 1.019258256814e-20, 3.739901219464e-65), 12),
        1e13: ((0.0, 8.86123352129e-23, 8.86123352129e-23, 0.0), 11),
    }
    known = {}
    if t1 in references:
        state, digits = references[t1]
        known = {"reference": np.array(state), "reference_digits": digits}
    return InitialValueProblem(
        "E5",
        _field,
        (0.0, t1),
        np.array([1.76e-3, 0.0, 0.0, 0.0]),
        (7.89e-10, 1.1e7, 1.13e9, 1.13e3),
        stiff=True,
        atol=1e-24,
        source="W. H. Enright, T. E. Hull, B. Lindberg, BIT 15 (1975); Test Set for IVP Solvers, problem E5",
        **known,
    )
