"""What a stage of training is, and the first-order ones: any optax transformation with its number of steps."""

import abc
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import equinox as eqx
import optax
from jaxtyping import Array, Bool, Float, PyTree

from .params import Params
from .problem import Problem, Terms

Schedule = Callable[[Any], Any]


class StageStep(eqx.Module):
    """What one step of a stage returns.

    - `params`, `state`: the parameters and the state of the optimiser after the step.
    - `loss`, `terms`: those of the parameters before it.
    - `done`: ends the stage before its time (converged). Default `False`.
    """

    params: Params
    state: PyTree
    loss: Float[Array, ""]
    terms: Terms
    done: Bool[Array, ""] | bool = False


class AbstractStage(eqx.Module):
    """An optimiser with its length: configuration, and two pure functions that run under jit.

    A stage of your own needs the four fields and the two functions; a loss that is not finite, history, validation,
    checkpoints and the bar are the trainer's.
    Floats and arrays among the fields are traced: a new value doesn't recompile.
    """

    if TYPE_CHECKING:  # to a type checker an abstract variable is a field with a default

        @property
        def name(self) -> str: ...
        @property
        def steps(self) -> int: ...
        @property
        def resample(self) -> int | None: ...
        @property
        def float64(self) -> bool: ...

    else:
        name: eqx.AbstractVar[str]
        """Shown on the bar and in the history."""
        steps: eqx.AbstractVar[int]
        """The number of steps."""
        resample: eqx.AbstractVar[int | None]
        """A new batch, and a new key for the objective, every so many steps; `None` keeps the first one."""
        float64: eqx.AbstractVar[bool]
        """Whether the stage runs in float64 and casts back."""

    @abc.abstractmethod
    def init(self, problem: Problem, params: Params) -> PyTree:
        """The state of the optimiser at the start of the stage."""

    @abc.abstractmethod
    def step(self, problem: Problem, params: Params, state: PyTree, fresh: Bool[Array, ""]) -> StageStep:
        """One step. `fresh` tells that the batch is new, so that values remembered in `state` no longer hold."""


class OptaxStage(AbstractStage):
    """Steps of an optax transformation; made by `adam`, `adamw`, `sgd` and `optax_stage`.

    The transformation is built inside the trace, from a function and its options, so that floats among the options
    are traced.
    """

    name: str = eqx.field()
    steps: int = eqx.field()
    build: Callable[..., optax.GradientTransformation]
    options: dict[str, Any]
    clip: float | None = None
    resample: int | None = 1
    float64: bool = False

    def __check_init__(self):
        check_steps(self.name, self.steps)
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip bounds the norm of the gradient and must be positive, or None; got {self.clip}")
        if self.resample is not None and self.resample < 1:
            raise ValueError(f"resample must be None or at least 1; got {self.resample}")

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        """The optax transformation, gradient clipping first."""
        transform = self.build(**self.options)
        if self.clip is not None:
            transform = optax.chain(optax.clip_by_global_norm(self.clip), transform)
        return optax.with_extra_args_support(transform)

    def init(self, problem: Problem, params: Params) -> PyTree:
        return self.transformation().init(params)

    def step(self, problem: Problem, params: Params, state: PyTree, fresh: Bool[Array, ""]) -> StageStep:
        (loss, terms), grad = problem.value_and_grad(params)
        # value, grad and value_fn are for transformations with a line search or a plateau; others ignore them
        updates, state = self.transformation().update(
            grad, state, params, value=loss, grad=grad, value_fn=lambda p: problem.loss(p)[0]
        )
        return StageStep(optax.apply_updates(params, updates), state, loss, terms)


def adam(
    steps: int,
    lr: float | Schedule = 1e-3,
    *,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    clip: float | None = None,
    resample: int | None = 1,
) -> OptaxStage:
    r"""Adam, gradient descent in units of the gradient's own size.

    $$ m \leftarrow b_1 m + (1-b_1) g, \quad v \leftarrow b_2 v + (1-b_2) g^2, \quad
       x \leftarrow x - \eta\, \hat m / (\sqrt{\hat v} + \epsilon) $$

    **Arguments:** `steps`; `lr`, a number or an optax schedule `step -> lr` (the step counts from the start of the
    stage); `b1`, `b2`, `eps`; `clip`, a bound on the global norm of the gradient, default none; `resample`, a new batch
    every so many steps, default every step.

    **Raises:** `ValueError` for a negative number of steps or a learning rate that is not positive.

    Source: D. Kingma, J. Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1, arXiv:1412.6980.

    >>> import optax
    >>> from sciml_jax import train
    >>> train.adam(2000, 1e-3).steps, train.adam(2000, optax.cosine_decay_schedule(1e-3, 2000)).name
    (2000, 'adam')
    """
    options = {"learning_rate": as_rate(lr), "b1": b1, "b2": b2, "eps": eps}
    return OptaxStage("adam", steps, optax.adam, options, as_float(clip), resample)


def adamw(
    steps: int,
    lr: float | Schedule = 1e-3,
    *,
    weight_decay: float = 1e-4,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    clip: float | None = None,
    resample: int | None = 1,
) -> OptaxStage:
    r"""Adam with decoupled weight decay, $x \leftarrow x - \eta\, (\hat m / (\sqrt{\hat v} + \epsilon) + \lambda x)$.

    **Arguments:** as `adam`, and `weight_decay` $\lambda$. `Frozen` arrays do not decay.

    Source: I. Loshchilov, F. Hutter, Decoupled weight decay regularization, ICLR 2019, arXiv:1711.05101.

    >>> from sciml_jax import train
    >>> train.adamw(100, 1e-3, weight_decay=1e-2).name
    'adamw'
    """
    options = {"learning_rate": as_rate(lr), "b1": b1, "b2": b2, "eps": eps, "weight_decay": float(weight_decay)}
    return OptaxStage("adamw", steps, optax.adamw, options, as_float(clip), resample)


def sgd(
    steps: int,
    lr: float | Schedule = 1e-2,
    *,
    momentum: float | None = None,
    nesterov: bool = False,
    clip: float | None = None,
    resample: int | None = 1,
) -> OptaxStage:
    r"""Gradient descent, $x \leftarrow x - \eta\, (g + \mu m)$, with momentum where asked for.

    **Arguments:** as `adam`, and `momentum` $\mu$, default none; `nesterov`, whether the momentum looks ahead.

    Source: H. Robbins, S. Monro, A stochastic approximation method, Ann. Math. Statist. 22 (1951),
    doi:10.1214/aoms/1177729586.

    >>> from sciml_jax import train
    >>> train.sgd(100, 0.1, momentum=0.9).name
    'sgd'
    """
    options = {"learning_rate": as_rate(lr), "momentum": as_float(momentum), "nesterov": nesterov}
    return OptaxStage("sgd", steps, optax.sgd, options, as_float(clip), resample)


def optax_stage(
    transformation: optax.GradientTransformation,
    steps: int,
    *,
    name: str = "optax",
    clip: float | None = None,
    resample: int | None = 1,
    float64: bool = False,
) -> OptaxStage:
    """Steps of any optax transformation, those with a line search included (`value`, `grad`, `value_fn` are given).

    It sees the trainable arrays only, in a pytree of the model's structure with `None` in the other places.

    **Arguments:** `transformation`; `steps`; `name` for the bar and the history; `clip` and `resample` as in `adam`;
    `float64`, whether the stage runs in float64 and casts back.

    **Raises:** `TypeError` for what is no transformation.

    **Cost:** a transformation is recognised by identity: make it once and fit many times, and nothing recompiles.

    >>> import optax
    >>> from sciml_jax import train
    >>> train.optax_stage(optax.lion(1e-4), 500, name="lion").name
    'lion'
    """
    if not isinstance(transformation, optax.GradientTransformation):
        raise TypeError(
            "transformation must be an optax.GradientTransformation such as optax.lion(1e-4); "
            f"got {type(transformation).__name__}"
        )
    return OptaxStage(name, steps, _given, {"transformation": transformation}, as_float(clip), resample, float64)


def _given(transformation: optax.GradientTransformation) -> optax.GradientTransformation:
    return transformation


def as_float(x: Any) -> float | None:
    """A Python float, which is traced without a dtype of its own (a NumPy float64 would widen float32 parameters)."""
    return None if x is None else float(x)


def as_rate(lr: Any) -> float | Schedule:
    """A learning rate as a float, or a schedule as it is."""
    if callable(lr):
        return lr
    try:
        rate = float(lr)
    except (TypeError, ValueError) as error:
        raise TypeError(f"lr must be a number or an optax schedule step -> lr; got {type(lr).__name__}") from error
    if not (rate > 0 and math.isfinite(rate)):
        raise ValueError(f"lr must be positive and finite; got {rate}")
    return rate


def check_steps(name: str, steps: Any) -> None:
    """`ValueError` unless `steps` is an integer of at least 0."""
    if isinstance(steps, bool) or not hasattr(steps, "__index__") or steps < 0:
        raise ValueError(f"{name}: steps must be an integer of at least 0; got {steps!r}")
