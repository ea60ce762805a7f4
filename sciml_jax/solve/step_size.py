"""Step-size control: I, PI and PID controllers, constant and given steps, and Hairer's first step."""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from ..core import trees
from .problem import Problem, State, Time, as_times


class Verdict(NamedTuple):
    """What a controller says of a step: the factor for the next step size, and its own next state."""

    factor: Time
    state: PyTree


class Controller(eqx.Module):
    """Chooses step sizes. Adaptive controllers give a factor; the others a grid."""

    @property
    def adaptive(self) -> bool:
        """Whether steps are accepted or rejected by their error."""
        return True

    def init(self, dtype) -> PyTree:
        """The state before the first step."""
        return ()

    @abstractmethod
    def control(self, log_error: Time, order, state: PyTree) -> Verdict:
        """The verdict on a step, from the logarithm of its scaled error norm (accepted at 0 or less).

        `order` is that of the error estimate plus one: the step size is corrected by this root of the error.
        """

    def grid(self, step: Array, t: Time, dt: Time, t0: Time, t1: Time) -> Time:
        """The time at which step number `step` from `t` ends, before it is cut at t1.

        For derivatives the size of the step is a constant: the steps move with t0, and with events and stops.
        """
        return t + jax.lax.stop_gradient(dt)

    @property
    def prescribed(self) -> bool:
        """Whether `grid` prescribes every time, rather than proposing a step."""
        return False

    @property
    def counts_cut_steps(self) -> bool:
        """Whether a step that an event or a stop cut short uses up a step of the grid."""
        return True

    def grid_derivative(self, t_right: Time, t0: Time, t1: Time) -> tuple[Any, Any, Any]:
        """Derivatives of a step's end `t_right` on the grid with respect to the step's start, t0 and t1."""
        return 1.0, 0.0, 0.0


class PIDController(Controller):
    r"""A PID controller of the step size:

    $$h_{n+1} = h_n\, s\, e_n^{-\beta_1/k} e_{n-1}^{-\beta_2/k} e_{n-2}^{-\beta_3/k}$$

    with the scaled error norms e and the order k of the error estimate plus one; the factor is kept within
    `factor_min` and `factor_max`, and does not grow right after a rejection.

    **Arguments:**

    - `beta1`, `beta2`, `beta3`: the exponents; (1, 0, 0) is the elementary controller, and
      Söderlind's H211PI, PI.3.4, PI.4.2, H312PID and Gustafsson's PI are other choices.
    - `safety` s, `factor_min`, `factor_max`: no unit.

    Cost: two elementary functions a step. Source: G. Söderlind, Digital filters in adaptive time-stepping, ACM TOMS
    29 (2003), eq. 28 and table III, doi:10.1145/641876.641877; Hairer & Wanner II, IV.2.

    >>> import sciml_jax as sj
    >>> h312 = sj.PIDController(1 / 18, 1 / 9, 1 / 18)
    >>> sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, controller=h312)
    >>> abs(float(sol.y) - 0.36787944) < 1e-5
    True
    """

    beta1: float = 0.7
    beta2: float = -0.4
    beta3: float = 0.0
    safety: float = 0.9
    factor_min: float = 0.2
    factor_max: float = 10.0

    def __check_init__(self):
        numbers = (self.safety, self.factor_min, self.factor_max)
        if all(isinstance(x, int | float) for x in numbers) and not (
            0 < self.safety <= 1 and 0 < self.factor_min < 1 < self.factor_max
        ):
            raise ValueError(
                "a step-size controller needs 0 < safety <= 1 and 0 < factor_min < 1 < factor_max; "
                f"got safety={self.safety}, factor_min={self.factor_min}, factor_max={self.factor_max}"
            )

    def init(self, dtype) -> PyTree:
        logs = sum(_nonzero(b) for b in (self.beta2, self.beta3)) and (2 if _nonzero(self.beta3) else 1)
        return tuple(jnp.zeros((), dtype) for _ in range(logs))

    def control(self, log_error: Time, order, state: PyTree) -> Verdict:
        logs = (log_error, *state)
        exponent = sum(b * e for b, e in zip((self.beta1, self.beta2, self.beta3), logs, strict=False))
        factor = self.safety * jnp.exp(-exponent / order)
        return Verdict(jnp.clip(factor, self.factor_min, self.factor_max), logs[: len(state)])


def _nonzero(x: ArrayLike) -> bool:
    return not (isinstance(x, int | float) and x == 0)


def IController(safety: float = 0.9, factor_min: float = 0.2, factor_max: float = 10.0) -> PIDController:
    """The elementary controller $h_{n+1} = h_n s\\, e_n^{-1/k}$ (Hairer, Norsett & Wanner I, eq. II.4.13)."""
    return PIDController(1.0, 0.0, 0.0, safety, factor_min, factor_max)


def PIController(
    beta: float = 0.2, safety: float = 0.9, factor_min: float = 0.2, factor_max: float = 10.0
) -> PIDController:
    r"""The controller of Hairer's DOPRI5: $h_{n+1} = h_n s\, e_n^{-(1 - 3\beta/4)/k} e_{n-1}^{\beta/k}$.

    `beta=0.2` is its 0.04 times k = 5. Source: Hairer & Wanner II, IV.2; K. Gustafsson, ACM TOMS 17 (1991).
    """
    return PIDController(1.0 - 0.75 * beta, -beta, 0.0, safety, factor_min, factor_max)


class ConstantSteps(Controller):
    """Every step has the size that was given as `dt=`; the last is cut at t1."""

    @property
    def adaptive(self) -> bool:
        return False

    def control(self, log_error: Time, order, state: PyTree) -> Verdict:
        return Verdict(jnp.ones((), jnp.result_type(log_error)), state)


class EqualSteps(ConstantSteps):
    """Exactly `n` equal steps from t0 to t1; the grid moves with them, and derivatives follow."""

    n: int = eqx.field(static=True)

    @property
    def prescribed(self) -> bool:
        return True

    @property
    def counts_cut_steps(self) -> bool:
        return False

    def grid(self, step: Array, t: Time, dt: Time, t0: Time, t1: Time) -> Time:
        done = (step + 1).astype(t.dtype) / self.n
        return jnp.where(step + 1 >= self.n, t1, t0 + done * (t1 - t0))

    def grid_derivative(self, t_right: Time, t0: Time, t1: Time) -> tuple[Any, Any, Any]:
        done = (t_right - t0) / (t1 - t0)
        return 0.0, 1 - done, done


class GivenSteps(ConstantSteps):
    """Steps that end at given times: step i ends at `times[i + 1]`, the last at t1.

    For repeating a solve on the grid another one chose. Times after the given ones step straight to t1.

    >>> import sciml_jax as sj
    >>> first = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, save=sj.Steps())
    >>> grid = sj.GivenSteps(first.t[: int(first.n)])
    >>> again = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, controller=grid)
    >>> bool(again.y == first.y[-1])
    True
    """

    times: Float[Array, " n"] = eqx.field(converter=as_times)

    @property
    def prescribed(self) -> bool:
        return True

    def grid(self, step: Array, t: Time, dt: Time, t0: Time, t1: Time) -> Time:
        last = self.times.shape[0] - 1
        given = jax.lax.stop_gradient(jnp.asarray(self.times))[jnp.minimum(step + 1, last)].astype(t.dtype)
        return jnp.where(step + 1 >= last, t1, given)

    def grid_derivative(self, t_right: Time, t0: Time, t1: Time) -> tuple[Any, Any, Any]:
        return 0.0, 0.0, 0.0


def initial_step(problem: Problem, t0: Time, y0: State, order: int, span: Time) -> Time:
    """A first step size, signed like `span`, from two evaluations of the field.

    Source: Hairer, Norsett & Wanner I, II.4 "Starting step size" (algorithm of Gladwell, Shampine & Brankin 1987).
    """
    f0 = problem.derivative(t0, y0)
    zero = jax.tree.map(jnp.zeros_like, y0)
    size = jnp.abs(span)
    d0 = problem.error_norm(y0, y0, zero)
    d1 = problem.error_norm(f0, y0, zero)
    tiny = (d0 < 1e-5) | (d1 < 1e-5)
    h0 = jnp.minimum(jnp.where(tiny, 1e-6 * jnp.maximum(size, 1e-6), 0.01 * d0 / jnp.where(tiny, 1.0, d1)), size)
    sign = jnp.sign(span)
    f1 = problem.derivative(t0 + sign * h0, trees.axpy(sign * h0, f0, y0))
    d2 = problem.error_norm(trees.subtract(f1, f0), y0, zero) / h0
    steepest = jnp.maximum(d1, d2)
    guess = (0.01 / jnp.maximum(steepest, 1e-15)) ** (1.0 / (order + 1))
    h1 = jnp.where(steepest <= 1e-15, jnp.maximum(1e-6 * size, h0 * 1e-3), guess)
    # a thousand roundings of t at least, or t would not move
    floor = 1000 * jnp.finfo(t0.dtype).eps * jnp.abs(t0)
    h = jnp.minimum(jnp.maximum(jnp.minimum(100 * h0, h1), floor), size)
    # an infinite or NaN derivative at t0 must reach the loop, which then names it
    return sign * jnp.where(jnp.isfinite(h) & (h > 0), h, 1e-6 * size).astype(span.dtype)
