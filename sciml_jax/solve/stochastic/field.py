"""Stochastic fields: a drift, a diffusion, and the path that drives them."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ...core import trees
from ...core.once import once
from ..noise import IncrementPath, Path
from ..noise.path import split_shapes
from ..problem import State, Time
from ..structured import Split, StructuredField
from .forms import ENTRIES, NOISES, ONE, apply, form_of, noise_shape
from .operators import traced

INTERPRETATIONS = ("ito", "stratonovich")


class Stochastic(StructuredField):
    r"""A stochastic differential equation $dy = f(t, y, \mathrm{args})\,dt + g(t, y, \mathrm{args})\,dW$: what
    `sj.solve_ensemble` takes as its field; a single path is solved by `sj.solve_sde`.

    - `drift`: `drift(t, y, args) -> f`, of the structure and shapes of y.
    - `diffusion`: `diffusion(t, y, args) -> g`.
    - `noise`: what g looks like, and how it may depend on y:

      | `noise` | shape of g | noise |
      |---|---|---|
      | `"diagonal"` | that of y | one for each entry; an entry of g depends on its own entry of y only |
      | `"scalar"` | that of y | one for all |
      | `"general"` | every leaf of y with one more axis of length m; or a lineax operator | m |
      | `"commutative"` | as general, with $(g_j \cdot \nabla) g_k = (g_k \cdot \nabla) g_j$ for its columns | m |
      | `"additive"` | as diagonal or general, independent of y | as these |

    - `interpretation`: of the integral over dW, `"ito"` or `"stratonovich"`.

    **Raises** `ValueError` for other words.
    """

    drift: Callable
    diffusion: Callable
    noise: str = eqx.field(static=True, default="diagonal")
    interpretation: str = eqx.field(static=True, default="ito")
    path: Any = None
    key: Any = None
    span: Any = None
    form: str = eqx.field(static=True, default="")

    def __check_init__(self):
        if self.noise not in NOISES:
            raise ValueError(f"noise is one of {', '.join(map(repr, NOISES))}; got {self.noise!r}")
        if self.interpretation not in INTERPRETATIONS:
            raise ValueError(f"interpretation is 'ito' or 'stratonovich'; got {self.interpretation!r}")

    def __call__(self, t: Time, y: State, args: PyTree) -> State:
        """The drift, in the equation's own interpretation."""
        return self.drift(t, y, args)

    def check(self, y0: State) -> None:
        if any(jnp.iscomplexobj(x) for x in jax.tree.leaves(y0)):
            raise TypeError("a stochastic equation needs a real y0: give real and imaginary parts as two arrays")
        if self.key is None and not isinstance(self.path, Path):
            raise ValueError("sj.Stochastic needs a key: call sj.solve_sde(drift, diffusion, t_span, y0, key, ...)")

    def closed(self, close: Callable, t: Time, y: State) -> "Stochastic":
        whole = self.drift
        drift = whole.closed(close, t, y) if isinstance(whole, StructuredField) else close(whole, t, y)
        diffusion, value = traced(self.diffusion, close, t, y)
        form = form_of(self.noise, value, y)
        shape = noise_shape(form, value, y)
        path = self.path
        if not isinstance(path, Path):
            path = (IncrementPath if path is None else path)(self.span, shape, self.key)
        if split_shapes(path.shape) != split_shapes(shape):
            raise ValueError(f"the noise of this equation has the shape {shape}, but path= that of {path.shape}")
        return Stochastic(drift, diffusion, self.noise, self.interpretation, path, form=form)

    @property
    def split(self) -> Split | None:
        return self.drift if isinstance(self.drift, Split) else None

    def increment(self, t: Time, dt: Time) -> State:
        """The noise of a step: W(t + dt) - W(t)."""
        return once(self.path.increment(t, dt))

    def increment_and_area(self, t: Time, dt: Time) -> tuple[State, State]:
        """The noise of a step and its space-time area."""
        return once(self.path.increment_and_area(t, dt))

    def increment_and_levy_area(self, t: Time, dt: Time) -> tuple[Float[Array, " m"], Float[Array, "m m"]]:
        """The noise of a step in one vector, and the Lévy areas between its entries."""
        return once(self.path.increment_and_levy_area(t, dt))

    def as_noise(self, x: Float[Array, " m"]) -> State:
        """A vector of all noises in the shape that they have."""
        shapes, tree = split_shapes(self.path.shape)
        parts = jnp.split(x, np.cumsum([int(np.prod(s)) for s in shapes])[:-1].tolist())
        return jax.tree.unflatten(tree, [p.reshape(s) for p, s in zip(parts, shapes, strict=True)])

    def spread(self, t: Time, y: State, args: PyTree) -> PyTree:
        """The diffusion g."""
        dtypes = [x.dtype for x in jax.tree.leaves(y)]
        g = self.diffusion(t, y, args)
        entries, rest = eqx.partition(g, eqx.is_array_like)  # operators may hold functions
        if len(set(dtypes)) == 1:
            entries = jax.tree.map(lambda x: jnp.asarray(x, dtypes[0]), entries)
        return eqx.combine(once(entries), rest)

    def apply(self, g: PyTree, w: State) -> State:
        """g dW, shaped like the state."""
        return apply(self.form, g, w)

    def correction(self, t: Time, y: State, args: PyTree) -> State | None:
        r"""$\frac12 \sum_k (g_k \cdot \nabla) g_k$, by which Itô's drift exceeds Stratonovich's; `None` where g does
        not depend on y. Cost: a directional derivative of g for each noise, one for diagonal and scalar noise."""
        if self.noise == "additive":
            return None
        spread = lambda y: self.spread(t, y, args)  # noqa: E731
        if self.form in (ENTRIES, ONE):
            return trees.scale(0.5, jax.jvp(spread, (y,), (spread(y),))[1])

        def column(e: State) -> State:
            term = lambda y: self.apply(spread(y), e)  # noqa: E731
            return jax.jvp(term, (y,), (term(y),))[1]

        return jax.tree.map(lambda x: 0.5 * jnp.sum(x, 0), jax.vmap(column)(self.directions(y)))

    def directions(self, y: State) -> State:
        """The unit vectors of the noise, along a new first axis."""
        shapes, tree = split_shapes(self.path.shape)
        sizes = [int(np.prod(s)) for s in shapes]
        eye = jnp.eye(sum(sizes), dtype=jax.tree.leaves(y)[0].dtype)
        parts = jnp.split(eye, np.cumsum(sizes)[:-1].tolist(), axis=1)
        return jax.tree.unflatten(tree, [p.reshape(-1, *s) for p, s in zip(parts, shapes, strict=True)])
