"""Van der Pol's oscillator: two forms of one relaxation oscillation."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast

_SOURCE = "B. van der Pol, On relaxation oscillations, Phil. Mag. 2 (1926); Test Set for IVP Solvers, problem VDPOL"


def _field(t: Any, y: Float[Array, " 2"], args: Any) -> Float[Array, " 2"]:
    (mu,) = cast(y, args)
    return jnp.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])


def _jacobian(t: Any, y: Float[Array, " 2"], args: Any) -> Float[Array, "2 2"]:
    (mu,) = cast(y, args)
    first = jnp.stack([jnp.zeros_like(mu), jnp.ones_like(mu)])
    return jnp.stack([first, jnp.stack([-2 * mu * y[0] * y[1] - 1, mu * (1 - y[0] ** 2)])])


def _scaled_field(t: Any, y: Float[Array, " 2"], args: Any) -> Float[Array, " 2"]:
    (eps,) = cast(y, args)
    return jnp.stack([y[1], ((1 - y[0] ** 2) * y[1] - y[0]) / eps])


def _scaled_jacobian(t: Any, y: Float[Array, " 2"], args: Any) -> Float[Array, "2 2"]:
    (eps,) = cast(y, args)
    first = jnp.stack([jnp.zeros_like(eps), jnp.ones_like(eps)])
    return jnp.stack([first, jnp.stack([(-2 * y[0] * y[1] - 1) / eps, (1 - y[0] ** 2) / eps])])


def van_der_pol(mu: float = 1e3) -> InitialValueProblem:
    r"""Van der Pol's oscillator in its own time, for two units of $\mu$.

    $$\ddot x = \mu (1 - x^2)\, \dot x - x, \qquad x(0) = 2, \; \dot x(0) = 0, \qquad 0 \le t \le 2\mu$$

    For large $\mu$ it creeps along a slow manifold and jumps in a time of $1/\mu$; the fast eigenvalue is about
    $-3\mu$. y = $(x, \dot x)$; `args` = $(\mu,)$. The reference is that of $\mu = 10^3$; others have none.

    Source: B. van der Pol, On relaxation oscillations, Phil. Mag. 2 (1926) 978-992, doi:10.1080/14786442608564127;
    reference: F. Mazzia, C. Magherini, Test Set for Initial Value Problem Solvers, release 2.4 (Bari, 2008), problem
    VDPOL.

    >>> from sciml_jax.data import problems
    >>> p = problems.van_der_pol(5.0)
    >>> p.stiff, p.t_span, p.field(0.0, p.y0, p.args).tolist()
    (False, (0.0, 10.0), [0.0, -2.0])
    """
    mu = float(mu)
    known = {"reference": np.array([0.1706167732170469e1, -0.8928097010248125e-3]), "reference_digits": 12}
    return InitialValueProblem(
        "Van der Pol",
        _field,
        (0.0, 2 * mu),
        np.array([2.0, 0.0]),
        (mu,),
        jacobian=_jacobian,
        stiff=mu >= 50,
        atol=np.array([1e-6, 1e-6 / max(mu, 1.0)]),
        source=_SOURCE,
        **(known if mu == 1e3 else {}),
    )


def van_der_pol_scaled(eps: float = 1e-6) -> InitialValueProblem:
    r"""Van der Pol's oscillator in the time of its slow motion, singularly perturbed.

    $$\dot y_1 = y_2, \quad \varepsilon\, \dot y_2 = (1 - y_1^2)\, y_2 - y_1, \qquad y(0) = (2, 0), \qquad
      0 \le t \le 2$$

    With $\varepsilon = \mu^{-2}$ and time in units of $\mu$ it is `van_der_pol`: the default is $\mu = 10^3$, with an
    eigenvalue of about -3e6. `args` = $(\varepsilon,)$. The reference is that of $\varepsilon = 10^{-6}$; others have
    none.

    Source: E. Hairer, G. Wanner, Solving Ordinary Differential Equations II (1996), IV.10; reference
    as in `van_der_pol`.

    >>> from sciml_jax.data import problems
    >>> p = problems.van_der_pol_scaled()
    >>> p.args, [float(v) for v in p.field(0.0, p.y0, p.args)]
    ((1e-06,), [0.0, -2000000.0])
    """
    eps = float(eps)
    known = {"reference": np.array([0.1706167732170469e1, -0.8928097010248125]), "reference_digits": 12}
    return InitialValueProblem(
        "Van der Pol, scaled",
        _scaled_field,
        (0.0, 2.0),
        np.array([2.0, 0.0]),
        (eps,),
        jacobian=_scaled_jacobian,
        stiff=eps <= 1e-3,
        atol=1e-6,
        source=_SOURCE,
        **(known if eps == 1e-6 else {}),
    )
