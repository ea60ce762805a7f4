"""`solve_ode`: the front of every ordinary differential equation."""

from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import ArrayLike, PyTree

from ..core import call_jitted, trees
from . import arguments, checks
from .events import Event
from .explicit import Tsit5
from .failure import report
from .job import Resume
from .matrices import Krylov, as_mass, as_pattern
from .method import Method
from .prepare import Request, prepare
from .saving import as_saves
from .sensitivity import Gradient, Recorded
from .solution import Solution, assemble
from .step_size import ConstantSteps, Controller, EqualSteps, PIController


def solve_ode(
    field: Callable,
    t_span: tuple[ArrayLike, ArrayLike],
    y0: PyTree[ArrayLike],
    args: PyTree = None,
    *,
    method: Method | None = None,
    rtol: PyTree[ArrayLike] = 1e-6,
    atol: PyTree[ArrayLike] = 1e-9,
    save: Any = None,
    events: Event | Sequence[Event] = (),
    gradient: Gradient | None = None,
    controller: Controller | None = None,
    dt0: ArrayLike | None = None,
    dt: ArrayLike | None = None,
    steps: int | None = None,
    dt_min: ArrayLike | None = None,
    dt_max: ArrayLike | None = None,
    step_to: ArrayLike | None = None,
    max_steps: int | None = None,
    max_events: int = 1000,
    mass: Any = None,
    jacobian: Callable | None = None,
    jac_pattern: Any = None,
    linear_solver: Krylov | None = None,
    initial: str = "given",
    norm: Callable = trees.rms_norm,
    projection: Callable | None = None,
    has_aux: bool = False,
    throw: bool = True,
    progress: bool = False,
    state: Resume | None = None,
) -> Solution:
    r"""Solves $dy/dt = f(t, y, \mathrm{args})$, $y(t_0) = y_0$ from t0 to t1.

    **Arguments:**

    - `field`: `field(t, y, args) -> dy/dt`, of the structure, shapes and dtypes of y; or a structured field
      (`sj.Separable`, `sj.SecondOrder`). One sample: batch with `jax.vmap`.
    - `t_span`: `(t0, t1)`; t1 < t0 goes backwards. Times have the real dtype of `y0`.
    - `y0`: initial state, any pytree of real or complex arrays. `args`: any pytree; arrays and floats in it are
      traced and differentiable, other leaves are static.
    - `method`: `Tsit5()` by default. `rtol`, `atol`: relative and absolute tolerance of the local error, numbers,
      arrays or pytrees like `y0` (1e-6, 1e-9).
    - `save`: `None` (the final state), an array of times, `sj.Times`, `sj.Steps`, `sj.Dense`, `sj.Final`, or a
      dictionary of these.
    - `events`: a `sj.Event` or a list of them; at most `max_events` (1,000) happen.
    - `gradient`: `sj.Recorded()` by default; `sj.Forward()` for forward mode, `sj.Backsolve()` for constant memory.
    - `controller`: step-size control, `sj.PIController()` by default. `dt0`: first step. Instead of both: `dt`, a
      constant step, or `steps`, the exact number of equal steps (with `save` `None` or `sj.Steps` a scan; an event
      or a time of `step_to` cuts one in two).
    - `dt_min`, `dt_max`: bounds of the step size. `step_to`: times to step to exactly, where an input jumps.
    - `max_steps`: attempts before giving up (static). By default 100,000; a gradient has room for all where the step
      is constant or where `max_steps` is given, and else for 4,096.
    - `mass`: the matrix M of $M \dot y = f$, shape (n, n), its diagonal (n,), or a lineax operator; a constant, and
      singular for differential-algebraic equations (of index 1). For Rosenbrock methods, `sj.Radau5`, `sj.RadauIIA`
      and `sj.BDF`.
    - `initial`: with a singular `mass`, whether y0 must satisfy the algebraic equations (`"given"`: else the solve
      ends with `inconsistent_initial`), or its algebraic variables are found (`"find"`, starting from y0).
    - `jacobian`: `jacobian(t, y, args)`, the matrix df_i/dy_j of shape (n, n), for implicit methods; by default they
      differentiate the field.
    - `jac_pattern`: where the Jacobian may be other than zero: a boolean matrix (n, n), `(lower, upper)` for a band, or
      `"dense"`; by default implicit methods read it from the field (from 64 unknowns on).
    - `linear_solver`: `sj.Krylov()` for Newton's iteration without matrices; by default they are factorised.
    - `norm`: of the scaled error, `norm(tree) -> number`. `projection`: `projection(t, y, args) -> y` after every
      accepted step. `has_aux`: the field returns `(dy, aux)`, saved as `sol.aux`.
    - `throw`: raise when the solve fails; else look at `sol.result`. `progress`: show a bar.
    - `state`: `sol.state` of a solve that ended at t0, to continue it without a new start.

    **Returns** a `Solution`: `t`, `y`, `n`, `aux`, `stats`, `result`, `event`, `state`; callable when dense.

    **Raises** `ValueError` or `TypeError` for what can be seen before solving, and `sj.SolveError` (eagerly, with
    `.solution`; under `jit` a runtime error) for what happens on the way.

    Cost: compiled once for a field, a method and shapes; a new tolerance, span or parameter never recompiles, a new
    lambda does.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> def lotka_volterra(t, y, args):
    ...     prey, predator = y
    ...     a, b, c, d = args
    ...     return jnp.stack([a * prey - b * prey * predator, c * prey * predator - d * predator])
    >>> sol = sj.solve_ode(lotka_volterra, (0.0, 20.0), jnp.array([10.0, 5.0]), (1.1, 0.4, 0.1, 0.4))
    >>> sol.y.shape
    (2,)
    """
    t_span = arguments.span(t_span)
    method = arguments.instance("method", Tsit5() if method is None else method, Method)
    gradient = Recorded() if gradient is None else gradient
    saves, names = as_saves(save)
    request = Request(
        field=field,
        t_span=t_span,
        y0=arguments.floats(y0),
        args=args,
        method=method,
        controller=_controller(controller, method, dt0, dt, steps),
        rtol=arguments.floats(rtol),
        atol=arguments.floats(atol),
        saves=saves,
        events=arguments.event_list(events),
        dt0=arguments.nonzero("dt0", dt0) if dt is None else arguments.nonzero("dt", dt),
        dt_min=arguments.positive("dt_min", dt_min),
        dt_max=arguments.positive("dt_max", dt_max),
        step_to=arguments.stops(step_to),
        norm=norm,
        jacobian=jacobian,
        jac_pattern=as_pattern(jac_pattern, linear_solver),
        mass=as_mass(mass),
        initial=initial,
        projection=projection,
        has_aux=has_aux,
        progress=progress,
        max_steps=None if max_steps is None else arguments.count("max_steps", max_steps),
        max_events=arguments.count("max_events", max_events),
        resume=state,
        sorted_saves=checks.sorted_saves(saves, t_span),
    )
    checks.check(request, gradient)
    with gradient.explained():
        solution = call_jitted(_solve, request, gradient, names)
    return report(solution, t_span, throw)


def _solve(request: Request, gradient: Gradient, names: tuple[str, ...] | None) -> Solution:
    job = prepare(request)
    return assemble(job, gradient.solve(job), names)


def _controller(controller: Controller | None, method: Method, dt0, dt, steps) -> Controller:
    """The step control that the arguments ask for."""
    given = {"controller": controller, "dt": dt, "steps": steps}
    several = [name for name, value in given.items() if value is not None]
    if len(several) > 1:
        raise ValueError(f"{' and '.join(f'{name}=' for name in several)} exclude one another: give one of them")
    if steps is not None:
        return EqualSteps(arguments.count("steps", steps))
    if dt is not None:
        if dt0 is not None:
            raise ValueError("dt= is a constant step and dt0= the first of adaptive steps: give one of them")
        return ConstantSteps()
    controller = arguments.instance("controller", PIController() if controller is None else controller, Controller)
    if controller.adaptive and not method.adaptive:
        raise ValueError(
            f"{type(method).__name__} has no error estimate, so it cannot choose its steps: "
            "give a constant step, dt=..., or a number of steps, steps=..."
        )
    return controller
