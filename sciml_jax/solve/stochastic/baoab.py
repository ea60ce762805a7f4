"""BAOAB: a splitting of the Langevin equation that samples positions well."""

from ..problem import Problem, State, Time
from .langevin import Langevin
from .langevin_splitting import LangevinSplitting, moved


class BAOAB(LangevinSplitting):
    r"""The splitting BAOAB of the Langevin equation: half a kick, half a drift, the thermostat, half a drift, half a
    kick:

    $$p \mathrel{+}= \tfrac h2 F(q), \quad q \mathrel{+}= \tfrac h2 \tfrac pm, \quad
    p \leftarrow e^{-\gamma h} p + \sqrt{m T (1 - e^{-2 \gamma h})}\, \xi, \quad
    q \mathrel{+}= \tfrac h2 \tfrac pm, \quad p \mathrel{+}= \tfrac h2 F(q).$$

    Weak order 2, strong order 1. In a harmonic potential the stationary law of the positions is exact for every stable
    step ($h \omega < 2$), in others its error is of order 4 for large friction. Constant steps; one force and one
    normal number for each momentum a step.

    Source: B. Leimkuhler & C. Matthews, Rational construction of stochastic numerical methods for molecular sampling,
    Appl. Math. Res. eXpress 2013 (2013) 34-56, doi:10.1093/amrx/abs010.

    >>> import jax, sciml_jax as sj
    >>> oscillator = sj.Langevin(lambda t, q, args: -q, friction=1.0, temperature=0.5)
    >>> sol = sj.solve_sde(oscillator, None, (0.0, 9.0), (1.0, 0.0), jax.random.key(0), method=sj.BAOAB(), steps=30)
    >>> abs(float(sol.y[0])) < 5.0
    True
    """

    def split(self, problem: Problem, t: Time, y: State, dt: Time, force: State) -> tuple[State, State]:
        field, (q, p) = problem.field, y
        assert isinstance(field, Langevin)
        half = 0.5 * dt
        p = moved(half, force, p)
        q = moved(half, field.velocity(p), q)
        p = field.thermostat(p, field.path.increment(t, dt), dt)
        q = moved(half, field.velocity(p), q)
        force = field.pushed(t + dt, q, problem.args)
        return (q, moved(half, force, p)), force
