"""`solve_ensemble`: one differential equation, many initial states, parameters and time spans."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import ArrayLike, PyTree

from ..core import call_jitted, close
from ..core.entry import Static, is_traced_leaf, split_static, under_jit
from ..solve import arguments
from ..solve.failure import known
from ..solve.method import Method
from ..solve.sensitivity import Gradient, Recorded
from ..solve.solution import Solution
from .axes import Split, split
from .chunks import in_chunks
from .kernel import no_kernel, run_kernel
from .keys import solve_one, with_keys
from .lanes import run_lanes
from .options import checked
from .report import report_many
from .sharded import automatic, on_mesh
from .streams import in_streams
from .suits import together, unsuited
from .threads import cores
from .work import by_work, put_back, taken

_WARP = 32  # trajectories of a program of a kernel, which wait for the slowest of them
_MANY = 16_384  # trajectories from which threads are worth their pieces, however cheap one is
_FEWEST = 4  # trajectories for which lanes are worth their code


def solve_ensemble(
    field: Callable,
    t_span: tuple[ArrayLike, ArrayLike],
    y0: PyTree[ArrayLike],
    args: PyTree = None,
    *,
    in_axes: tuple = (0, 0),
    backend: str = "auto",
    chunk: int | None = None,
    streams: int | None = None,
    mesh: Mesh | None = None,
    key: Any = None,
    work: ArrayLike | None = None,
    gradient: Gradient | None = None,
    throw: bool = False,
    progress: bool = False,
    **options: Any,
) -> Solution:
    r"""Solves $dy/dt = f(t, y, \mathrm{args})$ for many initial states, parameters or time spans at once.

    **Arguments:**

    - `field`, `t_span`, `y0`, `args`: as for `solve_ode`; the field is that of one trajectory, or a `sj.Stochastic`,
      `sj.Langevin` or `sj.JumpProcess` (y0 an array of counts).
    - `key`: for these three, an array of keys, one for each trajectory, `jax.random.split(key, n)`; or one key,
      which is split.
    - `in_axes`: where the trajectories are, as for `jax.vmap`: `(axis of y0, axis of args)`, or
      `(axis of t_span, axis of y0, axis of args)`. An entry is an int, `None` (shared by all), or a pytree of these.
    - `backend`: `"vmap"` batches the solve by `jax.vmap`. `"lanes"` takes every small array apart, so that a chunk of
      trajectories is straight-line code over vectors, and each chunk ends with its own slowest trajectory: 5 to 10
      times faster for small systems on CPU. Sines, cosines, logarithms and powers are vector instructions there too,
      with errors of a few units in the last place. `"kernel"` is the same in one kernel of a GPU, for solves whose
      every array has 256 entries at most (final states, few saved times); for others it warns, with the reason, and
      batches. `"auto"` chooses between the first two by platform, field and number.
    - `chunk`: trajectories that run together (lanes: 64, with implicit methods 32 or 16; kernels: 32; vmap: all).
      Memory beside the results is that of one chunk.
    - `streams`: threads that share the trajectories out among them, on CPU and outside `jit`; by default one a core
      from 16,384 trajectories on. Fewer are worth it where each takes long.
    - `mesh`: a `jax.sharding.Mesh`, over all axes of which the trajectories are shared out; every device runs its own
      loops, and none waits for another. It may span several processes (`sj.ensemble.connect`), each of which then calls
      this function with the same input and holds its own share of the results.
      After `jax.config.update("jax_num_cpu_devices", n)`, before the first array, cores are such devices, inside `jit`
      too: on two of them in 0.51 to 0.54 of the time, where both shares take equally long.
    - `work`: an array of the work that each trajectory is expected to be, in any unit: `sol.stats["steps"]` of an
      earlier solve, or a parameter that makes it hard. Trajectories of like work then run together: what runs together
      ends with its slowest. Worth it where parameters are in no order and work differs by a factor of two and more.
    - `gradient`: `sj.Recorded()` by default: reverse mode, in which a chunk is solved again before it is pulled back;
      `sj.Forward()` for forward mode, in the same lanes. What is recorded has room for 4,096 times in every lane,
      or for `max_steps`, if given (10,240 Lorenz, gradient: 5 microseconds each with 2,000, 56 with 100,000).
    - `throw`: raise `sj.SolveError` if any trajectory failed; by default look at `sol.result`.
    - `progress`: a progress bar over the trajectories, outside `jit` and without a mesh.
    - `options`: everything else that `solve_ode` takes: `method`, `rtol`, `atol`, `save`, `events`, `dt`, ...

    **Returns** a `Solution` whose leaves lead with an axis of trajectories, in the order of the input: `sol.y`,
    `sol.stats`, `sol.result` and so on, the numbers that a loop of `solve_ode` gives; but `sol.state` is `None`, as an
    ensemble starts anew. One trajectory that fails neither stops nor changes the others.

    **Raises** `ValueError` or `TypeError` for what can be seen before solving.

    Cost: linear in the number of trajectories. Lanes compile in about the time of one solve.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> decay = lambda t, y, rate: -rate * y
    >>> sol = sj.solve_ensemble(decay, (0.0, 1.0), 1.0, jnp.linspace(0.0, 2.0, 100), in_axes=(None, 0))
    >>> sol.y.shape, bool(sol.success.all())
    ((100,), True)
    """
    if backend not in ("auto", "vmap", "lanes", "kernel"):
        raise ValueError(f'backend is "auto", "vmap", "lanes" or "kernel"; got {backend!r}')
    chunk = None if chunk is None else arguments.count("chunk", chunk)
    if backend == "kernel" and chunk is not None and (chunk < 16 or chunk & (chunk - 1)):
        raise ValueError(f"a program of a kernel runs a power of two of trajectories, 16 or more; got chunk={chunk!r}")
    if progress and mesh is not None:
        raise ValueError("progress= is for ensembles without a mesh: sj.sweep shows the progress of one on a mesh")
    if "state" in options:
        raise ValueError("an ensemble starts anew: state= continues single solves, by solve_ode")
    gradient = arguments.instance("gradient", Recorded() if gradient is None else gradient, Gradient)
    settings = (backend, chunk, automatic(mesh))
    streams = 1 if mesh is not None else streams if streams is None else arguments.count("streams", streams)
    options = checked(options, _span(t_span), arguments.floats(y0))
    args, in_axes = with_keys(field, key, t_span, y0, args, in_axes)
    parts = split(_span(t_span), arguments.floats(y0), args, in_axes)
    n = jax.tree.leaves(parts.rows)[0].shape[0]
    order = None if work is None else by_work(work, n, settings[2].size if settings[2] else 1)
    if order is not None:
        parts = parts._replace(rows=taken(parts.rows, order))

    def run(rows):
        return call_jitted(_solve, field, settings, parts._replace(rows=rows), gradient, options)

    with gradient.explained():
        threads = streams or (cores() if n >= _MANY else 1)
        threads = threads if jax.default_backend() == "cpu" else 1
        if (threads == 1 and not progress) or under_jit() or not known(parts, options) or _keys(parts.rows):
            solution = run(parts.rows)
        else:
            traced, static = split_static((field, settings, parts._replace(rows=None), gradient, options))
            key = (static, tuple((np.shape(x), jnp.result_type(x)) for x in traced))
            piece = lambda rows: _solve_rows(static, traced, rows)  # noqa: E731
            solution = in_streams(piece, parts.rows, n, settings[1], threads, key, progress)
    return report_many(solution if order is None else put_back(solution, order), throw)


def _keys(rows: list) -> bool:
    """Whether there are keys of random numbers among the rows, which NumPy's arrays cannot hold."""
    return any(jnp.issubdtype(x.dtype, jax.dtypes.extended) for x in jax.tree.leaves(rows))


def _span(t_span: Any) -> tuple[Any, Any]:
    """The ends of the time span; whole numbers become floats, as a new value must not recompile."""
    try:
        t0, t1 = t_span
    except (TypeError, ValueError):
        raise ValueError(f"t_span must be (t0, t1), two times or arrays of times; got {t_span!r}") from None
    return arguments.floats(t0), arguments.floats(t1)


@partial(jax.jit, static_argnums=0)
def _solve_rows(static: Static, traced: list, rows: list) -> Solution:
    """Some rows of an ensemble; what belongs to all of them is taken apart once."""
    field, settings, parts, gradient, options = static.join(traced)
    return _solve(field, settings, parts._replace(rows=rows), gradient, options)


def _solve(field, settings: tuple, parts: Split, gradient: Gradient, options: dict) -> Solution:
    backend, chunk, mesh = settings
    shared = [x if is_traced_leaf(x) else None for x in parts.shared]

    def one(shared, row):
        still = [x if new is None else new for x, new in zip(parts.shared, shared, strict=True)]
        t_span, y0, args = parts.join(still, row)
        solution = solve_one(field, t_span, y0, args, gradient=gradient, throw=False, **options)
        return eqx.tree_at(lambda s: s.state, solution, None)  # more than half of the bytes of a result

    row = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), parts.rows)
    solve = close(one, shared, row)
    n = jax.tree.leaves(parts.rows)[0].shape[0]
    platform = mesh.devices.flat[0].platform if mesh else jax.default_backend()
    lanes = chunk or _WARP
    varying = jax.tree.leaves((jax.tree.map(lambda x: False, shared), jax.tree.map(lambda x: True, parts.rows)))
    if backend == "kernel":
        why = no_kernel(solve, shared, parts.rows, lanes)
        if why:
            warnings.warn(f"the solve does not become a kernel, and runs as under vmap: {why}", stacklevel=2)
        backend = "vmap" if why else "kernel"
    elif backend == "auto":
        worth = platform == "cpu" and n >= _FEWEST and unsuited(solve.jaxpr, varying) is None
        backend = "lanes" if worth else "vmap"
    implicit = isinstance(method := options.get("method"), Method) and method.uses_jacobian
    forward = {"forward_mode": gradient.forward_mode}

    def share(given, rows):
        """What one device solves: all, without a mesh."""
        (solve, shared), count = given, jax.tree.leaves(rows)[0].shape[0]
        if backend == "kernel":
            return run_kernel(solve, shared, rows, lanes=lanes, interpret=platform != "gpu", **forward)
        size = chunk or (together(solve.jaxpr, varying, implicit) if backend == "lanes" else count)
        return in_chunks(several, given, rows, count, min(size, max(count, 1)))

    def several(given, rows):
        """A chunk of them."""
        solve, shared = given
        if backend == "lanes":
            return run_lanes(solve, shared, rows, **forward)
        return jax.vmap(lambda row: solve(shared, row))(rows)

    given = (solve, shared)
    return on_mesh(share, given, parts.rows, n, mesh) if mesh else share(given, parts.rows)
