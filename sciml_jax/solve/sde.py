"""`solve_sde`: the front of stochastic differential equations."""

from collections.abc import Callable
from typing import Any

from jaxtyping import ArrayLike, PyTree

from . import arguments
from .failure import known
from .noise import IncrementPath, Path
from .ode import solve_ode
from .solution import Solution
from .stochastic import EulerMaruyama, Stochastic, StochasticMethod


def solve_sde(
    drift: Callable,
    diffusion: Callable,
    t_span: tuple[ArrayLike, ArrayLike],
    y0: PyTree[ArrayLike],
    key: Any,
    args: PyTree = None,
    *,
    noise: str = "diagonal",
    interpretation: str = "ito",
    method: StochasticMethod | None = None,
    path: Path | Callable | None = None,
    dt: ArrayLike | None = None,
    steps: int | None = None,
    **options: Any,
) -> Solution:
    r"""Solves $dy = f(t, y, \mathrm{args})\,dt + g(t, y, \mathrm{args})\,dW$ from t0 to t1: one path.

    **Arguments:**

    - `drift`, `diffusion`: functions of (t, y, args); f has the structure and shapes of y, g those that `noise` says.
    - `t_span`, `y0`, `args`: as of `solve_ode`; y0 is real.
    - `key`: a key of `jax.random`, which decides the path: the same key, the same path. `None` with a given `path`.
    - `noise`: `"diagonal"`, `"scalar"`, `"additive"`, `"commutative"` or `"general"`: see `sj.Stochastic`.
    - `interpretation`: `"ito"` or `"stratonovich"`. A method for the other one converts the drift.
    - `method`: `sj.EulerMaruyama()` by default; `sj.Milstein()`, `sj.StratonovichHeun()`; for additive noise, of
      strong order 1.5, `sj.SRA1()` and `sj.ShARK()`.
    - `path`: where the noise comes from: a `sj.IncrementPath`, `sj.BrownianTree` or `sj.GivenPath`, or a function
      `path(t_span, shape, key)` that makes one, such as `sj.BrownianTree`. By default increments drawn step by step.
    - `dt`, `steps`: the constant step, or the number of equal steps (the faster loop): one of them is needed.
    - `options`: those of `solve_ode`: `save`, `events`, `gradient`, `projection`, `throw`, ...

    **Returns** a `Solution`. Between steps it is linear: save at the ends of steps.

    **Raises** `ValueError` or `TypeError` for what can be seen before solving, else what `solve_ode` raises.

    Many paths: `jax.vmap` over keys, or `sj.solve_ensemble(sj.Stochastic(drift, diffusion), ..., key=keys)`. Gradients
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
    arguments.callable_with("diffusion", diffusion, "t, y, args")
    method = arguments.instance("method", EulerMaruyama() if method is None else method, StochasticMethod)
    if key is None and not isinstance(path, Path):
        raise ValueError("solve_sde needs a key, jax.random.key(0), or a path=")
    span = arguments.span(t_span)
    if dt is None and steps is None and not method.adaptive:
        raise ValueError(f"{type(method).__name__} has constant steps: give dt=..., or a number of steps, steps=...")
    _check_resolution(path, span, dt, steps)
    field = Stochastic(drift, diffusion, noise, interpretation, path, key, span)
    return solve_ode(field, t_span, y0, args, method=method, dt=dt, steps=steps, **options)


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
