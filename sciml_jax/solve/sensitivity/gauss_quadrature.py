"""The adjoint with integrals by quadrature: a backward state of the size of y, however many parameters there are."""

from .stored import StoredAdjoint


class GaussQuadrature(StoredAdjoint):
    r"""Reverse-mode derivatives by the continuous adjoint along the stored solution, as `sj.Interpolating`, with

    $$\frac{dL}{d\theta} = -\int_{t_1}^{t_0} a^\top \partial_\theta f\, dt$$

    by Gauss quadrature instead of in the backward state: three points in every part of a backward step that lies in one
    step of the solve, so that fast parts of both count. For many parameters: a step pulls them back at three points,
    not at every stage, and a backward state of the size of y keeps the matrices of implicit methods small. The error of
    the integrals is not estimated.

    **Arguments:** `capacity`: the largest number of steps whose dense data are kept (4,096).

    For what `sj.Interpolating` is for. Cost: about one more solve of the size of y, and three products with
    $\partial_\theta f^\top$ for each step forwards and backwards. Memory: the dense data of every step (Tsit5: 8
    states).

    Source: A. Norcliffe & M. P. Deisenroth, Faster training of neural ODEs using Gauss-Legendre quadrature, TMLR 2023,
    arXiv:2308.10644.

    >>> import jax, sciml_jax as sj
    >>> end = lambda k: sj.solve_ode(lambda t, y, k: -k * y, (0.0, 1.0), 1.0, k, gradient=sj.GaussQuadrature()).y
    >>> abs(float(jax.grad(end)(1.0)) + 0.36787944) < 1e-5
    True
    """

    @property
    def in_state(self) -> bool:
        return False
