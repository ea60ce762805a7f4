"""ETDRK2: exponential time differencing of order 2."""

from ..method import MethodState, Step
from ..problem import Problem, State, Time
from .etd import Ends, ExponentialRungeKutta, nonlinear


class ETDRK2(ExponentialRungeKutta):
    r"""Cox and Matthews' method of order 2, for semilinear fields.

    $$a = e^{hL} y + h\varphi_1(hL) N(t, y), \quad y_1 = a + h\varphi_2(hL) (N(t + h, a) - N(t, y))$$

    The error estimate is the difference to a, the exponential Euler method of order 1.

    Cost a step: 2 evaluations of N, 3 products with functions of hL.

    Source: S. M. Cox & P. C. Matthews, J. Comput. Phys. 176 (2002) 430-455, eq. (20)-(22),
    doi:10.1006/jcph.2002.6995.

    >>> import sciml_jax as sj
    >>> field = sj.SemiLinear(-1000.0, lambda t, y, args: 1000.0 - y**2)
    >>> sol = sj.solve_ode(field, (0.0, 1.0), 0.5, method=sj.ETDRK2(), dt=0.05)
    >>> abs(float(sol.y) - 0.999002) < 1e-6
    True
    """

    @property
    def order(self) -> int:
        return 2

    @property
    def interpolation_order(self) -> int:
        return 2

    @property
    def parts(self):
        return ((1.0, 2),)

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        n0 = state.carry
        ((exp, phi1, phi2),), kept = self.functions(problem, y, dt, state.cache)
        a = exp(y) + dt * phi1(n0)
        error = dt * phi2(nonlinear(problem, t + dt, a) - n0)
        y1 = a + error
        n1 = nonlinear(problem, t + dt, y1)
        dense = Ends(y, y1, n0, n1)
        counts = {"field_evaluations": 2}
        return Step(y1, error, MethodState(n1, kept), MethodState(n0, kept), dense, True, counts, 2)
