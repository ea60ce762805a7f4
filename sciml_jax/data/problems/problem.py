"""What a test problem is: its equation, its data, and the state it ends in."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree


class InitialValueProblem(eqx.Module):
    r"""$M\,dy/dt = f(t, y, \mathrm{args})$, $y(t_0) = y_0$, with the state at t1 where it is known.

    - `name`; `source`: where the equation, its constants and the reference come from.
    - `field(t, y, args) -> dy`: one real vector of shape (n,) in and out, in the dtype of `y`. It is a function of the
      module, the same one in every call: solving the problem again with other numbers compiles nothing.
    - `t_span`: (t0, t1). `y0`: initial state, float64. `args`: the constants, floats or arrays of float64; one may
      differentiate with respect to them, or give others.
    - `reference`: the state at t1 for this `args`, or `None`; `reference_digits`: how many significant digits of its
      components are trusted (the docstrings name the exceptions).
    - `stiff`: whether explicit methods are hopeless. `atol`: an absolute tolerance that suits the magnitudes of the
      components beside rtol = 1e-6, a number or shape (n,); scale it with rtol.
    - `mass`: M, float64 of shape (n, n), singular; `None` for the identity. `dy0`: for those, dy/dt at t0 that
      satisfies the equation and the differentiated constraints.
    - `jumps`: times within the span at which the field jumps; give them as `step_to=`.
    - `jacobian(t, y, args)`: $\partial f_i/\partial y_j$ by hand, shape (n, n), or `None`.

    >>> from sciml_jax.data import problems
    >>> import sciml_jax as sj
    >>> p = problems.rober()
    >>> sol = sj.solve_ode(p.field, p.t_span, p.y0, p.args, method=sj.Rodas5P(), atol=p.atol, jacobian=p.jacobian)
    >>> bool(abs(sol.y / p.reference - 1).max() < 1e-3)
    True
    """

    name: str = eqx.field(static=True)
    field: Callable[..., Array] = eqx.field(static=True)
    t_span: tuple[float, float] = eqx.field(static=True)
    y0: Float[np.ndarray, " n"]
    args: PyTree
    source: str = eqx.field(static=True, kw_only=True)
    stiff: bool = eqx.field(static=True, kw_only=True)
    atol: float | Float[np.ndarray, " n"] = eqx.field(kw_only=True)
    reference: Float[np.ndarray, " n"] | None = eqx.field(default=None, kw_only=True)
    reference_digits: int | None = eqx.field(default=None, static=True, kw_only=True)
    mass: Float[np.ndarray, "n n"] | None = eqx.field(default=None, kw_only=True)
    dy0: Float[np.ndarray, " n"] | None = eqx.field(default=None, kw_only=True)
    jumps: tuple[float, ...] = eqx.field(default=(), static=True, kw_only=True)
    jacobian: Callable[..., Array] | None = eqx.field(default=None, static=True, kw_only=True)

    def residual(self, t: Any, y: Float[Array, " n"], dy: Float[Array, " n"], args: PyTree) -> Float[Array, " n"]:
        """M dy - f(t, y, args): zero along a solution, the fully implicit form of the same equation."""
        slope = dy if self.mass is None else cast(y, self.mass) @ dy
        return slope - self.field(t, y, args)


def cast(y: Float[Array, " n"], *constants: Any) -> Any:
    """Constants (pytrees) in the dtype of y: a float64 array among them must not turn a float32 state into float64."""
    dtype = jnp.result_type(y)
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), constants[0] if len(constants) == 1 else constants)
