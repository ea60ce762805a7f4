"""OBABO: Verlet's method between two half thermostats."""

from ..problem import Problem, State, Time
from .langevin import Langevin
from .langevin_splitting import LangevinSplitting, moved


class OBABO(LangevinSplitting):
    r"""The splitting OBABO of the Langevin equation: velocity Verlet's step between two half steps of the thermostat.

    Weak order 2, strong order 1. In a harmonic potential the stationary law of the momenta is exact, and the variance
    of the positions $T / (m \omega^2 (1 - h^2 \omega^2 / 4))$. The Verlet step between is what a Metropolis test can
    correct. Constant steps (of even numbers of cells, on a path with a resolution); one force and two normal numbers
    for each momentum a step.

    Source: G. Bussi & M. Parrinello, Accurate sampling using Langevin dynamics, Phys. Rev. E 75 (2007) 056707,
    doi:10.1103/PhysRevE.75.056707.

    >>> import jax, sciml_jax as sj
    >>> oscillator = sj.Langevin(lambda t, q, args: -q, friction=1.0, temperature=0.5)
    >>> sol = sj.solve_sde(oscillator, None, (0.0, 9.0), (1.0, 0.0), jax.random.key(0), method=sj.OBABO(), steps=30)
    >>> abs(float(sol.y[0])) < 5.0
    True
    """

    def split(self, problem: Problem, t: Time, y: State, dt: Time, force: State) -> tuple[State, State]:
        field, (q, p) = problem.field, y
        assert isinstance(field, Langevin)
        half = 0.5 * dt
        p = field.thermostat(p, field.path.increment(t, half), half)
        p = moved(half, force, p)
        q = moved(dt, field.velocity(p), q)
        force = field.pushed(t + dt, q, problem.args)
        p = moved(half, force, p)
        p = field.thermostat(p, field.path.increment(t + half, half), half)
        return (q, p), force
