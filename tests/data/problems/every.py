"""All problems by name, the large ones on coarse grids; and what several tests do with them."""

from collections.abc import Callable

import jax
import numpy as np
from scipy.integrate import solve_ivp

from sciml_jax.data import problems

SMALL = {"brusselator_1d": {"n": 6}, "brusselator_2d": {"n": 6}, "medical_akzo_nobel": {"n": 8}}
NOT_PROBLEMS = {"InitialValueProblem", "DETEST", "detest"}

EVERY: dict[str, Callable[[], problems.InitialValueProblem]] = {
    name: (lambda make=getattr(problems, name), options=SMALL.get(name, {}): make(**options))
    for name in problems.__all__
    if name not in NOT_PROBLEMS
} | {name: (lambda name=name: problems.detest(name)) for name in problems.DETEST}


def scipy_end(problem, method: str, rtol: float, **options) -> np.ndarray:
    """The state at t1 by SciPy, which shares nothing with the solvers of this library."""
    field = jax.jit(lambda t, y: problem.field(t, y, problem.args))
    if method == "Radau":
        jacobian = jax.jit(jax.jacfwd(field, argnums=1))
        options["jac"] = lambda t, y: np.asarray(jacobian(t, y))
    options = {"atol": problem.atol * rtol / 1e-6, "t_span": problem.t_span, "y0": problem.y0, **options}
    sol = solve_ivp(lambda t, y: np.asarray(field(t, y)), method=method, rtol=rtol, **options)
    assert sol.success, sol.message
    return sol.y[:, -1]
