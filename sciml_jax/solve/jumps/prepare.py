"""One path of a jump process as a job: functions traced, arguments checked."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from ...core import Table, close
from ...core.entry import Static, split_static
from .. import arguments
from ..failure import known
from ..job import Job
from ..noise.threefry import Words
from ..problem import Problem
from ..saving import Save, Times
from ..step_size import ConstantSteps
from .local_rates import LocalRates
from .mass_action import MassAction
from .method import JumpMethod
from .network import Network


def prepare(given: tuple, method: JumpMethod, saves, ordered, max_steps: int) -> tuple[Job, Network, Words]:
    """The job of a path, its network and its key, all functions traced."""
    rates, changes, span, start, words, args = given
    x0 = jnp.asarray(start)
    dtype = x0.dtype if jnp.issubdtype(x0.dtype, jnp.floating) else jnp.result_type(float)
    t0, t1 = (jnp.asarray(t, dtype).reshape(()) for t in span)
    traced, static = split_static(args)
    arrays = [jnp.asarray(x) for x in traced]
    network = _network(rates, changes, t0, x0, dtype, arrays, static, method.total_bound)
    method.check(network)
    network, t0, t1, x0 = _undifferentiated((network, t0, t1, x0))

    def closed(function: Callable | None):
        return None if function is None else close(_on_arrays(function, static), t0, x0, arrays)

    saves = tuple(_traced(save, known_order, closed, t0, t1) for save, known_order in zip(saves, ordered, strict=True))
    held: Any = method  # to savers, a method like others
    problem = Problem(network.rates, arrays, 0.0, 0.0)
    job = Job(
        memory=None,
        problem=problem,
        method=held,
        controller=ConstantSteps(),
        t0=t0,
        t1=t1,
        y0=x0,
        dt0=None,
        dt_min=None,
        dt_max=None,
        step_to=None,
        saves=saves,
        events=(),
        projection=None,
        resume=None,
        consistent=None,
        residual=None,
        progress=None,
        max_steps=max_steps,
        recorded_steps=max_steps,
        max_events=1,
    )
    return job, network, words


def _network(rates, changes: Table, t: Array, x0: Array, dtype, arrays: list, static: Static, bound) -> Network:
    """The network of user's functions, traced and checked."""
    x = x0.astype(dtype)
    traced = close(_on_arrays(rates, static), t, x, arrays)
    out = jax.tree.leaves(traced.out_shape)
    if len(out) != 1 or out[0].shape != changes.array.shape[:1]:
        got = out[0].shape if len(out) == 1 else f"{len(out)} arrays: stack them, jnp.stack([...])"
        raise ValueError(
            f"rates must return an array of shape ({len(changes.array)},), one for each row of stoichiometry; it "
            f"returned {got}"
        )
    if jnp.issubdtype(out[0].dtype, jnp.complexfloating):
        raise TypeError("rates are complex; they must be real numbers")
    if bound is not None:
        arguments.callable_with("bound of sj.SSA", bound, "t, x, args")
        highest = _on_arrays(bound, static)
        bound = close(lambda t, x, a: jnp.asarray(highest(t, x, a)), t, x, arrays)
        if bound.out_shape.shape != ():
            raise ValueError(f"bound of sj.SSA must return one number; it returned shape {bound.out_shape.shape}")
    rate, undeclared, orders = None, None, rates.reactants if isinstance(rates, MassAction) else None
    if orders is not None and orders.array.shape != changes.array.shape:
        raise ValueError(
            f"reactants of sj.MassAction have shape {orders.array.shape}, but stoichiometry {changes.array.shape}: "
            "give its own, rates.stoichiometry"
        )
    reads = rates.reads if isinstance(rates, LocalRates) else orders
    if reads is not None:
        rate = close(lambda j, x, a: rates.rate(j, x, static.join(a)), jnp.int32(0), x0, arrays)
    if isinstance(rates, LocalRates):
        if rates.reads.array.shape != changes.array.shape:
            raise ValueError(
                f"reads of sj.LocalRates must have the shape of stoichiometry, {changes.array.shape}; got "
                f"{rates.reads.array.shape}"
            )
        undeclared = close(lambda x, a: rates.undeclared(x, static.join(a)), x0, arrays)
    return Network(traced, rate, undeclared, arrays, bound, changes, reads, orders, dtype)


def _undifferentiated(tree: PyTree) -> PyTree:
    moving, still = eqx.partition(tree, eqx.is_inexact_array)
    return eqx.combine(_constant(moving), still)


def _on_arrays(function: Callable, static: Static) -> Callable:
    """The user's function with its static arguments filled in."""
    return lambda t, x, args: function(t, x, static.join(args))


def _traced(save: Save, ordered: bool, closed, t0: Array, t1: Array) -> Save:
    """A request with its function traced and its times sorted."""
    function = closed(save.function)
    if not isinstance(save, Times):
        return eqx.tree_at(lambda s: s.function, save, function, is_leaf=lambda x: x is None or callable(x))
    ts = jnp.asarray(save.ts, t0.dtype)
    slack = 4 * jnp.finfo(ts.dtype).eps * jnp.maximum(jnp.abs(t0), jnp.abs(t1))
    near = ((ts < t0) & (ts >= t0 - slack)) | ((ts > t1) & (ts <= t1 + slack))
    ts = jnp.where(near, jnp.clip(ts, t0, t1), ts)
    order = None if ordered else jnp.argsort(ts)
    return Times(ts if order is None else ts[order], function, None, order)


def known_changes(stoichiometry: Any) -> Table:
    """The matrix as a part of the compiled function."""
    if not known(stoichiometry):
        raise TypeError("stoichiometry is traced, but must be known while tracing: give a NumPy array or lists")
    matrix = np.asarray(stoichiometry)
    if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype.kind not in "iuf":
        raise ValueError(f"stoichiometry must be numbers of shape (channels, species); got {stoichiometry!r}")
    if not np.all(np.isfinite(matrix)):
        raise ValueError(f"stoichiometry must be finite; got {matrix.tolist()}")
    return Table(matrix)


def known_counts(x0: Any, changes: Table, rates: Callable) -> Any:
    """The counts at t0, an array."""
    x0 = x0 if hasattr(x0, "dtype") else np.asarray(x0) if known(x0) else jnp.asarray(x0)
    species = changes.array.shape[1]
    if x0.shape != (species,):
        raise ValueError(f"x0 must have shape ({species},), as the rows of stoichiometry; got {x0.shape}")
    if x0.dtype not in (jnp.int32, jnp.int64, jnp.float32, jnp.float64):
        raise TypeError(f"x0 must be signed integers of 32 or 64 bits, float32 or float64; got {x0.dtype}")
    if jnp.issubdtype(x0.dtype, jnp.integer) and np.any(changes.array % 1):
        raise ValueError("stoichiometry has fractions, but x0 whole numbers: give x0 as floats")
    if jnp.issubdtype(x0.dtype, jnp.integer) and np.max(np.abs(changes.array)) > (most := jnp.iinfo(x0.dtype).max):
        raise ValueError(f"stoichiometry has changes above {most}, the largest {x0.dtype}: give x0 as floats")
    if known(x0) and not np.all(np.isfinite(np.asarray(x0))):
        raise ValueError(f"x0 must be finite; got {np.asarray(x0)}")
    if known(x0) and isinstance(rates, MassAction) and np.any((np.asarray(x0) < 0) | (np.asarray(x0) % 1 > 0)):
        raise ValueError(
            f"x0 must be whole numbers, none negative, for sj.MassAction; got {np.asarray(x0)}: round them"
        )
    return x0


@jax.custom_jvp
def _constant(arrays: PyTree) -> PyTree:
    """The same arrays, which must not be differentiated."""
    return arrays


@_constant.defjvp
def _(primals, tangents):
    raise TypeError(
        "paths of jump processes have no derivatives, as their numbers of jumps are whole: stop them, "
        "jax.lax.stop_gradient(args), or difference means of two runs with one key, method=sj.NextReaction()"
    )
