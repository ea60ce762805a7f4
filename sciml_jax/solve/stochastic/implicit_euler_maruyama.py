"""ImplicitEulerMaruyama: the drift-implicit theta method with noise."""

from functools import partial
from typing import ClassVar

import jax
import jax.core
import jax.numpy as jnp

from ...core import trees
from ..implicit.iteration_matrix import field_on_vectors, jacobian_at, shifted, structure_of
from ..implicit.newton import COUNTS, Converged, check_iteration, direct, implicit, iterate
from ..layout import Layout
from ..method import MethodState, Step
from ..problem import Problem, State, Time
from .field import Stochastic
from .method import Ends, StochasticMethod, added


class ImplicitEulerMaruyama(StochasticMethod):
    r"""The drift-implicit Euler-Maruyama method, in Itô's sense,

    $$y_1 = y_0 + h \big(\theta f(t_1, y_1) + (1 - \theta) f(t_0, y_0)\big) + g(t_0, y_0) \Delta W:$$

    for stiff drifts. `theta=1`, the default, damps fast decay (L-stable without noise); `theta=0.5` keeps the
    stationary variance of a linear equation with additive noise exactly, for steps of any length, and has order 2
    without noise. Strong order 1/2, 1 with additive noise; weak order 1. Every kind of noise; constant steps. For a
    Stratonovich equation the drift is converted, by an explicit term.

    - `theta`: from 0.5 to 1; static.
    - `newton_tolerance`: what Newton's iteration leaves, as a fraction of `rtol` and `atol`, within `max_iterations`.

    **Raises** `ValueError` for other numbers; the solve ends with `step_failed` where the iteration does not converge.

    Cost a step: one Jacobian of the drift, one factorisation, two evaluations of the drift or more, one of the
    diffusion.

    Source: P. E. Kloeden & E. Platen, Numerical Solution of Stochastic Differential Equations, Springer 1992, section
    12.2; D. J. Higham, Mean-square and asymptotic stability of the stochastic theta method, SIAM J. Numer. Anal. 38
    (2000) 753-769, doi:10.1137/S003614299834736X.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -1e4 * y), (lambda t, y, args: jnp.ones_like(y))
    >>> options = {"noise": "additive", "method": sj.ImplicitEulerMaruyama(), "steps": 20}
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, jax.random.key(0), **options)
    >>> abs(float(sol.y)) < 0.01
    True
    """

    theta: float = 1.0
    newton_tolerance: float = 0.01
    max_iterations: int = 50

    interpretations: ClassVar[frozenset[str]] = frozenset({"ito"})
    strong_order: ClassVar[float] = 0.5
    drift_order: ClassVar[int] = 1
    stages: ClassVar[int] = 1

    def __check_init__(self):
        check_iteration(self)
        if not isinstance(self.theta, jax.core.Tracer) and not 0.5 <= float(self.theta) <= 1:
            raise ValueError(f"theta of sj.ImplicitEulerMaruyama is from 0.5 to 1; got {self.theta!r}")

    @property
    def uses_jacobian(self) -> bool:
        return True

    def init_counts(self) -> dict[str, int]:
        return dict.fromkeys((*COUNTS, "diffusion_evaluations"), 0)

    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> tuple[State, State | None]:
        return self._solved(problem, t, y, dt)[0], None

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        y1, newton = self._solved(problem, t, y, dt)
        counts = {
            "field_evaluations": newton.iterations + 1,
            "diffusion_evaluations": 1,
            "jacobians": 1,
            "factorisations": 1,
            "linear_solves": newton.iterations,
            "newton_failures": (~newton.ok).astype(jnp.int32),
        }
        return Step(y1, None, state, state, Ends(y, y1), newton.ok, counts, self.order)

    def _solved(self, problem: Problem, t: Time, y: State, dt: Time):
        """The end of the step, and how Newton's iteration went."""
        field, layout = problem.field, Layout(y)
        assert isinstance(field, Stochastic)
        drift, structure = field_on_vectors(problem, layout), structure_of(problem, layout)
        start = added(y, field.apply(field.spread(t, y, problem.args), field.increment(t, dt)))
        correction = field.correction(t, y, problem.args) if field.interpretation == "stratonovich" else None
        v = layout.vector(trees.axpy(dt, correction, start))
        k0 = drift(t, layout.vector(y))
        known = v + (1 - self.theta) * dt * k0
        part = self.theta * dt
        shift = 1 / jnp.where(part == 0, 1.0, part)
        jac = jacobian_at(problem, structure, layout, drift, t, known)
        correct = partial(structure.solve, structure.factorize(shifted(structure, problem, shift, jac)))

        def equations(problem: Problem):  # in units in which the derivative is the iteration matrix, but for its sign
            field = field_on_vectors(problem, layout)
            return lambda k: (field(t + dt, known + part * k) - k) * shift

        def measure(k):
            return problem.error_norm(layout.state(part * k), y, y)

        rounding = measure(10 * jnp.finfo(layout.real).eps * shift * known)
        tolerance = jnp.maximum(self.newton_tolerance, rounding).astype(layout.real)

        def solve(residual, k):
            one = jnp.ones((), layout.real)
            # steps are constant, and none can be repeated with half its length
            k, newton = iterate(
                residual, k, correct, measure, jax.lax.stop_gradient(tolerance), one, self.max_iterations
            )
            return k, [newton.ok.astype(one.dtype), newton.iterations.astype(one.dtype), newton.rate]

        # not from the start of the step: the noise moves the state away from where fast decay had brought it
        k, (ok, iterations, rate) = implicit(problem, equations, jnp.zeros_like(v), direct(structure), solve)
        return layout.state(known + part * k), Converged(ok > 0, iterations.astype(jnp.int32), rate)
