"""ETDRK4: exponential time differencing of order 4."""

from ..method import MethodState, Step
from ..problem import Problem, State, Time
from .etd import Ends, ExponentialRungeKutta, nonlinear


class ETDRK4(ExponentialRungeKutta):
    r"""Cox and Matthews' method of order 4, for semilinear fields; smooth problems in Fourier space are its home.

    With $E = e^{hL/2}$, $\psi = \frac h2 \varphi_1(hL/2)$ and $N_0 = N(t, y)$,

    $$a = E y + \psi N_0, \quad b = E y + \psi N_a, \quad c = E a + \psi (2 N_b - N_0),$$
    $$y_1 = E^2 y + h\,\big(\varphi_1 N_0 + \varphi_2 (-3 N_0 + 2 N_a + 2 N_b - N_c)
      + \varphi_3 (4 N_0 - 4 N_a - 4 N_b + 4 N_c)\big),$$

    $N_a$ and $N_b$ at $t + h/2$, $N_c$ at $t + h$. Order 4 where L is bounded; where a stiff L meets data that does
    not fit it (boundary conditions), less, down to 2.

    The error estimate, of order 3, adds two things: the difference of $N_c$ and $N_1 = N(t + h, y_1)$, which sees how y
    enters N but is blind for an N of t alone, and the third difference of N at 0, 1/2, 3/4 and 1, integrated as the
    difference of the rules on 0, 1/2, 1 and on 0, 1/2, 3/4, which sees both.

    Cost a step: 5 evaluations of N, one of them for the error estimate alone (with constant steps it is counted, but
    the compiler leaves it out); 10 products with functions of hL.

    Source: S. M. Cox & P. C. Matthews, J. Comput. Phys. 176 (2002) 430-455, eq. (26)-(29),
    doi:10.1006/jcph.2002.6995; N_1 as a fifth stage: S. Balac & F. Mahe, Comput. Phys. Commun. 184 (2013) 1211-1219,
    doi:10.1016/j.cpc.2012.12.020. The third difference is this project's.

    >>> import sciml_jax as sj
    >>> field = sj.SemiLinear(-1000.0, lambda t, y, args: 1000.0 - y**2)
    >>> sol = sj.solve_ode(field, (0.0, 1.0), 0.5, method=sj.ETDRK4())
    >>> abs(float(sol.y) - 0.999002) < 1e-6
    True
    """

    @property
    def order(self) -> int:
        return 4

    @property
    def parts(self):
        return (1.0, 3), (0.5, 1)

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        n0, middle = state.carry, t + 0.5 * dt
        ((exp, phi1, phi2, phi3), (half_exp, half_phi1)), kept = self.functions(problem, y, dt, state.cache)
        y_half = half_exp(y)
        a = y_half + 0.5 * dt * half_phi1(n0)
        na = nonlinear(problem, middle, a)
        b = y_half + 0.5 * dt * half_phi1(na)
        nb = nonlinear(problem, middle, b)
        c = half_exp(a) + 0.5 * dt * half_phi1(2 * nb - n0)
        nc = nonlinear(problem, t + dt, c)
        linear, quadratic = 2 * (na + nb) - 3 * n0 - nc, 4 * (n0 - na - nb + nc)
        y1 = exp(y) + dt * (phi1(n0) + phi2(linear) + phi3(quadratic))
        n1 = nonlinear(problem, t + dt, y1)
        # errors of a and b cancel in their mean, of order 3 like the quadratic through it and both ends
        at_three_quarters = -0.125 * y + 0.375 * (a + b) + 0.375 * y1
        nd = nonlinear(problem, t + 0.75 * dt, at_three_quarters)
        third = (3 * (na + nb) - n0 - 8 * nd + 3 * n1) / 3
        late = nc - n1 + third
        error = dt * (4 * phi3(late) - phi2(late))
        dense = Ends(y, y1, n0, n1)
        counts = {"field_evaluations": 5}
        return Step(y1, error, MethodState(n1, kept), MethodState(n0, kept), dense, True, counts, 4)
