"""What all models of populations share: they are solved in logarithms, from a fitted initial state."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..core import Frozen
from ..solve import Gradient
from ..solve.ode import solve_ode

MAX_STEPS = 1000
"""Of a solve while fitting: a start whose orbit needs more must not hold up all the others."""


class AbstractPopulations(eqx.Module):
    r"""Populations $y > 0$ that follow $dy_i/dt = y_i\, g_i(t, \log y)$ from $y(t_0) = e^{z_0}$.

    A model gives `log_field`, the growth rates $g$; it is solved for $z = \log y$, $dz/dt = g(t, z)$. There every
    population is positive, a trough is no smaller a number than a peak, and errors are relative ones, as of counts.

    A model of your own has the two fields and the function below.
    """

    log_y0: eqx.AbstractVar[Float[Array, " n"]]
    """The logarithms of the populations at `t0`; they train."""
    t0: eqx.AbstractVar[Frozen]
    """The time of the initial state."""

    @abstractmethod
    def log_field(self, t: Float[Array, ""], z: Float[Array, " n"], args: Any = None) -> Float[Array, " n"]:
        """The growth rates $d\\log y_i/dt$ at the logarithms `z` of the populations, per unit of time."""

    def __call__(self, t: Float[Array, ""], y: Float[Array, " n"], args: Any = None) -> Float[Array, " n"]:
        """The field $dy/dt$: the model can be given to `solve_ode` as it is."""
        return y * self.log_field(t, jnp.log(y), args)

    @property
    def y0(self) -> Float[Array, " n"]:
        """The populations at `t0`."""
        return jnp.exp(self.log_y0)

    def predict(self, ts: Float[ArrayLike, " T"], *, throw: bool = True) -> Float[Array, "T n"]:
        """The populations at times `ts` of shape `(T,)`, none before `t0`; shape `(T, n)`.

        **Raises:** `ValueError` for times before `t0`; with `throw`, `SolveError` where the solve fails.

        >>> from sciml_jax.models import LotkaVolterra
        >>> LotkaVolterra([0.55, 0.028, 0.8, 0.024], [30.0, 4.0], t0=1900.0).predict([1900.0, 1910.0]).shape
        (2, 2)
        """
        return jnp.exp(log_predict(self, jnp.asarray(ts), throw=throw))


def log_predict(
    model: AbstractPopulations,
    ts: Float[Array, " T"],
    *,
    rtol: float = 1e-6,
    atol: float = 1e-6,
    max_steps: int | None = None,
    gradient: Gradient | None = None,
    throw: bool = True,
) -> Float[Array, "T n"]:
    """The logarithms of the populations of a model at times `ts`, shape `(T, n)`; options as in `solve_ode`.

    With `throw=False` a solve that fails repeats its last state.

    >>> import jax.numpy as jnp
    >>> from sciml_jax.models import LotkaVolterra, log_predict
    >>> model = LotkaVolterra([0.55, 0.028, 0.8, 0.024], [30.0, 4.0])
    >>> bool(jnp.allclose(log_predict(model, [0.0, 1.0])[0], model.log_y0))
    True
    """
    ts = jnp.asarray(ts, model.log_y0.dtype)
    elapsed = ts - model.t0.value.astype(ts.dtype)  # years have large numbers, and float32 few digits
    sol = solve_ode(
        _elapsed_field,
        (0.0, jnp.max(elapsed)),
        model.log_y0,
        model,
        save=elapsed,
        rtol=rtol,
        atol=atol,
        max_steps=max_steps,
        gradient=gradient,
        throw=throw,
    )
    return sol.y


def _elapsed_field(elapsed, z, model):
    return model.log_field(model.t0.value + elapsed, z)
