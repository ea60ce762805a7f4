"""exprb43: an exponential Rosenbrock method of order 4."""

from .exprb import ExponentialRosenbrock, Stages


class Exprb43(ExponentialRosenbrock):
    r"""Hochbruck, Ostermann and Schweitzer's method of order 4 with an estimate of order 3, for any field.

    $$Y_2 = y + \tfrac h2 \varphi_1(\tfrac h2 J) f, \quad Y_3 = y + h\varphi_1(hJ) (f + D_2),$$
    $$y_1 = y + h\varphi_1(hJ) f + h\varphi_3(hJ) (16 D_2 - 2 D_3) + h\varphi_4(hJ) (-48 D_2 + 12 D_3),$$

    each with $(\theta h)^2 \varphi_2(\theta h J) \dot f$ for explicit time; $D_i = g(t + c_i h, Y_i) - g(t, y)$,
    c = 1/2 and 1, g being what the linearised field leaves over. The estimate is the term with $\varphi_4$. The
    order does not suffer from stiffness.

    Cost a step: 3 evaluations of the field, 3 Krylov spaces of `krylov_dim` Jacobian products each (4 where the field
    depends on time).

    Source: M. Hochbruck, A. Ostermann & J. Schweitzer, SIAM J. Numer. Anal. 47 (2009) 786-803, section 5.1 (exprb43),
    doi:10.1137/080717717.

    >>> import sciml_jax as sj
    >>> sol = sj.solve_ode(lambda t, y, args: -1e4 * (y - 1.0), (0.0, 1.0), 0.0, method=sj.Exprb43())
    >>> abs(float(sol.y) - 1.0) < 1e-9
    True
    """

    @property
    def order(self) -> int:
        return 4

    @property
    def spaces(self) -> int:
        return 3

    @property
    def evaluations(self) -> int:
        return 3

    def stages(self, s: Stages):
        h, slopes = s.dt, s.actions(s.slope)
        (half,), (whole,) = slopes(0.5, {1: 0.5}), slopes(1.0, {1: 1.0})
        if s.drift is not None:
            drifts = s.actions(h * s.drift)
            half = half + drifts(0.5, {2: 0.25})[0]
            whole = whole + drifts(1.0, {2: 1.0})[0]
        d2 = s.actions(s.remainder(0.5, s.y + h * half))
        inner, d2_3, d2_4 = d2(1.0, {1: 1.0}, {3: 16.0}, {4: -48.0})
        d3 = s.actions(s.remainder(1.0, s.y + h * (whole + inner)))
        d3_3, d3_4 = d3(1.0, {3: -2.0}, {4: 12.0})
        error = h * (d2_4 + d3_4)
        return s.y + h * (whole + d2_3 + d3_3) + error, error
