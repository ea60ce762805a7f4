"""Robertson's autocatalytic reaction, as an ordinary and as a differential-algebraic equation."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast

_SOURCE = (
    "H. H. Robertson, The solution of a set of reaction rate equations (1966); Test Set for IVP Solvers, problem ROBER"
)
_RATES = (0.04, 3e7, 1e4)
# At 1e11: the test set (RADAU5 in quadruple precision); at 1e5: Radau IIA of order 9 in 40 digits.
_REFERENCES = {
    1e5: (1.7865921142099e-2, 7.2747514684363e-8, 0.98213400611039),
    1e11: (0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050),
}
_DIGITS = {1e5: 13, 1e11: 13}


def _field(t: Any, y: Float[Array, " 3"], args: Any) -> Float[Array, " 3"]:
    k1, k2, k3 = cast(y, args)
    a, b, c = k1 * y[0], k3 * y[1] * y[2], k2 * y[1] ** 2
    return jnp.stack([b - a, a - b - c, c])


def _jacobian(t: Any, y: Float[Array, " 3"], args: Any) -> Float[Array, "3 3"]:
    k1, k2, k3 = cast(y, args)
    zero = jnp.zeros_like(y[0])
    rows = [
        [-k1 + zero, k3 * y[2], k3 * y[1]],
        [k1 + zero, -k3 * y[2] - 2 * k2 * y[1], -k3 * y[1]],
        [zero, 2 * k2 * y[1], zero],
    ]
    return jnp.stack([jnp.stack(row) for row in rows])


def _constrained_field(t: Any, y: Float[Array, " 3"], args: Any) -> Float[Array, " 3"]:
    return _field(t, y, args).at[2].set(y[0] + y[1] + y[2] - 1)


def _reference(t1: float) -> dict[str, Any]:
    if t1 not in _REFERENCES:
        return {}
    return {"reference": np.array(_REFERENCES[t1]), "reference_digits": _DIGITS[t1]}


def rober(t1: float = 1e5) -> InitialValueProblem:
    r"""Robertson's reaction A -> B, 2 B -> B + C, B + C -> A + C, with rates nine decades apart.

    $$\dot y_1 = -k_1 y_1 + k_3 y_2 y_3, \quad \dot y_2 = k_1 y_1 - k_3 y_2 y_3 - k_2 y_2^2, \quad
      \dot y_3 = k_2 y_2^2, \qquad y(0) = (1, 0, 0)$$

    The intermediate B is gone within 1e-3 time units (the fast eigenvalue is about -2e3 then and -1e4 later), while the
    reaction ends at about 1e11. $y_1 + y_2 + y_3 = 1$ always. `args` = $(k_1, k_2, k_3)$ = (0.04, 3e7, 1e4).
    `t1`: 1e5 (default) and 1e11 have references, 40 (the first plot of the literature) and others do not.

    Source: H. H. Robertson, The solution of a set of reaction rate equations, in Numerical Analysis: An Introduction
    (ed. J. Walsh), 1966, 178-182; F. Mazzia, C. Magherini, Test Set for Initial Value Problem Solvers, release 2.4
    (Bari, 2008), problem ROBER.

    >>> from sciml_jax.data import problems
    >>> p = problems.rober()
    >>> p.field(0.0, p.y0, p.args).tolist(), p.t_span
    ([-0.04, 0.04, 0.0], (0.0, 100000.0))
    """
    t1 = float(t1)
    return InitialValueProblem(
        "ROBER",
        _field,
        (0.0, t1),
        np.array([1.0, 0.0, 0.0]),
        _RATES,
        jacobian=_jacobian,
        stiff=True,
        atol=np.array([1e-10, 1e-15, 1e-8]) if t1 < 1e7 else np.array([1e-14, 1e-20, 1e-8]),
        source=_SOURCE,
        **_reference(t1),
    )


def rober_dae(t1: float = 1e5) -> InitialValueProblem:
    r"""Robertson's reaction with the third equation replaced by the conservation of mass: index 1.

    $$\dot y_1 = -k_1 y_1 + k_3 y_2 y_3, \quad \dot y_2 = k_1 y_1 - k_3 y_2 y_3 - k_2 y_2^2, \quad
      0 = y_1 + y_2 + y_3 - 1$$

    M = diag(1, 1, 0). Constants, initial state and references are those of `rober`.

    Source: A. C. Hindmarsh et al., SUNDIALS, ACM Trans. Math. Software 31 (2005) 363-396,
    doi:10.1145/1089014.1089020 (the example of IDA); see `rober`.

    >>> from sciml_jax.data import problems
    >>> p = problems.rober_dae()
    >>> p.residual(0.0, p.y0, p.dy0, p.args).tolist()
    [0.0, 0.0, 0.0]
    """
    t1 = float(t1)
    return InitialValueProblem(
        "ROBER DAE",
        _constrained_field,
        (0.0, t1),
        np.array([1.0, 0.0, 0.0]),
        _RATES,
        mass=np.diag([1.0, 1.0, 0.0]),
        dy0=np.array([-0.04, 0.04, 0.0]),
        stiff=True,
        atol=rober(t1).atol,
        source=_SOURCE,
        **_reference(t1),
    )
