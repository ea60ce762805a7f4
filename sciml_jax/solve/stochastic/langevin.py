"""Langevin: the underdamped Langevin equation as a field."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike, PyTree

from ...core import trees
from ...core.once import once
from ..failure import known
from ..noise import IncrementPath, Path
from ..noise.path import split_shapes
from ..problem import State, Time, as_derivative
from ..structured import StructuredField


class Langevin(StructuredField):
    r"""The underdamped Langevin equation with y = (q, p), positions and momenta:

    $$dq = \frac pm\, dt, \qquad dp = F(t, q, \mathrm{args})\, dt - \gamma p\, dt + \sqrt{2 \gamma m T}\, dW,$$

    whose stationary density is $e^{-(U(q) + p^2 / 2m) / T}$ where $F = -\nabla U$. It is the drift of `sj.solve_sde`,
    whose diffusion is then `None`.

    - `force`: `force(t, q, args) -> F`, of the structure and shapes of q; of a potential: `-jax.grad(potential)`.
    - `friction` $\gamma$: a rate, 1 / time. `temperature` T: an energy ($k_B T$). `mass` m: 1 by default. Numbers, or
      arrays that broadcast to every leaf of q; traced.

    **Raises** `ValueError` where a number among them is not positive (friction and temperature may be zero).

    >>> import jax, sciml_jax as sj
    >>> oscillator = sj.Langevin(lambda t, q, args: -q, friction=1.0, temperature=0.5)
    >>> sol = sj.solve_sde(oscillator, None, (0.0, 9.0), (1.0, 0.0), jax.random.key(0), method=sj.BAOAB(), steps=30)
    >>> q, p = sol.y
    """

    force: Callable
    friction: ArrayLike
    temperature: ArrayLike
    mass: ArrayLike = 1.0
    path: Any = None
    key: Any = None
    span: Any = None

    def __check_init__(self):
        for name, least in (("friction", "zero or more"), ("temperature", "zero or more"), ("mass", "positive")):
            x = getattr(self, name)
            if not isinstance(x, int | float) and not hasattr(x, "dtype"):
                continue  # a placeholder in the place of a leaf
            if known(x) and hasattr(x, "__float__") and jnp.ndim(x) == 0:
                value = float(x)
                if not (value > 0 or (value == 0 and name != "mass")):
                    raise ValueError(f"{name} of sj.Langevin must be {least}; got {value:g}")

    def __call__(self, t: Time, y: State, args: PyTree) -> State:
        """The drift."""
        q, p = y
        friction = trees.scale(-jnp.asarray(self.friction), p)
        return self.velocity(p), trees.axpy(1.0, as_derivative(self.force(t, q, args), p), friction)

    def velocity(self, p: State) -> State:
        """p / m."""
        return jax.tree.map(lambda x: (x / jnp.asarray(self.mass)).astype(x.dtype), p)

    def check(self, y0: State) -> None:
        if type(y0) is not tuple or len(y0) != 2:
            raise TypeError(f"sj.Langevin needs y0 = (q, p), a tuple of positions and momenta; got {type(y0).__name__}")
        q, p = y0
        if jax.tree.map(jnp.shape, q) != jax.tree.map(jnp.shape, p):
            raise ValueError(f"q and p of sj.Langevin look alike; got {trees.describe(q)} and {trees.describe(p)}")
        if any(jnp.iscomplexobj(x) for x in jax.tree.leaves(y0)):
            raise TypeError("a stochastic equation needs a real y0: give real and imaginary parts as two arrays")
        if self.key is None and not isinstance(self.path, Path):
            raise ValueError("sj.Langevin needs a key: call sj.solve_sde(sj.Langevin(...), None, t_span, y0, key)")

    def closed(self, close: Callable, t: Time, y: State) -> "Langevin":
        q, p = y
        shape = jax.tree.map(lambda x: tuple(x.shape), p)
        path = self.path
        if not isinstance(path, Path):
            path = (IncrementPath if path is None else path)(self.span, shape, self.key)
        if split_shapes(path.shape) != split_shapes(shape):
            raise ValueError(f"the noise of this equation has the shape {shape}, but path= that of {path.shape}")
        friction, temperature, mass = (jnp.asarray(x, t.dtype) for x in (self.friction, self.temperature, self.mass))
        return Langevin(close(self.force, t, q), friction, temperature, mass, path)

    def pushed(self, t: Time, q: State, args: PyTree) -> State:
        """The force, in the dtypes of q."""
        return once(as_derivative(self.force(t, q, args), q))

    def thermostat(self, p: State, w: State, dt: Time) -> State:
        r"""The exact solution of $dp = -\gamma p\,dt + \sqrt{2 \gamma m T}\,dW$ in law, from an increment of W."""
        # 1 - exp(-2 gamma h) over h, which the increment's variance is
        length = jnp.where(dt == 0, 1.0, dt)
        friction, heat = jnp.asarray(self.friction), jnp.asarray(self.mass) * jnp.asarray(self.temperature)
        size = jnp.sqrt(heat * -jnp.expm1(-2 * friction * dt) / length)
        decay = jnp.exp(-friction * dt)
        return jax.tree.map(lambda x, z: (decay * x + size * z).astype(x.dtype), p, w)
