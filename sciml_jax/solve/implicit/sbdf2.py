"""SBDF2: the semi-implicit backward differentiation formula of order 2."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..interpolation import Hermite, hermite
from ..layout import Layout
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time
from .iteration_matrix import corrections, jacobian_at, shifted, structure_of
from .newton import COUNTS, Residual, check_iteration, solve_equations
from .parts import parts


class Carry(NamedTuple):
    """The derivatives of both parts now, and one step back the state, these derivatives, the size of the step, and
    whether there was one."""

    explicit: Float[Array, " n"]
    implicit: Float[Array, " n"]
    before: Float[Array, " n"]
    explicit_before: Float[Array, " n"]
    implicit_before: Float[Array, " n"]
    h: Time
    known: Bool[Array, ""]


class SBDF2(Method):
    r"""The semi-implicit two-step formula for `sj.Split(explicit, implicit)`, with $\omega = h_n / h_{n-1}$:

    $$\frac{1 + 2\omega}{1 + \omega} y_{n+1} - (1 + \omega) y_n + \frac{\omega^2}{1 + \omega} y_{n-1} =
      h_n \bigl((1 + \omega) f_E(y_n) - \omega f_E(y_{n-1}) + f_I(y_{n+1})\bigr)$$

    Order 2, and strong damping of stiff components of $f_I$: for diffusion or reaction with explicit advection. A plain
    field is all implicit (BDF2). The first step and those after a jump have $\omega = 0$: `IMEXEuler`, whose one error
    of $h^2$ the order survives. The error of a step is estimated from second differences of the derivatives,

    $$\frac{1 + \omega}{1 + 2\omega} h_n^2 (h_n + h_{n-1})
      \bigl(\tfrac13 [f_{n+1}, f_n, f_{n-1}] - [f_{E,n+1}, f_{E,n}, f_{E,n-1}]\bigr),$$

    with divided differences [...] of $f = f_E + f_I$: what interpolation by a parabola leaves of the derivative, and
    extrapolation of $f_E$.

    - `newton_tolerance`: what Newton's iteration leaves, as a fraction of the tolerance of the step.

    Cost a step: one Jacobian, one factorisation, one evaluation of $f_E$, two to four evaluations of $f_I$ and solves.
    Source: U. M. Ascher, S. J. Ruuth & B. Wetton, SIAM J. Numer. Anal. 32 (1995) 797-823, eq. 2.6 (SBDF); D. Wang &
    S. J. Ruuth, J. Comput. Math. 26 (2008) 838-855 (variable steps).

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> field = sj.Split(lambda t, y, args: jnp.cos(t) + 0 * y, lambda t, y, args: -1e4 * y)
    >>> sol = sj.solve_ode(field, (0.0, 1.0), 1.0, method=sj.SBDF2(), dt=0.01)
    >>> abs(float(sol.y) - 5.4e-5) < 1e-5
    True
    """

    newton_tolerance: float = 0.01

    def __check_init__(self):
        check_iteration(self)

    @property
    def order(self) -> int:
        return 2

    @property
    def start_order(self) -> int:
        return 1

    @property
    def uses_jacobian(self) -> bool:
        return True

    @property
    def takes_krylov(self) -> bool:
        return True

    @property
    def interpolation_order(self) -> int:
        return 2

    def init_counts(self) -> dict[str, int]:
        return dict.fromkeys(COUNTS, 0) | {"field_evaluations": 1}

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        layout = Layout(y)
        explicit, implicit = parts(problem, layout)
        v = layout.vector(y)
        e, i = jnp.zeros_like(v) if explicit is None else explicit(t, v), implicit(t, v)
        return MethodState(Carry(e, i, v, e, i, jax.lax.stop_gradient(dt), jnp.asarray(False)))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return self.init(problem, t, y, state.carry.h)

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        layout, old = Layout(y), state.carry
        v, structure = layout.vector(y), structure_of(problem, layout)
        explicit, implicit = parts(problem, layout)
        w = jnp.where(old.known, dt / old.h, 0.0)
        c = dt * (1 + w) / (1 + 2 * w)
        slope = (1 + w) * old.explicit - w * old.explicit_before
        known = v + w**2 / (1 + 2 * w) * (v - old.before) + c * slope
        shift, t1 = 1 / c, t + dt
        still_problem = problem.frozen
        _, frozen_implicit = parts(still_problem, layout)
        jac = jacobian_at(still_problem, structure, layout, frozen_implicit, t, v)
        factors = structure.factorize(jax.lax.stop_gradient(shifted(structure, problem, shift, jac)))
        still = jax.lax.stop_gradient((t, v, c, shift))

        def equation(k: Array) -> Array:  # at the start of the step: its derivative is the matrix
            return (frozen_implicit(still[0], still[1] + still[2] * k) - k) * still[3]

        correct = corrections(structure, factors, equation, jnp.zeros_like(v), (t, y, shift))

        def equations(problem: Problem) -> Residual:
            _, field = parts(problem, layout)
            return lambda k: (field(t1, known + c * k) - k) * shift

        def measure(k):
            return problem.error_norm(layout.state(c * k), y, y)

        rounding = measure(10 * jnp.finfo(layout.real).eps * shift * known)
        tolerance = jnp.maximum(self.newton_tolerance, rounding).astype(layout.real)
        one = jnp.ones((), layout.real)
        k, newton = solve_equations(problem, equations, old.implicit, correct, measure, structure, tolerance, one)
        v1 = known + c * k
        e1, y1 = jnp.zeros_like(v1) if explicit is None else explicit(t1, v1), layout.state(v1)
        after = Carry(e1, k, v, old.explicit, old.implicit, jnp.asarray(dt, layout.real), jnp.asarray(True))
        slopes = layout.state(old.explicit + old.implicit), layout.state(e1 + k)
        error = jax.lax.stop_gradient(_error(old, after, c))
        return Step(
            y=y1,
            error=layout.state(error),
            accepted=MethodState(after),
            rejected=state,
            dense=Hermite(y, y1, *slopes),
            ok=newton.ok,
            counts={
                "field_evaluations": newton.iterations + (explicit is not None),
                "jacobians": 1,
                "factorisations": 1,
                "linear_solves": newton.iterations,
                "newton_failures": (~newton.ok).astype(jnp.int32),
            },
            order=jnp.where(old.known, 3.0, 2.0).astype(t.dtype),
        )

    def interpolate(self, dense: Hermite, t_left: Time, t_right: Time, t: Time) -> State:
        return hermite(dense, t_left, t_right, t)


def _error(old: Carry, new: Carry, c: Time) -> Float[Array, " n"]:
    """The estimate of the step's error; after no step before, that of the two Euler methods."""
    h, before = new.h, old.h

    def differences(now, then, earlier):
        """h times the first divided difference, and h (h + h_{n-1}) times the second."""
        first = now - then
        return first, first - h / before * (then - earlier)

    e1, e2 = differences(new.explicit, old.explicit, old.explicit_before)
    i1, i2 = differences(new.implicit, old.implicit, old.implicit_before)
    return c * jnp.where(old.known, (e2 + i2) / 3 - e2, (e1 + i1) / 2 - e1)
