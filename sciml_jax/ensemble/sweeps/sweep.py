"""`sweep`: a function over more rows of parameters than fit into memory."""

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from ...solve import arguments
from ..chunks import filled
from ..processes import gathered
from ..progress import progress_bar
from ..threads import cores, in_threads
from .archive import Archive, Memory, named
from .points import Points, as_points
from .reduction import Reducer


class Swept(NamedTuple):
    """What a sweep has found: the results of all rows (NumPy arrays, or Zarr arrays on disk; `None` where they were
    not kept), the finished reductions (`None` without), and the number of rows."""

    results: PyTree
    reduced: PyTree
    n: int


def sweep(
    run: Callable[[PyTree], PyTree],
    points: PyTree | Points,
    *,
    reduce: PyTree = None,
    keep: bool | None = None,
    out: str | os.PathLike | None = None,
    chunk: int = 16_384,
    streams: int | None = None,
    progress: bool = True,
) -> Swept:
    """Runs a function over rows of parameters, chunk by chunk: their number is bounded by time alone, not by memory.

    **Arguments:**

    - `run(rows) -> results`: a function of many rows at once, such as one that calls `sj.solve_ensemble`. It is
      compiled once; rows and results are pytrees of arrays with a leading axis of the chunk's length.
    - `points`: a pytree of arrays with a leading axis, or what makes rows as they are needed: `sj.ensemble.Grid`,
      `Sobol`, `LatinHypercube`, `SaltelliDesign`, `Generated`.
    - `reduce`: `sj.ensemble.Moments()`, `Quantiles(...)`, `Histogram(...)`, `Extremes()`, `Fold(...)`, or a dictionary
      of such: summaries that are kept up to date, so that results need not be kept.
    - `keep`: whether all results are kept, in memory or in `out`; by default where there is no `reduce`.
    - `out`: a folder, from which a sweep that was killed goes on when it is called again: nothing that was written down
      is lost, and nothing counts twice. Results are kept there as Zarr arrays (`results.zarr`, with the points). Who
      changes `run` gives another folder: only points (samples of them, where they are generated), shapes and
      reductions are compared. Every process of several has a folder of its own, and no mesh with others.
    - `chunk`: rows that run together. Memory is that of two chunks for each of the `streams`, and one more.
    - `streams`: threads that run chunks; by default one a core on a CPU that is one device, else one, and always one
      where there are several processes.
    - `progress`: a progress bar.

    **Returns** `Swept(results, reduced, n)`. Reductions see the chunks in order: their values do not depend on
    `streams`, nor on being interrupted.

    **Raises** `ValueError` for points without rows, results without the axis of the chunk, or an `out` that holds
    another sweep; whatever `run` raises, after what is done was written down.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> def ends(rates):
    ...     sol = sj.solve_ensemble(lambda t, y, rate: -rate * y, (0.0, 1.0), 1.0, rates, in_axes=(None, 0))
    ...     return jnp.where(sol.success, sol.y, jnp.nan)
    >>> rates = sj.ensemble.Sobol(4096, (0.0, 2.0))
    >>> found = sj.sweep(ends, rates, reduce=sj.ensemble.Moments(), chunk=1024, progress=False)
    >>> float(found.reduced.mean)  # (1 - exp(-2)) / 2
    0.4323...
    """
    points = as_points(points)
    chunk = min(arguments.count("chunk", chunk), points.n)
    if points.n < 1:
        raise ValueError("there are no points: a sweep needs one row at least")
    call, like = _compiled(run, points, chunk)
    reducer = None if reduce is None else Reducer(reduce, like)
    keep = reduce is None if keep is None else keep
    results = Memory(points.n, like, keep) if out is None else Archive(out, points, like, reducer, keep)
    with progress_bar("sweep" if progress else None, results.done, points.n) as advance:
        try:
            for rows, values in _chunks(call, points, results.done, chunk, streams):
                if reducer:
                    reducer.add(rows, values)
                results.add(rows, values)
                advance(_count(rows))
        finally:
            results.save()
    return Swept(results.kept(), reducer.finish() if reducer else None, points.n)


def _count(rows: PyTree) -> int:
    return jax.tree.leaves(rows)[0].shape[0]


def _check_rows(rows: PyTree, start: int, count: int) -> None:
    counts = {x.shape[:1] for x in jax.tree.leaves(rows)}
    if counts != {(count,)}:
        raise ValueError(f"points.rows({start}, {start + count}) must have {count} rows; got {sorted(counts)}")


def _types(rows: PyTree) -> list:
    return [(x.shape[1:], str(x.dtype)) for x in jax.tree.leaves(rows)]


def _array(x: np.ndarray) -> Array:
    """An array of JAX with the same numbers: without 64 bits, integers may be too large."""
    array = jnp.asarray(x)
    if np.issubdtype(x.dtype, np.integer) and array.dtype != x.dtype and not np.array_equal(array, x):
        raise ValueError(
            f"points hold integers that {array.dtype} does not: with jax.config.update('jax_enable_x64', True) they "
            f"stay {x.dtype}"
        )
    return array


def _compiled(run: Callable, points: Points, chunk: int) -> tuple[Callable, PyTree]:
    """`run`, compiled for a chunk, and the shapes of one row of its results."""
    rows = points.rows(0, chunk)
    _check_rows(rows, 0, chunk)
    rows = jax.tree.map(_array, rows)
    try:
        compiled = jax.jit(run).lower(rows).compile()
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        raise TypeError(
            "run is compiled by JAX for a chunk of rows: use jax.numpy in it (jnp.where for if), or jax.pure_callback"
        ) from error
    out = compiled.out_info
    if not jax.tree.leaves(out):
        raise ValueError(f"run must return an array or a pytree of arrays with a leading axis of rows; got {out}")
    for name, x in named(out, "results"):
        if x.shape[:1] != (chunk,):
            raise ValueError(
                f"results of a sweep lead with the axis of the chunk, here {chunk}; {name} has the shape {x.shape}"
            )
    return compiled, jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), out)


def _chunks(
    call: Callable, points: Points, start: int, chunk: int, streams: int | None
) -> Iterator[tuple[PyTree, PyTree]]:
    """The rows of every chunk and its results, in order; the next ones are under way meanwhile."""
    alone = jax.default_backend() == "cpu" and jax.device_count() == 1
    threads = cores() if alone else 1
    if streams is not None and jax.process_count() == 1:  # processes must run their chunks in one order
        threads = arguments.count("streams", streams)
    several, expected = jax.process_count() > 1, _types(points.rows(0, 1))

    def begin(at: int) -> tuple[PyTree, PyTree]:
        count = min(chunk, points.n - at)
        rows = points.rows(at, at + count)
        _check_rows(rows, at, count)
        if (found := _types(rows)) != expected:
            raise ValueError(
                f"points.rows({at}, {at + count}) has other leaves than the first rows: {found}, {expected}"
            )
        # the last chunk repeats its last row: another length would have to be compiled
        out = call(jax.tree.map(_array, filled(rows, chunk, np)))
        return rows, gathered(out) if several else out  # processes exchange their results in one order

    def end(at: int, begun: tuple[PyTree, PyTree]) -> tuple[PyTree, PyTree]:
        rows, out = begun
        return rows, jax.tree.map(lambda x: np.asarray(x)[: _count(rows)], out)

    yield from in_threads(begin, end, range(start, points.n, chunk), threads)
