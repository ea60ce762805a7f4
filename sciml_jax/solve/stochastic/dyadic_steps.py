"""DyadicSteps: adaptive steps that end at dyadic fractions of the span."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..problem import Time
from ..step_size import Controller, PIController, Verdict

_BITS = 3  # steps are kept to eighths: at most an eighth shorter than the controller says


class DyadicSteps(Controller):
    r"""Adaptive steps whose ends are rounded down to dyadic fractions $t_0 + (t_1 - t_0)\, i / 2^k$: the default of
    `sj.solve_sde`.

    The error of a step over noise depends on its end as wildly as the noise does. Without rounding, the rounding errors
    of two programs (under `vmap` or not, on another device) grow by orders of magnitude from step to step, until the
    two take other steps; with it, the same path is solved by the same steps.

    - `controller`: the one that says how long steps should be, `sj.PIController()` by default.

    **Raises** `TypeError` for a controller that is not adaptive.

    >>> import jax, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: 0.1 * y)
    >>> options = {"method": sj.SRIW1(), "controller": sj.DyadicSteps(sj.IController()), "save": sj.Steps(100)}
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, jax.random.key(0), rtol=1e-3, atol=1e-3, **options)
    >>> bool((sol.t * 2.0**12 % 1 == 0).all())
    True
    """

    controller: Controller = eqx.field(default_factory=PIController)

    def __check_init__(self):
        if not isinstance(self.controller, Controller) or not self.controller.adaptive:
            raise TypeError(f"sj.DyadicSteps rounds the steps of an adaptive controller; got {self.controller!r}")

    def init(self, dtype) -> PyTree:
        return self.controller.init(dtype)

    def control(self, log_error: Time, order, state: PyTree) -> Verdict:
        return self.controller.control(log_error, order, state)

    def grid(self, step: Array, t: Time, dt: Time, t0: Time, t1: Time) -> Time:
        here, dt, t0, span = jax.lax.stop_gradient((t, dt, t0, t1 - t0))
        _, exponent = jnp.frexp(jnp.minimum(jnp.abs(dt / span), 1.0))
        unit = jnp.ldexp(jnp.ones((), t.dtype), exponent - 1 - _BITS)
        # steps are multiples of a unit often enough: a little more, so that rounding errors do not decide
        end = t0 + jnp.floor((here - t0 + dt) / span / unit + 1e-3) * unit * span
        return end + (t - here)  # which is zero, but for derivatives: the steps move with t
