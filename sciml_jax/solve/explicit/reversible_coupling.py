"""ReversibleCoupling: any explicit Runge-Kutta method, made algebraically reversible."""

import equinox as eqx
import jax

from ...core import trees
from ..interpolation import Ends, Hermite, hermite
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time
from .runge_kutta import RungeKutta
from .tsit5 import Tsit5


class ReversibleCoupling(Method):
    r"""An explicit Runge-Kutta method on two coupled states, which makes it algebraically reversible:

    $$y_1 = \lambda y_0 + (1 - \lambda) z_0 + \Psi_h(t_0, z_0), \qquad z_1 = z_0 - \Psi_{-h}(t_1, y_1)$$

    with the increment $\Psi$ of the method and $z = y$ at first. It has the order of the method, takes twice its
    evaluations, and a step is undone exactly (but for rounding): gradients with `gradient=sj.Reversible()` keep no
    states.

    **Arguments:**

    - `method`: an explicit Runge-Kutta method, `sj.Tsit5()` by default.
    - `coupling`: $\lambda$, in (0, 1]. Below 1 the two states are drawn together, which widens the region of stability;
      undoing a step multiplies rounding errors by $1 / \lambda$.

    Source: S. McCallum & J. Foster, Efficient, accurate and stable gradients for neural ODEs, 2024, arXiv:2410.11648.

    >>> import sciml_jax as sj
    >>> method = sj.ReversibleCoupling(sj.RK4())
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, method=method, steps=50)
    >>> abs(float(sol.y) - 0.36787944) < 1e-6
    True
    """

    method: RungeKutta = Tsit5()
    coupling: float = eqx.field(default=0.99, static=True)

    def __check_init__(self):
        if not isinstance(self.method, RungeKutta):
            raise TypeError(f"ReversibleCoupling takes an explicit Runge-Kutta method, sj.Tsit5(); got {self.method!r}")
        if not 0 < self.coupling <= 1:
            raise ValueError(f"coupling of ReversibleCoupling must be above 0 and at most 1; got {self.coupling!r}")

    @property
    def order(self) -> int:
        return self.method.order

    @property
    def adaptive(self) -> bool:
        return self.method.adaptive

    @property
    def reversible(self) -> bool:
        return True

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(y)

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return MethodState(y)

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        z = state.carry
        forth = self._inner(problem, t, z, dt)
        mixed = trees.combine((self.coupling, 1 - self.coupling), (y, z))
        y1 = jax.tree.map(lambda a, b, c: a + (b - c), mixed, forth.y, z)
        back = self._inner(problem, t + dt, y1, -dt)
        z1 = jax.tree.map(lambda a, b, c: a - (b - c), z, back.y, y1)
        counts = {"field_evaluations": 2 * (forth.counts["field_evaluations"] + 1)}
        return Step(y1, forth.error, MethodState(z1), state, Ends(y, y1), True, counts, forth.order)

    def undo(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> tuple[State, State]:
        back = self._inner(problem, t + dt, y, -dt)
        z = jax.tree.map(lambda a, b, c: a + (b - c), state.carry, back.y, y)
        forth = self._inner(problem, t, z, dt)
        change = trees.subtract(forth.y, z)
        w = self.coupling
        return jax.tree.map(lambda a, b, c: (a - b - (1 - w) * c) / w, y, change, z), z

    def _inner(self, problem: Problem, t: Time, y: State, dt: Time) -> Step:
        return self.method.step(problem, t, y, dt, self.method.init(problem, t, y, dt))

    @property
    def prepares(self) -> bool:
        return True

    def prepare(self, problem: Problem, t: Time, dt: Time, dense: Ends) -> Hermite:
        f0, f1 = problem.evaluate(t, dense.y0), problem.evaluate(t + dt, dense.y1)
        return Hermite(dense.y0, dense.y1, f0, f1)

    def prepare_counts(self) -> dict[str, int]:
        return {"field_evaluations": 2}

    def init_counts(self) -> dict[str, int]:
        return {"field_evaluations": 0}

    def interpolate(self, dense: Hermite, t_left: Time, t_right: Time, t: Time) -> State:
        return hermite(dense, t_left, t_right, t)
