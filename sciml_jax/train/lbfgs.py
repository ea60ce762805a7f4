"""L-BFGS in float64, with optax's zoom line search."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PyTree

from ..core.trees import select
from .params import Params
from .problem import Problem
from .stages import AbstractStage, StageStep, check_steps


class LBFGSState(NamedTuple):
    """The pairs of L-BFGS, and the line search with the value and gradient at its last point."""

    memory: PyTree
    search: PyTree


class LBFGS(AbstractStage):
    """L-BFGS steps; made by `lbfgs`."""

    name: str = eqx.field()
    steps: int = eqx.field()
    memory: int = eqx.field()
    gtol: float = eqx.field()
    line_search: int = eqx.field()
    resample: int | None = eqx.field()
    float64: bool = eqx.field()

    def __check_init__(self):
        check_steps(self.name, self.steps)
        if self.memory < 1 or self.line_search < 1:
            raise ValueError(
                f"memory and line_search must be at least 1; got memory={self.memory}, line_search={self.line_search}"
            )
        if not self.gtol >= 0:
            raise ValueError(f"gtol bounds the largest gradient entry and must not be negative; got {self.gtol}")
        if self.resample is not None and self.resample < 1:
            raise ValueError(f"resample must be None (one batch for the stage) or at least 1; got {self.resample}")

    def _parts(self) -> tuple[optax.GradientTransformation, optax.GradientTransformationExtraArgs]:
        search = optax.scale_by_zoom_linesearch(self.line_search, initial_guess_strategy="one")
        return optax.scale_by_lbfgs(self.memory), search

    def init(self, problem: Problem, params: Params) -> LBFGSState:
        memory, search = self._parts()
        flat, _ = ravel_pytree(params)
        return LBFGSState(memory.init(flat), search.init((flat, _slots(problem, flat))))

    def step(self, problem: Problem, params: Params, state: LBFGSState, fresh: Bool[Array, ""]) -> StageStep:
        quasi_newton, line_search = self._parts()
        # one vector: every operation on a tree is otherwise compiled once a leaf, in two branches of the search
        search: Any  # optax types what it returns as trees of arrays
        updates: Any
        direction: Any
        flat, unravel = ravel_pytree(params)
        point = (flat, _slots(problem, flat))
        value_fn = _value_with_terms(problem, unravel, flat.dtype)
        value, (grad, terms) = jax.lax.cond(
            fresh, lambda: jax.value_and_grad(value_fn)(point), lambda: (state.search.value, state.search.grad)
        )
        # A pair must be a difference of gradients of one batch. After a resample the remembered gradient is moved by
        # what the new batch changed at this point; without one this adds exact zeros.
        moved = state.memory._replace(updates=state.memory.updates + (grad - state.search.grad[0]))
        direction, memory = quasi_newton.update(grad, moved, flat)
        updates, search = line_search.update(
            (-direction, jnp.zeros_like(terms)),
            state.search,
            point,
            value=value,
            grad=(grad, terms),
            value_fn=value_fn,
        )

        # The search returns its last trial where nothing lower was found. Near a minimum values can no longer tell, and
        # the approximate Wolfe condition goes on by slopes: within ten roundings it is progress to halve the gradient.
        slack = 10 * jnp.finfo(value.dtype).eps * jnp.abs(value)
        size, new_size = jnp.max(jnp.abs(grad)), jnp.max(jnp.abs(search.grad[0]))
        level = search.value <= value + slack
        lower = (search.value < value - slack) | (level & (new_size < size / 2))
        failed = ~lower | (search.learning_rate == 0)
        converged = size <= self.gtol
        stay = failed | converged
        # First forget the pairs and try the gradient itself; when that finds nothing lower either, this is the end.
        # Where a new batch will come, being at the minimum of the old one is no reason to forget.
        last_batch = self.resample is None
        forget = failed if last_batch else ~level
        stuck = failed & (state.memory.count == 0)
        memory = select(forget, quasi_newton.init(flat), select(stay, moved, memory))
        here = search._replace(value=value, grad=(grad, terms))
        return StageStep(
            params=unravel(jnp.where(stay, flat, flat + updates[0])),
            state=LBFGSState(memory, select(stay, here, search)),
            loss=value,
            terms=dict(zip(problem.terms, terms, strict=True)),
            done=(converged | stuck) & last_batch,
        )


def lbfgs(
    steps: int,
    *,
    memory: int = 10,
    gtol: float = 0.0,
    line_search: int = 20,
    resample: int | None = None,
    float64: bool = True,
) -> LBFGS:
    r"""Limited-memory BFGS: $x \leftarrow x - \eta\, H g$, with $\eta$ from a line search (strong Wolfe conditions).

    The stage runs in float64, whatever the dtype of the model, and casts back at its end: model, batch and `Frozen`
    arrays are widened, and arrays that the objective closes over are widened where they meet them. Objectives that
    cannot be traced that way (a float32 carry in a loop of their own) run in their own precision, with a warning: give
    such arrays through `data=`.
    Value and gradient at the end of a line search are those of the next step: nothing is evaluated twice. A new batch
    keeps the pairs and recomputes value and gradient, and never comes inside a line search.

    **Arguments:**

    - `steps`: the largest number of steps; the stage ends earlier where it has converged.
    - `memory`: pairs kept. Default 10.
    - `gtol`: converged where no entry of the gradient is larger. Default 0: until nothing lower can be found.
    - `line_search`: trial points in a line search, at most. Default 20.
    - `resample`: a new batch every so many steps; default `None`, one batch for the whole stage. `Batches` then means
      all rows at once.
    - `float64`: whether to run in float64. Default `True`.

    **Raises:** `ValueError` for a negative number of steps, and other numbers below 1.

    **Cost:** one evaluation of loss and gradient for each trial point, mostly one a step; `2 * memory` copies of the
    parameters. The objective is compiled three times over (first point, and two phases of the search).

    Source: D. Liu, J. Nocedal, On the limited memory BFGS method, Math. Prog. 45 (1989), doi:10.1007/BF01589116;
    J. Nocedal, S. Wright, Numerical Optimization, 2006, algorithms 3.5, 3.6, 7.4, 7.5; W. Hager, H. Zhang, CG_DESCENT,
    ACM TOMS 32 (2006), doi:10.1145/1132973.1132979 (approximate Wolfe condition).

    >>> import jax, jax.numpy as jnp
    >>> from sciml_jax import train
    >>> def rosenbrock(x, batch, key):
    ...     return (1 - x[0])**2 + 100 * (x[1] - x[0]**2)**2
    >>> start, stages = jnp.array([-1.2, 1.0]), [train.lbfgs(100)]
    >>> result = train.fit(start, rosenbrock, stages=stages, key=jax.random.key(0), progress=False)
    >>> bool(jnp.allclose(result.model, 1.0, atol=1e-6))
    True
    """
    return LBFGS("lbfgs", steps, memory, float(gtol), line_search, resample, float64)


def _slots(problem: Problem, flat: Float[Array, " n"]) -> Float[Array, " n_terms"]:
    return jnp.zeros(len(problem.terms), flat.dtype)


def _value_with_terms(problem: Problem, unravel: Callable, dtype: np.dtype) -> Callable:
    """The loss as a function of `(flat, slots)` whose "gradient" with respect to the slots are the named terms.

    The line search hands on the gradient of its last point: the terms travel with it and cost no evaluation.
    """

    @jax.custom_vjp
    def value(point):
        return problem.loss(unravel(point[0]))[0].astype(dtype)

    def forward(point):
        (loss, terms), grad = problem.value_and_grad(unravel(point[0]))
        named = jnp.stack([terms[name].astype(dtype) for name in problem.terms]) if problem.terms else point[1]
        return loss.astype(dtype), (ravel_pytree(grad)[0], named)

    def backward(residual, cotangent):
        grad, named = residual
        return ((cotangent * grad, named),)

    value.defvjp(forward, backward)
    return value
