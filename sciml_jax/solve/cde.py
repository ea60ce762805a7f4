"""`solve_cde` and `log_ode`: the fronts of controlled differential equations."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike, PyTree

from . import arguments
from .control import Brackets, ByPieces, Control, Controlled, LinearPath, StepPath, in_windows
from .explicit import RK4, RungeKutta
from .failure import known
from .implicit import Collocation, Dirk, Rosenbrock
from .method import Method
from .ode import solve_ode
from .saving import Final, Steps, as_saves
from .solution import Solution

_ONE_STEP = (RungeKutta, Rosenbrock, Dirk, Collocation)


def solve_cde(
    field: Callable,
    control: Control,
    t_span: tuple[ArrayLike, ArrayLike] | None,
    y0: PyTree[ArrayLike],
    args: PyTree = None,
    *,
    method: Method | None = None,
    knot_steps: int | None = None,
    **options: Any,
) -> Solution:
    r"""Solves the controlled differential equation $dy = F(t, y, \mathrm{args})\, dX$, that is

    $$y(t) = y_0 + \int_{t_0}^t F(s, y(s), \mathrm{args})\, \frac{dX}{ds}\, ds$$

    **Arguments:**

    - `field`: `field(t, y, args) -> F`, shape (*y.shape, channels); for a pytree y the pytree of these.
    - `control`: the path X with its channels: `sj.LinearPath`, `sj.CubicPath`, `sj.HermitePath`,
      `sj.RectilinearPath`, or another `sj.Control`. Make time one of the channels where the solution is to know it.
    - `t_span`: `(t0, t1)`; `None`: from the first knot to the last. `y0`, `args`: as of `solve_ode`.
    - `method`: `sj.Tsit5()` by default, `sj.RK4()` with `knot_steps`.
    - `knot_steps`: so many equal steps of the method from every knot to the next, instead of adaptive ones: a scan
      over the pieces of the path, the fastest way; the whole span of the path, `save` of `None` or `sj.Steps`.
    - `options`: those of `solve_ode`: `save`, `rtol`, `events`, `gradient`, ... Where the derivative of the path jumps,
      `step_to` are its knots by default; `step_to=[]` steps over them. The second derivative of a `sj.HermitePath`
      jumps: give `step_to=control.ts` for tolerances under 1e-6 or so. Not `has_aux`.

    **Returns** a `Solution`. Its `stats` count evaluations of F.

    **Raises** `ValueError` or `TypeError` for what can be seen before solving, else what `solve_ode` raises.

    Gradients go to y0, args, the times and the observations of the path. One sample: batch with `jax.vmap` over paths.
    The solution depends on the path, not on how fast it is gone through; times with gaps of any size are no trouble.

    Source: P. Kidger, J. Morrill, J. Foster, T. Lyons, Neural controlled differential equations for irregular time
    series, NeurIPS 2020, arXiv:2005.08926.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> ts = jnp.linspace(0.0, 1.0, 11)
    >>> control = sj.CubicPath(ts, jnp.sin(3 * ts)[:, None])
    >>> sol = sj.solve_cde(lambda t, y, args: y[:, None], control, (0.0, 1.0), jnp.ones(1))  # dy = y dX
    >>> bool(abs(sol.y[0] - jnp.exp(control(1.0) - control(0.0))[0]) < 1e-4)
    True
    """
    arguments.callable_with("field", field, "t, y, args")
    _check_control(control)
    if options.get("has_aux"):
        raise TypeError("solve_cde takes no has_aux: F alone is what the field returns")
    if knot_steps is not None:
        return _by_knots(field, control, t_span, y0, args, method, arguments.count("knot_steps", knot_steps), options)
    if options.get("step_to") is None and not control.smooth and options.get("steps") is None:
        options["step_to"] = control.ts[1:-1]
    span = arguments.span(control.t_span if t_span is None else t_span)
    return solve_ode(Controlled(field, control, span), span, y0, args, method=method, **options)


def log_ode(
    field: Callable,
    control: LinearPath,
    y0: PyTree[ArrayLike],
    args: PyTree = None,
    *,
    window: int,
    depth: int = 2,
    method: Method | None = None,
    knot_steps: int | None = 1,
    **options: Any,
) -> Solution:
    r"""Solves $dy = F(y, \mathrm{args})\, dX$ over a long series by the log-ODE method: in every window of the series

    $$\frac{dy}{ds} = \sum_w \lambda_w F_w(y), \quad 0 \le s \le 1, \qquad
    F_{uv} = [F_u, F_v] = DF_v \cdot F_u - DF_u \cdot F_v$$

    with the log-signature $\lambda$ of X in the window (`sj.log_signature`) and the Lie brackets of the columns of F
    over the Lyndon words w of up to `depth` letters. Steps go over windows instead of observations.

    **Arguments:**

    - `field`, `y0`, `args`: as of `solve_cde`; F should not depend on t: make time a channel of the path.
    - `control`: a `sj.LinearPath`. `window`: observations a window (the last one may be shorter).
    - `depth`: 1, 2, 3, ...: the error of a window of small increments h is of order depth + 1 in h; depth 1 sees the
      increment alone. `method`, `knot_steps`: steps a window, of `sj.RK4()`; `knot_steps=None`: adaptive ones.
    - `options`: those of `solve_cde`; saved times are ends of windows (`save=sj.Steps()`).

    **Returns** a `Solution`; **raises** as `solve_cde` does.

    Cost: an evaluation is one of F and, at depth 2, of as many of its directional derivatives as there are channels.

    Source: J. Morrill, C. Salvi, P. Kidger, J. Foster, Neural rough differential equations for long time series, ICML
    2021, arXiv:2009.08295.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> ts = jnp.linspace(0.0, 1.0, 257)
    >>> path = sj.LinearPath(ts, jnp.stack([jnp.cos(6 * ts), jnp.sin(6 * ts)], 1))
    >>> field = lambda t, y, args: jnp.stack([jnp.sin(y[::-1]), jnp.cos(y)], 1)
    >>> exact = sj.solve_cde(field, path, None, jnp.ones(2), knot_steps=1).y
    >>> for depth in (1, 2):
    ...     y = sj.log_ode(field, path, jnp.ones(2), window=16, depth=depth).y
    ...     print(depth, bool(jnp.max(jnp.abs(y - exact)) < 0.003))
    1 False
    2 True
    """
    arguments.callable_with("field", field, "t, y, args")
    if not isinstance(control, LinearPath):
        name = type(control).__name__
        raise TypeError(f"log_ode takes a sj.LinearPath, whose log-signatures are known; got {name}: sample its values")
    if control.xs.ndim != 2:
        raise ValueError(f"log_ode needs a path with channels, xs of shape (n, channels); got {control.xs.shape}")
    window, depth = arguments.count("window", window), arguments.count("depth", depth)
    brackets = Brackets(field, control.channels, depth)
    path = _windows(control, depth, window)
    return solve_cde(brackets, path, None, y0, args, method=method, knot_steps=knot_steps, **options)


_windows = eqx.filter_jit(in_windows)


def _check_control(control: Any) -> None:
    if isinstance(control, StepPath):
        raise TypeError(
            "control is a sj.StepPath, whose jumps have no derivative: give sj.RectilinearPath, which walks through "
            "them, or read the path in the field of solve_ode"
        )
    if not isinstance(control, Control):
        raise TypeError(f"control must be a path such as sj.CubicPath(ts, xs); got {control!r}")
    shape = jax.eval_shape(lambda c: c.derivative(c.ts[0]), control).shape
    if len(shape) != 1:
        raise ValueError(f"control must have the shape (channels,) at a time; it has {shape}: use jax.vmap for a batch")


def _by_knots(field, control, t_span, y0, args, method, knot_steps: int, options: dict) -> Solution:
    """Equal steps from knot to knot, in the path's own parameter, as the one scan of equal steps."""
    method = arguments.instance("method", RK4() if method is None else method, Method)
    if not isinstance(method, _ONE_STEP):
        kinds = ", ".join(f"sj.{kind.__name__}" for kind in _ONE_STEP)
        raise TypeError(f"knot_steps= is for one-step methods ({kinds}), which start anew at a knot; got {method!r}")
    refused = [k for k in ("dt", "dt0", "steps", "controller", "step_to", "state") if options.get(k) is not None]
    if refused:
        raise ValueError(f"knot_steps= says what the steps are; give no {'=, no '.join(refused)}=")
    if not all(isinstance(save, Final | Steps) for save in as_saves(options.get("save"))[0]):
        raise ValueError("with knot_steps= save is None or sj.Steps(): every knot is a step; interpolate between them")
    if options.get("events"):
        raise ValueError("knot_steps= goes from knot to knot and takes no events: leave it out")
    first, last = control.t_span
    if t_span is not None and known(t_span, control.ts):
        t0, t1 = (float(t) for t in arguments.span(t_span))
        near = 1e-5 * max(abs(float(first)), abs(float(last)))
        if abs(t0 - float(first)) > near or abs(t1 - float(last)) > near:
            raise ValueError(
                f"knot_steps= goes from the first knot to the last, {float(first):g} to {float(last):g}; got t_span "
                f"({t0:g}, {t1:g}): give None"
            )
    pieces = control.pieces
    options = {**options, "method": ByPieces(method), "steps": knot_steps * pieces}
    sol = solve_ode(Controlled(field, control), (0.0, float(pieces)), y0, args, **options)
    return _at_times(sol, control, knot_steps)


def _at_times(sol: Solution, control: Control, knot_steps: int) -> Solution:
    """The solution with times of the path instead of its parameter."""

    def time(s):
        k = jnp.clip(jnp.floor(s).astype(jnp.int32), 0, control.pieces - 1)
        return control.time(k, s - k.astype(s.dtype))

    times = jax.tree.map(time, sol.t)
    return eqx.tree_at(lambda s: s.t, sol, times)


__all__ = ["log_ode", "solve_cde"]
