"""Steps of a delay equation: any method's, repeated where they look into themselves."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree

from ...core import trees, while_loop
from ..method import Method, MethodState, Phase, Step
from ..problem import Problem, State, Time

_ATTEMPTS = 12  # a step that has not settled by then is cut in half
_SETTLED = 0.02  # change of a repeated step, in units of the tolerance, below which it is done


class MethodOfSteps(Method):
    """A method for delay equations: its steps are those of `inner`.

    Where a lag is shorter than the step, the field looks up states of the step that is being taken. The step is then
    repeated, each time with the interpolant of the last attempt (see `History.along`), until its end changes by less
    than a fiftieth of the tolerance. The dense data of its steps are complete and condensed: the history keeps them,
    and every stage reads some.
    """

    inner: Method

    @property
    def order(self) -> int:
        return self.inner.order

    @property
    def adaptive(self) -> bool:
        return self.inner.adaptive

    @property
    def start_order(self) -> int:
        return self.inner.start_order

    @property
    def uses_jacobian(self) -> bool:
        return self.inner.uses_jacobian

    @property
    def interpolation_order(self) -> int:
        return self.inner.interpolation_order

    @property
    def stability_limit(self) -> float | None:
        return self.inner.stability_limit

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return self.inner.init(problem, t, y, dt)

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return self.inner.restart(problem, t, y, state)

    def init_counts(self) -> dict[str, int]:
        return self.inner.init_counts()

    def state_counts(self, state: MethodState) -> dict[str, Array]:
        return self.inner.state_counts(state)

    def interpolate(self, dense: PyTree, t_left: Time, t_right: Time, t: Time) -> State:
        return self.inner.interpolate(dense, t_left, t_right, t)

    def samples(self, dense: PyTree, t_left: Time, t_right: Time, fractions: tuple[float, ...]) -> list[State]:
        return self.inner.samples(dense, t_left, t_right, fractions)

    def phases(self) -> tuple[Phase, ...]:
        return tuple(Phase(phase.active, partial(self._repeated, phase.step)) for phase in self.inner.phases())

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        return self._repeated(self.inner.step, problem, t, y, dt, state)

    def _repeated(self, step: Callable[..., Step], problem: Problem, t, y, dt, state) -> Step:
        attempt = partial(self._attempt, step, problem, t, y, dt, state)
        history = getattr(problem.field, "history", None)
        if history is None:  # before the solve: for the shapes alone
            return attempt(None)
        if history.present is not None:  # of a step that has been taken before
            return attempt(history.present)
        fixed: list[Any] = []

        def arrays(present) -> Step:
            out, rest = eqx.partition(attempt(present), eqx.is_array)
            fixed[:] = [rest]
            return out

        t_right = t + dt
        zeros = lambda tree: jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), tree)  # noqa: E731
        dense = zeros(jax.eval_shape(lambda: attempt(None).dense))
        first = zeros(jax.eval_shape(lambda: arrays((t_right, dense, jnp.asarray(False)))))

        def again(carry, _, on):
            k, old, _ = carry
            out = arrays((t_right, old.dense, k > 0))
            change = problem.error_norm_squared(trees.subtract(out.y, old.y), y, out.y)
            settled = (k > 0) & (change <= _SETTLED**2)
            settled = settled | _alone(problem, t, t_right, out.y) | ~trees.all_finite(out.y)
            return (k + 1, out, settled), ()

        def unsettled(carry):
            return ~carry[2] & (carry[0] < _ATTEMPTS)

        (k, out, settled), _ = while_loop(unsettled, again, (jnp.int32(0), first, jnp.asarray(False)), ())
        out = eqx.combine(out, fixed[0])
        return out._replace(ok=jnp.asarray(out.ok) & settled, counts={name: n * k for name, n in out.counts.items()})

    def _attempt(self, step: Callable[..., Step], problem: Problem, t, y, dt, state, present) -> Step:
        """The step where its field looks up `present` in it, with complete dense data."""
        field: Any = problem.field
        if present is not None:
            problem = replace(problem, field=replace(field, history=field.history._replace(present=present)))
        out = step(problem, t, y, dt, state)
        counts = dict(out.counts)
        for name, n in self.inner.prepare_counts().items():
            counts[name] = counts.get(name, 0) + n
        dense = self.inner.condense(self.inner.prepare(problem, t, dt, out.dense))
        return out._replace(dense=dense, counts=counts)


def _alone(problem: Problem, t: Time, t_right: Time, y: State) -> Bool[Array, ""]:
    """Whether no lag looks into the step from t to (t_right, y)."""
    field: Any = problem.field
    ends = [t_right - field.lag(j, t_right, y, problem.args) for j in range(len(field.lags))]
    return jnp.all(jnp.stack(ends) <= t)
