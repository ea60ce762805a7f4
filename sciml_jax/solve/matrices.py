"""The matrices of an implicit solve as the user gives them: mass matrix, Jacobian, and what is known of their zeros."""

import warnings
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
import numpy as np
from jaxtyping import Array, Float
from scipy import sparse

from ..core import trees
from ..linalg import Banded, Dense, MatrixFree, Pattern, Sparse, Structure, detect, pattern
from .consistency import LARGEST, RANK
from .failure import known
from .fully_implicit import FullyImplicit
from .layout import Layout
from .problem import State

_LONG = 1e8  # nanoseconds of a factorisation and four solves that are worth a word
_DETECTED = 64  # unknowns from which the field is searched for zeros: below, dense matrices cost next to nothing


class Mass(eqx.Module):
    """A mass matrix: its entries, all (n, n) or the diagonal (n,), and where they are not zero, as far as is known."""

    entries: Any
    pattern: Pattern | None = eqx.field(static=True)

    @property
    def dense(self) -> Float[Array, "n n"]:
        """All entries."""
        return jnp.diag(self.entries) if self.entries.ndim == 1 else self.entries


def as_mass(mass: Any) -> Mass | None:
    """What the user gave as a mass matrix: an array of shape (n, n), its diagonal, or a lineax operator."""
    if mass is None:
        return None
    if isinstance(mass, lineax.AbstractLinearOperator):
        mass = mass.as_matrix()
    try:
        entries = mass if isinstance(mass, jax.Array) else np.asarray(mass, float)
    except (TypeError, ValueError):
        raise TypeError(
            f"mass must be a matrix of shape (n, n), its diagonal, or a lineax operator; got {mass!r}"
        ) from None
    if entries.ndim not in (1, 2) or len(set(entries.shape)) != 1:
        raise ValueError(f"mass must have shape (n, n), or (n,) for a diagonal; got {entries.shape}")
    if known(entries) and not np.all(np.isfinite(np.asarray(entries))):
        raise ValueError("mass must be finite")
    if entries.ndim == 1 or not known(entries):
        return Mass(entries, None)
    return Mass(entries, Pattern(np.asarray(entries) != 0))


def as_pattern(given: Any, linear_solver: Any) -> "Structure | Pattern | Krylov | tuple[int, int] | str | None":
    """What the user said of the Jacobian's zeros, or that it is not to be formed, in a hashable form."""
    if linear_solver is not None:
        if not isinstance(linear_solver, Krylov):
            raise TypeError(f"linear_solver must be a sj.Krylov; got {linear_solver!r}")
        if given is not None:
            raise ValueError("jac_pattern= and linear_solver= exclude one another: give one of them")
        return linear_solver
    if given is None or isinstance(given, Structure | Pattern):
        return given
    if isinstance(given, str):
        if given != "dense":
            raise ValueError(f'jac_pattern is "dense", (lower, upper), a matrix or None; got {given!r}')
        return given
    if isinstance(given, tuple) and len(given) == 2 and all(isinstance(x, int) for x in given):
        return given
    try:
        return Pattern(given if sparse.issparse(given) else np.asarray(given) != 0)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "jac_pattern must be a square boolean matrix (NumPy or scipy.sparse), (lower, upper), the numbers of "
            f'diagonals below and above the main one, or "dense"; {error}'
        ) from None


class Krylov(eqx.Module):
    r"""Newton's iteration without matrices: `linear_solver=sj.Krylov()` for `sj.BDF`, ESDIRK and IMEX methods.

    Every correction solves $(\sigma M - J) x = r$ by GMRES, from directional derivatives of the field: J is never
    formed.

    - `forcing`: the relative residual that is left in a correction, so that Newton's iteration gains about this factor.
    - `directions`: vectors that GMRES keeps between restarts (memory and time of as many states).
    - `preconditioner`: `preconditioner(t, y, shift)` returns a function v -> x, about $(\sigma M - J)^{-1} v$ at this
      place for the `shift` $\sigma$, on real vectors.

    Cost: one directional derivative and 4 k n to 8 k n operations an iteration, with k directions.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> heat = lambda t, u, args: 1e4 * (jnp.roll(u, 1) - 2 * u + jnp.roll(u, -1))
    >>> u0 = jnp.cos(2 * jnp.pi * jnp.arange(100) / 100)
    >>> sol = sj.solve_ode(heat, (0.0, 0.1), u0, method=sj.BDF(), linear_solver=sj.Krylov())
    >>> bool(jnp.allclose(sol.y, u0 * jnp.exp(-0.1 * 4e4 * jnp.sin(jnp.pi / 100) ** 2), atol=1e-4))
    True
    """

    forcing: float = eqx.field(static=True, default=0.1)
    directions: int = eqx.field(static=True, default=10)
    preconditioner: Callable | None = eqx.field(static=True, default=None)


def structure(given: Any, mass: Mass | None, jacobian: Any, field: Callable, t0, y0: State, args) -> Structure | None:
    """What is known of the zeros of the Jacobian and the mass matrix together; `None` where all may be filled.

    Where the user says nothing the pattern is read from the field, from a size on at which that pays.
    """
    layout = Layout(y0)
    n = layout.size
    if isinstance(given, Krylov):
        if mass is not None and mass.entries.ndim == 2:
            raise ValueError(
                "linear_solver=sj.Krylov() needs a diagonal mass matrix: give mass= its diagonal, shape (n,)"
            )
        return MatrixFree(n, given.forcing, directions=given.directions, preconditioner=given.preconditioner)
    zeros: Any = None
    if isinstance(given, Structure | Pattern | tuple):
        zeros = _places(given, n)
    elif given is None and jacobian is None and n >= _DETECTED:

        def vector_field(t, v, args):
            if isinstance(field, FullyImplicit):
                return field.residual(t, v, v, args)  # dF/dy and dF/d(dy/dt) together
            return layout.vector(field(t, layout.state(v), args))

        zeros = pattern(vector_field, t0, layout.vector(y0), args, argument=1)
    if zeros is None:
        return None
    if zeros.shape != (n, n):
        raise ValueError(f"jac_pattern is for {zeros.shape[0]} unknowns, but y0 has {n}")
    if mass is not None and mass.entries.ndim == 2:
        if mass.pattern is None:
            return None
        return detect(zeros + mass.pattern.matrix, n)
    return given if isinstance(given, Structure) else detect(zeros, n)


def tell_of_cost(given: Any, jacobian: Any, mass: Mass | None, found: Structure | None, n: int) -> None:
    """**Warns** where matrices were not asked for, cost much, and could be done without."""
    cost = (Dense(n) if found is None else found).cost
    if given is None and jacobian is None and (mass is None or mass.entries.ndim == 1) and cost > _LONG:
        warnings.warn(
            f"a factorisation for these {n} unknowns and its solves take about {cost / 1e9:.1g} s, step by step: "
            'linear_solver=sj.Krylov() needs none (jac_pattern="dense" or a pattern hides this)',
            stacklevel=6,
        )


def _places(given: Structure | Pattern | tuple[int, int], n: int) -> Any:
    """The places of a Jacobian that may hold entries, as a sparse matrix."""
    if isinstance(given, Sparse):
        return given.pattern.matrix
    if isinstance(given, Pattern):
        return given.matrix
    if isinstance(given, Dense):
        return sparse.csr_array(np.ones((given.n, given.n), bool))
    band = given if isinstance(given, Banded) else Banded(n, *given)  # type: ignore[misc]
    rows = np.repeat(np.arange(band.n), band.width)
    columns = rows + np.tile(np.arange(-band.lower, band.upper + 1), band.n)
    inside = (columns >= 0) & (columns < band.n)
    return sparse.csr_array((np.ones(inside.sum(), bool), (rows[inside], columns[inside])), shape=(band.n, band.n))


def pseudo_inverse(mass: Mass | None, dtype) -> Array | None:
    """The pseudo-inverse of the mass matrix, or its diagonal; `None` where there is no mass matrix or a huge one."""
    if mass is None:
        return None
    entries = jnp.asarray(mass.entries, dtype)
    if entries.ndim == 1:
        return jnp.where(entries == 0, 0.0, 1 / jnp.where(entries == 0, 1.0, entries))
    return jnp.linalg.pinv(entries, rtol=RANK) if entries.shape[0] <= LARGEST else None


def stored_mass(mass: Mass | None, found: Structure | None, y0: State) -> Any:
    """The mass matrix as the structure stores it; checks its size."""
    if mass is None:
        return None
    if not (isinstance(y0, jax.Array) and y0.ndim == 1 and not jnp.iscomplexobj(y0)):
        raise ValueError(f"mass= needs y0 to be one real vector, shape (n,); it is {trees.describe(y0)}")
    n = y0.shape[0]
    if mass.entries.shape[0] != n:
        raise ValueError(f"mass has shape {mass.entries.shape}, but y0 {y0.shape}: give ({n}, {n}), or ({n},)")
    found = Dense(n) if found is None else found
    entries = jnp.asarray(mass.entries, y0.dtype)
    return found.diagonal(entries) if entries.ndim == 1 else found.store(entries)


def user_jacobian(given: Callable | None, closed: Callable, t0, y0: State, args) -> Callable | None:
    """The user's Jacobian, traced and checked."""
    if given is None:
        return None
    if not (isinstance(y0, jax.Array) and y0.ndim == 1 and not jnp.iscomplexobj(y0)):
        raise ValueError(f"jacobian= needs y0 to be one real vector, shape (n,); it is {trees.describe(y0)}")
    jacobian = closed(lambda t, y, a: jnp.asarray(given(t, y, a), y0.dtype))
    shape, n = jax.eval_shape(jacobian, t0, y0, args).shape, y0.shape[0]
    if shape != (n, n):
        raise ValueError(f"jacobian must return df_i/dy_j as an array of shape ({n}, {n}); its shape is {shape}")
    return jacobian
