"""One trajectory of an ensemble, and the keys of stochastic ones: rows like any others, beside args."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..solve.jump import solve_jump
from ..solve.jumps import JumpProcess
from ..solve.noise import key_words
from ..solve.ode import solve_ode
from ..solve.sde import solve_sde
from ..solve.solution import Solution
from ..solve.stochastic import Langevin, Stochastic
from .axes import length

_RANDOM = (Stochastic, Langevin, JumpProcess)


def with_keys(field: Any, key: Any, t_span: tuple, y0: PyTree, args: PyTree, in_axes: Any) -> tuple[PyTree, Any]:
    """`(words of the keys, args)`, a key for each trajectory of a random field, and `in_axes` for them; `args` and
    `in_axes` as they are for other fields."""
    if not isinstance(field, _RANDOM):
        if key is not None:
            raise ValueError(
                "key= is for stochastic equations and jump processes: sj.solve_ensemble(sj.Stochastic(drift, "
                "diffusion), ...), or of a sj.Langevin(force, ...) or sj.JumpProcess(rates, stoichiometry)"
            )
        return args, in_axes
    if key is None:
        raise ValueError(
            "an ensemble of random paths needs key=: jax.random.split(key, n), or one key for mapped y0 or args"
        )
    if not hasattr(key, "dtype"):
        raise TypeError(f"key must be an array of keys, jax.random.split(key, n), or one key; got {key!r}")
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.wrap_key_data(key)
    if key.ndim > 1:
        raise ValueError(f"key must be an array of keys of shape (n,), one for each trajectory; got {key.shape}")
    n = length(t_span, y0, args, in_axes)
    if key.ndim == 0:
        if n is None:
            raise ValueError("in_axes maps nothing: give key= one key for each trajectory, jax.random.split(key, n)")
        key = jax.random.split(key, n)
    if n not in (None, len(key)):
        raise ValueError(f"key= has {len(key)} keys for {n} trajectories: give one key, which is split")
    *others, axes = in_axes
    return (jax.vmap(key_words)(key), args), (*others, (0, axes))


def solve_one(field: Any, t_span: tuple, y0: PyTree, args: PyTree, **options: Any) -> Solution:
    """One trajectory, from the args of `with_keys`."""
    if not isinstance(field, _RANDOM):
        return solve_ode(field, t_span, y0, args, **options)
    key, args = args
    if isinstance(field, JumpProcess):
        del options["gradient"]  # paths of whole numbers have no derivatives
        return solve_jump(field.rates, field.stoichiometry, t_span, y0, key, args, **options)
    if isinstance(field, Langevin):
        return solve_sde(field, None, t_span, y0, key, args, path=field.path, **options)
    kind = {"noise": field.noise, "interpretation": field.interpretation, "path": field.path}
    return solve_sde(field.drift, field.diffusion, t_span, y0, key, args, **kind, **options)
