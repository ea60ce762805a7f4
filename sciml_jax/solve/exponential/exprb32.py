"""exprb32: an exponential Rosenbrock method of order 3."""

from .exprb import ExponentialRosenbrock, Stages


class Exprb32(ExponentialRosenbrock):
    r"""Hochbruck, Ostermann and Schweitzer's method of order 3 with an estimate of order 2, for any field.

    $$Y_2 = y + h\varphi_1(hJ) f + h^2 \varphi_2(hJ) \dot f, \quad y_1 = Y_2 + 2 h\varphi_3(hJ) D_2$$

    $D_2 = g(t + h, Y_2) - g(t, y)$, g being what the linearised field leaves over; $Y_2$ is the exponential
    Rosenbrock-Euler method. The order does not suffer from stiffness.

    Cost a step: 2 evaluations of the field, 2 Krylov spaces of `krylov_dim` Jacobian products each (3 where the field
    depends on time).

    Source: M. Hochbruck, A. Ostermann & J. Schweitzer, SIAM J. Numer. Anal. 47 (2009) 786-803, section 5.1 (exprb32),
    doi:10.1137/080717717.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * (y - 1.0), (0.0, 1.0), 0.0, method=sj.Exprb32())
    >>> abs(float(sol.y) - 1.0) < 1e-9
    True
    """

    @property
    def order(self) -> int:
        return 3

    @property
    def spaces(self) -> int:
        return 2

    @property
    def evaluations(self) -> int:
        return 2

    def stages(self, s: Stages):
        h = s.dt
        (move,) = s.actions(s.slope)(1.0, {1: 1.0})
        euler = s.y + h * move
        if s.drift is not None:
            (drift,) = s.actions(h * s.drift)(1.0, {2: 1.0})
            euler = euler + h * drift
        (correction,) = s.actions(s.remainder(1.0, euler))(1.0, {3: 2.0})
        return euler + h * correction, h * correction
