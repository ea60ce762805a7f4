"""One ensemble on several cores: pieces of it in threads, each a call of one compiled function."""

from collections.abc import Callable

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .chunks import filled
from .memory import empty
from .progress import progress_bar
from .threads import in_threads

_GRAIN = 1024  # trajectories of the smallest piece, whose call costs as much as a few hundred of them
_FEW, _PIECES = 8, 16  # a core: many, so that a slow one leaves its last pieces to others, where they are no small ones
_SHOWN = 50  # pieces of an ensemble that shows how far it is
_warm: dict = {}  # what has been compiled last, and what a row of its results looks like
_KNOWN = 32  # how many of them: functions that their user has forgotten are not kept for ever


def in_streams(
    run: Callable[[PyTree], PyTree],
    rows: PyTree,
    n: int,
    chunk: int | None,
    streams: int,
    key,
    progress: bool = False,
) -> PyTree:
    """`run(rows)` of n rows, in pieces of equal size that `streams` threads take in turn; results in their order.

    XLA runs a program for CPU in the thread that calls it, without Python's lock. `key` stands for what `run` compiles:
    the first piece of something new is run alone. A piece is dealt whole numbers of chunks from all over the ensemble,
    as the work often grows along it; what is missing to the last one repeats the last row. With `progress` a bar moves
    piece by piece.
    """
    grain = _GRAIN if chunk is None else chunk * max(1, _GRAIN // chunk)
    pieces = max(_FEW * streams, min(_PIECES * streams, n // (2 * grain)))
    count = min(max(pieces, _SHOWN if progress else 0), n // grain)
    name = "ensemble" if progress else None
    if count < 2:
        with progress_bar(name, 0, n) as advance:
            out = jax.block_until_ready(run(rows))
            advance(n)
        return out
    count = _evenly(-(-n // grain), count, streams)
    share = -(-n // (grain * count))  # grains of a piece
    size = share * grain
    padded = filled(jax.tree.map(np.asarray, rows), size * count, np)
    # a change of shapes, types or precision is something new
    like = tuple((x.shape[1:], x.dtype) for x in jax.tree.leaves(padded))
    first, key = None, (key, size, like, str(jnp.zeros(()).dtype))

    def dealt(x: np.ndarray) -> np.ndarray:
        return x.reshape(share, count, grain, *x.shape[1:])

    def piece(i: int) -> PyTree:
        return run(jax.tree.map(lambda x: dealt(x)[:, i].reshape(size, *x.shape[1:]), padded))

    def put(i: int, out: PyTree) -> None:
        for whole, part in zip(arrays, jax.tree.leaves(jax.block_until_ready(out)), strict=True):
            assert whole.shape[1:] == part.shape[1:] and whole.dtype == part.dtype
            dealt(whole)[:, i] = np.asarray(part).reshape(share, grain, *part.shape[1:])

    row = _warm.get(key)
    if row is None:
        first = piece(0)
        if any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(first)):
            return run(rows)  # the field has closed over something that is being differentiated
        row = _warm[key] = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), first)
        while len(_warm) > _KNOWN:
            _warm.pop(next(iter(_warm)), None)
    out_like, tree = jax.tree.flatten(row)
    arrays = [empty((size * count, *x.shape), x.dtype) for x in out_like]
    if first is not None:
        put(0, first)
    begin = 0 if first is None else 1
    with progress_bar(name, begin * size, n) as advance:
        for i, _ in zip(range(begin, count), in_threads(piece, put, range(begin, count), streams), strict=True):
            advance(max(0, min(size, n - i * size)))
    return jax.tree.unflatten(tree, [jax.device_put(x[:n], may_alias=True) for x in arrays])


def _evenly(grains: int, least: int, streams: int) -> int:
    """The number of pieces, up to twice the least, with which `streams` threads are done first."""
    rounds = lambda count: -(-count // streams) * -(-grains // count)
    return min(range(least, min(2 * least, grains) + 1), key=rounds)
