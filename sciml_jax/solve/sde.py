"""`solve_sde`: the front of stochastic differential equations."""

from collections.abc import Callable
from typing import Any

from jaxtyping import ArrayLike, PyTree

from . import arguments
from .failure import known
from .method import Method
from .noise import BrownianTree, IncrementPath, Path
from .ode import solve_ode
from .solution import Solution
from .step_size import Controller
from .stochastic import BAOAB, DyadicSteps, EulerMaruyama, Langevin, Stochastic

_DEPTH = 24  # levels of the tree of adaptive solves: steps down to 6e-8 of the span
_FIRST = 100  # what the span is divided by for the first adaptive step, which is rejected where that is too long


def solve_sde(
    drift: Callable,
    diffusion: Callable | None,
    t_span: tuple[ArrayLike, ArrayLike],
    y0: PyTree[ArrayLike],
    key: Any,
    args: PyTree = None,
    *,
    noise: str = "diagonal",
    interpretation: str = "ito",
    method: Method | None = None,
    path: Path | Callable | None = None,
    dt: ArrayLike | None = None,
    steps: int | None = None,
    **options: Any,
) -> Solution:
    r"""Solves $dy = f(t, y, \mathrm{args})\,dt + g(t, y, \mathrm{args})\,dW$ from t0 to t1: one path.

    **Arguments:**

    - `drift`, `diffusion`: functions of (t, y, args); f has the structure and shapes of y, g those that `noise` says.
      Or a `sj.Langevin` and `None`, for `sj.BAOAB()` (then the default) and `sj.OBABO()`.
    - `t_span`, `y0`, `args`: as of `solve_ode`; y0 is real.
    - `key`: a key of `jax.random`, which decides the path: the same key, the same path. `None` with a given `path`.
    - `noise`: `"diagonal"`, `"scalar"`, `"additive"`, `"commutative"` or `"general"`: see `sj.Stochastic`.
    - `interpretation`: `"ito"` or `"stratonovich"`. A method for the other one converts the drift.
    - `method`: `sj.EulerMaruyama()` by default; `sj.Milstein()`, `sj.StratonovichHeun()`, `sj.SPaRK()`; of strong
      order 1.5 `sj.SRIW1()` and `sj.SOSRI()` for diagonal and scalar noise, `sj.SRA1()`, `sj.SOSRA()` and `sj.ShARK()`
      for additive noise; for stiff drifts `sj.SKenCarp()`, of order 1.5 for additive noise, and
      `sj.ImplicitEulerMaruyama()`; for expectations `sj.DRI1()`, of weak order 2.
    - `path`: where the noise comes from: a `sj.IncrementPath`, `sj.BrownianTree` or `sj.GivenPath`, or a function
      `path(t_span, shape, key)` that makes one, such as `sj.BrownianTree`. By default increments drawn step by step;
      with adaptive steps a `sj.BrownianTree(..., area=True, depth=24)`.
    - `dt`, `steps`: the constant step, or the number of equal steps (the faster loop). Without them the steps are
      adaptive, where the method has an error estimate (Heun's, SPaRK, and those of order 1.5).
    - `options`: those of `solve_ode`: `rtol`, `atol`, `save`, `events`, `gradient`, `projection`, `throw`, ...

    **Returns** a `Solution`. Between steps it is linear: save at the ends of steps (`step_to=` makes them ends).

    **Adaptive steps** are judged by the difference to a method whose order is lower by a half, for noise that commutes.
    A rejected step is repeated on the same path. Whether a step is accepted depends on its noise, which biases its
    error: that of the whole solve falls with the tolerance, but for methods of order 1.5 at last as its power 2/3. The
    ends of steps are rounded, by `sj.DyadicSteps`, unless `controller=` says otherwise. A solve that asks for steps
    shorter than the path's finest intervals ends with `dt_min_reached`: give a finer tree.

    **Raises** `ValueError` or `TypeError` for what can be seen before solving, else what `solve_ode` raises.

    Many paths: `jax.vmap` over keys, or `sj.solve_ensemble` of a `sj.Stochastic` or `sj.Langevin`, key=keys. Gradients
    (`sj.Recorded`, or any of JAX with `steps=`) are those of the path that was computed: the noise is drawn again, not
    stored.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: 0.5 * jnp.ones_like(y))
    >>> end = lambda key: sj.solve_sde(drift, diffusion, (0.0, 5.0), 0.0, key, noise="additive", steps=500).y
    >>> ends = jax.vmap(end)(jax.random.split(jax.random.key(0), 4000))
    >>> bool(abs(jnp.std(ends) - 0.5 / jnp.sqrt(2.0)) < 0.02)  # of the Ornstein-Uhlenbeck process
    True
    """
    arguments.callable_with("drift", drift, "t, y, args")
    if isinstance(drift, Langevin) != (diffusion is None):
        raise TypeError("diffusion is a function of (t, y, args), and None where the drift is a sj.Langevin alone")
    if diffusion is not None:
        arguments.callable_with("diffusion", diffusion, "t, y, args")
    default = BAOAB() if isinstance(drift, Langevin) else EulerMaruyama()
    method = arguments.instance("method", default if method is None else method, Method)
    if not method.takes_noise:
        raise TypeError(
            f"{type(method).__name__} is for equations without noise: give method=sj.EulerMaruyama() or another one "
            "for stochastic equations"
        )
    if key is None and not isinstance(path, Path):
        raise ValueError("solve_sde needs a key, jax.random.key(0), or a path=")
    span = arguments.span(t_span)
    controller = options.get("controller")
    chosen = isinstance(controller, Controller) and not controller.adaptive
    if dt is None and steps is None and not chosen:
        if not method.adaptive:
            name = type(method).__name__
            raise ValueError(f"{name} has constant steps: give dt=..., or a number of steps, steps=...")
        path, options = _adaptive(path, span, key, options)
    if not chosen:
        _check_resolution(path, span, dt, steps)
    _check_span(path, span)
    field: Any = None
    if isinstance(drift, Langevin):
        field = Langevin(drift.force, drift.friction, drift.temperature, drift.mass, path, key, span)
    elif diffusion is not None:
        field = Stochastic(drift, diffusion, noise, interpretation, path, key, span)
    return solve_ode(field, t_span, y0, args, method=method, dt=dt, steps=steps, **options)


def _tree(t_span: tuple, shape: tuple[int, ...], key: Any) -> BrownianTree:
    """The path of adaptive steps; a function of the module, as what is compiled is known by it."""
    return BrownianTree(t_span, shape, key, area=True, depth=_DEPTH)


def _adaptive(path: Any, span: tuple, key: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A path that can be read again after a rejected step, and bounds of the steps on it."""
    if path is None:
        path = _tree
    probe = path if isinstance(path, Path) else path(span, (), key)
    if not probe.reconstructible:
        raise ValueError(
            f"steps that are chosen by tolerances may be rejected, and sj.{type(probe).__name__} cannot be read again "
            "over another interval: give dt= or steps=, or path=sj.BrownianTree(..., area=True), as by default"
        )
    found = {"dt_min": probe.finest, "dt0": (span[1] - span[0]) / _FIRST, "controller": DyadicSteps()}
    if known(span) and float(span[0]) == float(span[1]):
        del found["dt0"], found["dt_min"]
    return path, found | {k: v for k, v in options.items() if v is not None}


def _check_span(path: Any, span: tuple) -> None:
    """Raises where it is known that a tree does not reach over the span: outside of its own it is constant."""
    if not isinstance(path, BrownianTree) or not known(path.t_span, span):
        return
    own, asked = (sorted(float(t) for t in times) for times in (path.t_span, span))
    slack = 1e-6 * (abs(asked[0]) + abs(asked[1]))  # of times in other dtypes
    if asked[0] < own[0] - slack or asked[1] > own[1] + slack:
        raise ValueError(
            f"path= is a sj.BrownianTree over {own[0]:g} to {own[1]:g}, outside of which there is no noise, but t_span "
            f"goes from {asked[0]:g} to {asked[1]:g}: make the tree for the whole span"
        )


def _check_resolution(path: Any, span: tuple, dt: Any, steps: int | None) -> None:
    """Raises where it is known that steps are no whole numbers of a path's cells."""
    if not isinstance(path, IncrementPath) or path.resolution is None or not known(path.t_span, span, dt):
        return
    cell = abs(float(path.t_span[1]) - float(path.t_span[0])) / path.resolution
    step = abs(float(dt)) if dt is not None else abs(float(span[1]) - float(span[0])) / arguments.count("steps", steps)
    cells = step / cell
    if abs(cells - round(cells)) > 1e-3 or round(cells) < 1:
        raise ValueError(
            f"a step of {step:g} is {cells:g} cells of path=, which has a resolution of {path.resolution} cells of "
            f"{cell:g}: give steps of whole cells, or sj.BrownianTree"
        )
