"""The interpolating adjoint: the adjoint equation solved backwards along the stored solution."""

import equinox as eqx

from .stored import StoredAdjoint


class Interpolating(StoredAdjoint):
    r"""Reverse-mode derivatives by the continuous adjoint along the stored solution (differentiate, then discretise):

    $$\dot a = -a^\top \partial_y f(t, y(t)), \qquad
    \frac{dL}{d\theta} = -\int_{t_1}^{t_0} a^\top \partial_\theta f\, dt$$

    with y(t) the dense output of the solve, kept in the forward pass of a gradient. Nothing runs backwards that decays
    forwards, so it suits stiff problems and implicit methods too. The gradient is that of the exact flow, not of the
    computed solution: it carries the error of the tolerance. The integrals are part of the backward state; for many
    parameters, and implicit methods, see `sj.GaussQuadrature`.

    **Arguments:**

    - `capacity`: the largest number of steps whose dense data are kept (4,096).
    - `seminorm`: whether the error control leaves the integrals out (`False`): fewer steps, but fast parts of y that
      matter for the integrals alone are stepped over.

    For the final state and saved times, functions and auxiliary outputs of them included. Events, `sj.Steps`,
    `sj.Dense`, projections, noise, geometric methods and prescribed grids are refused: use `sj.Recorded()`.

    Cost: about one more solve of the size of y and the parameters. Memory: the dense data of every step (Tsit5: 8
    states).

    Source: the interpolating adjoint of C. Rackauckas et al., Universal differential equations, 2020,
    arXiv:2001.04385; R. Serban & A. C. Hindmarsh, CVODES, 2005, doi:10.1115/DETC2005-85597.

    >>> import jax, sciml_jax as sj
    >>> end = lambda k: sj.solve_ode(lambda t, y, k: -k * y, (0.0, 1.0), 1.0, k, gradient=sj.Interpolating()).y
    >>> abs(float(jax.grad(end)(1.0)) + 0.36787944) < 1e-5
    True
    """

    seminorm: bool = eqx.field(default=False, static=True)
