"""Exponential Rosenbrock steps: exact for the linearised field, by Krylov spaces of its Jacobian."""

from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ...core import trees
from ...linalg import jacobian
from ..interpolation import Hermite, hermite
from ..layout import Layout
from ..method import Method, MethodState, Step
from ..problem import Problem, State, Time
from .krylov import Weights, krylov
from .phi import phi_matrix

# The largest k of phi_k that a method uses.
_TOP = 4
# applied(theta, {k: w_k}, ...): the vectors sum w_k phi_k(theta h J) b
Applied = Callable[..., list[Array]]


class Stages(NamedTuple):
    """What the stages of a step work with; vectors are real and flat.

    `slope` is f(t, y), `drift` its derivative in time (`None` where there is none), `remainder(theta, v)` is
    $g(t + \\theta h, v) - g(t, y)$, with g from below, and `actions(b)` makes combinations of
    $\\varphi_k(\\theta h J) b$ available at any theta.
    """

    dt: Time
    y: Float[Array, " n"]
    slope: Float[Array, " n"]
    drift: Float[Array, " n"] | None
    remainder: Callable[[float, Array], Array]
    actions: Callable[[Array], Applied]


class ExponentialRosenbrock(Method):
    r"""An exponential Rosenbrock method; subclasses give its stages.

    Every step linearises the field at its start, $f(t, y) = J y + t \dot f + g(t, y)$, solves the linear part exactly
    by functions $\varphi_k(hJ)$, and g, whose derivative vanishes there, by quadrature: stiffness does not limit h.
    For any field and any state; complex ones are split.

    **Arguments:**

    - `krylov_dim`: the dimension m of the Krylov spaces of J in which the functions are applied (30). Up to this
      number of equations J is formed and its functions are computed whole. A larger h|J| needs a larger m: about
      $2 \sqrt{h |J|}$ where J is symmetric and negative, h|J| where it is skew. The error of the projection is
      estimated: a step where it exceeds the tolerance is rejected, with a constant step the solve fails.

    Derivatives go through the computed step, Arnoldi's process included. They are as accurate as the projection is
    for vectors of any direction, and reliable to first order.

    Source: M. Hochbruck, A. Ostermann & J. Schweitzer, SIAM J. Numer. Anal. 47 (2009) 786-803, doi:10.1137/080717717.
    """

    krylov_dim: int = eqx.field(default=30, static=True)

    def __check_init__(self):
        m = self.krylov_dim
        if isinstance(m, bool) or not isinstance(m, int) or m < 1:
            raise ValueError(f"krylov_dim must be a positive whole number; got {m!r}")

    @abstractmethod
    def stages(self, s: Stages) -> tuple[Array, Array]:
        """The vector at the end of the step, and its estimated error."""

    @property
    @abstractmethod
    def spaces(self) -> int:
        """Number of Krylov spaces in a step."""

    @property
    @abstractmethod
    def evaluations(self) -> int:
        """Number of evaluations of the field in a step, the one at its end included."""

    @property
    def uses_jacobian(self) -> bool:
        return True

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(problem.evaluate(t, y))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return MethodState(problem.evaluate(t, y))

    def init_counts(self) -> dict[str, int]:
        return {"field_evaluations": 1, "jacobians": 0, "jacobian_products": 0}

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        layout = Layout(y)
        v, slope = layout.vector(y), layout.vector(state.carry)

        def field(t: Time, v: Array) -> Array:
            return layout.vector(problem.evaluate(t, layout.state(v)))

        whole = layout.size <= self.krylov_dim
        multiply = _products(problem, field, t, y, v, whole)
        drift = None if problem.autonomous else jax.jvp(lambda t: field(t, v), (t,), (jnp.ones_like(t),))[1]

        def remainder(fraction: float, inner: Array) -> Array:
            d = field(t + fraction * dt, inner) - slope - multiply(inner - v)
            return d if drift is None else d - fraction * dt * drift

        actions = _Actions(multiply, v, dt, self.krylov_dim, whole)
        v1, error = self.stages(Stages(dt, v, slope, drift, remainder, actions))
        y1 = layout.state(v1)
        f1 = problem.evaluate(t + dt, y1)
        projection = layout.state(actions.error)
        counts = {"field_evaluations": self.evaluations} | self._work(layout.size, whole, drift is not None)
        return Step(
            y1,
            layout.state(jnp.abs(jax.lax.stop_gradient(error)) + actions.error),
            MethodState(f1),
            state,
            Hermite(y, y1, state.carry, f1),
            _within(problem, projection, y, y1),
            counts,
            self.order,
        )

    def _work(self, size: int, whole: bool, timed: bool) -> dict[str, int]:
        spaces = self.spaces + timed
        if whole:
            return {"jacobians": 1, "jacobian_products": 0}
        return {"jacobians": 0, "jacobian_products": spaces * self.krylov_dim + self.evaluations - 1}

    def interpolate(self, dense: Hermite, t_left: Time, t_right: Time, t: Time) -> State:
        return hermite(dense, t_left, t_right, t)


def _products(problem: Problem, field, t: Time, y: State, v: Array, whole: bool) -> Callable[[Array], Array]:
    """Products with J, by the matrix where it is given or small."""
    if problem.jacobian is not None:
        matrix = problem.jacobian(t, y, problem.args)
        return lambda x: matrix @ x
    if whole:
        matrix = jacobian(lambda v: field(t, v), v)
        return lambda x: matrix @ x
    return jax.linearize(lambda v: field(t, v), v)[1]


class _Actions:
    """Makes the functions of hJ times vectors, and sums up what the projections may have lost."""

    def __init__(self, multiply, v: Array, dt: Time, dimension: int, whole: bool):
        self.multiply, self.dt, self.dimension, self.whole = multiply, dt, dimension, whole
        self.error = jnp.zeros_like(v)
        self.columns = jnp.eye(v.shape[0], dtype=v.dtype) if whole else v[:0]
        self.functions: dict[float, tuple[Array, ...]] = {}

    def __call__(self, b: Array) -> Applied:
        if self.whole:
            return lambda fraction, *combinations: [self._whole(fraction, weights) @ b for weights in combinations]
        space = krylov(self.multiply, b, self.dimension)

        def applied(fraction: float, *combinations: Weights) -> list[Array]:
            pairs = space.apply(fraction * self.dt, combinations)
            self.error = self.error + sum(abs(self.dt) * error for _, error in pairs)
            return [value for value, _ in pairs]

        return applied

    def _whole(self, fraction: float, weights: Weights) -> Array:
        if fraction not in self.functions:
            matrix = jax.vmap(self.multiply, out_axes=-1)(self.columns)
            self.functions[fraction] = phi_matrix(fraction * self.dt * matrix, _TOP)
        return trees.combine(list(weights.values()), [self.functions[fraction][k] for k in weights])  # type: ignore


def _within(problem: Problem, error: State, y: State, y1: State) -> Bool[Array, ""]:
    """Whether an error is within the tolerance."""
    return jax.lax.stop_gradient(problem.error_norm_squared(error, y, y1)) <= 1
