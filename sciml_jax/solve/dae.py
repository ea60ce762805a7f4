"""`solve_dae`: the front of fully implicit differential-algebraic equations."""

from collections.abc import Callable
from typing import Any

from jaxtyping import ArrayLike, PyTree

from .arguments import callable_with, floats
from .fully_implicit import FullyImplicit
from .implicit import BDF
from .method import Method
from .ode import solve_ode
from .solution import Solution


def solve_dae(
    residual: Callable,
    t_span: tuple[ArrayLike, ArrayLike],
    y0: ArrayLike,
    dy0: ArrayLike,
    args: PyTree = None,
    *,
    method: Method | None = None,
    initial: str = "given",
    **options: Any,
) -> Solution:
    r"""Solves $F(t, y, \dot y, \mathrm{args}) = 0$, of index 1 (or 0), from t0 to t1.

    **Arguments:**

    - `residual`: `residual(t, y, dy, args) -> F`, shape (n,). `y0`, `dy0`: the initial state, one real vector of shape
      (n,), and its derivative. `t_span`, `args`: as of `solve_ode`.
    - `method`: `sj.BDF()`, the default.
    - `initial`: `"given"`: y0 and dy0 must satisfy the equations (else the solve ends with `inconsistent_initial` and
      tells the residual's size); `"find"`: the nearest ones that do, where y0 is moved only in directions in which
      $\partial F/\partial \dot y$ vanishes. Checked for up to 512 unknowns.
    - `options`: those of `solve_ode` (tolerances, saving, events, gradients, ...), but `mass`, `jacobian`, `has_aux`.

    **Returns** a `Solution`; **raises** what `solve_ode` raises.

    Systems that are explicit in $M \dot y$ are solved faster by `solve_ode(..., mass=M)`. An event needs no new
    derivative: it is found from the residual, one Newton step from the last one known.

    Source: K. E. Brenan, S. L. Campbell & L. R. Petzold, Numerical Solution of Initial-Value Problems in
    Differential-Algebraic Equations, SIAM 1996, chapters 3 and 5.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> def circle(t, y, dy, args):  # x' = -z with the algebraic equation x^2 + z^2 = 1
    ...     return jnp.stack([dy[0] + y[1], y[0] ** 2 + y[1] ** 2 - 1])
    >>> sol = sj.solve_dae(circle, (0.0, 1.0), jnp.array([0.8, 0.5]), jnp.zeros(2), initial="find")
    >>> abs(float(sol.y[0] ** 2 + sol.y[1] ** 2) - 1) < 1e-6
    True
    """
    callable_with("residual", residual, "t, y, dy, args")
    refused = [name for name in ("mass", "jacobian", "has_aux") if options.get(name) is not None]
    if refused:
        raise TypeError(f"solve_dae takes no {' and no '.join(refused)}: say it in the residual")
    field = FullyImplicit(residual, floats(dy0))
    method = BDF() if method is None else method
    return solve_ode(field, t_span, y0, args, method=method, initial=initial, **options)
