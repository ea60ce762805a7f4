"""with_kl: the Kullback-Leibler divergence between two diffusions, accumulated along a path."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ...core import trees
from ..problem import State, Time
from .forms import COLUMNS, ENTRIES, ONE, OPERATOR, form_of


def with_kl(posterior: Callable, prior: Callable, diffusion: Callable, noise: str = "diagonal") -> tuple:
    r"""Drift and diffusion for the state `(y, kl)`, in which y follows the posterior drift f, and

    $$\mathrm{kl}(t) = \tfrac12 \int_{t_0}^t |u|^2\, ds, \qquad g\, u = f - h,$$

    whose mean over paths is the divergence $\mathrm{KL}(P_f \,\|\, P_h)$ of the processes with the drifts f and h on
    [t0, t] (Girsanov's theorem): the term of the evidence lower bound that a latent SDE is trained with.

    **Arguments:** `posterior` f, `prior` h, `diffusion` g: functions of (t, y, args), as for `solve_sde`; both drifts
    in the same interpretation. `noise`: as there; g must be a function of values, not a lineax operator. Where f - h
    is not in the range of g the divergence is infinite, and u is that of least squares.

    **Returns** `(drift, diffusion)` of the state (y, kl).

    **Raises** `TypeError` or `ValueError` where g does not fit `noise`, when it is called.

    Cost: one evaluation of h and of g more; for general noise the solution of a linear system of min(n, m) equations.

    Source: X. Li, T.-K. L. Wong, R. T. Q. Chen & D. Duvenaud, Scalable gradients for stochastic differential
    equations, AISTATS 2020, section 5, arXiv:2001.01328.

    >>> import jax, sciml_jax as sj
    >>> f, h, g = (lambda t, y, args: 1.0 - y), (lambda t, y, args: -y), (lambda t, y, args: 0.5 + 0.0 * y)
    >>> sol = sj.solve_sde(*sj.with_kl(f, h, g), (0.0, 3.0), (0.2, 0.0), jax.random.key(0), steps=50)
    >>> round(float(sol.y[1]), 4)  # t (f - h)^2 / (2 g^2)
    6.0
    """

    def drift(t: Time, state: tuple[State, Array], args: PyTree) -> tuple[State, Array]:
        y, _ = state
        f, g = posterior(t, y, args), diffusion(t, y, args)
        away = trees.subtract(f, prior(t, y, args))
        form = form_of(noise, g, y)
        if form == OPERATOR:
            raise TypeError("with_kl needs the entries of the diffusion, not a lineax operator: give its matrix")
        if form == ENTRIES:
            return f, 0.5 * _squares(jax.tree.map(lambda d, s: d / s, away, g))
        n = sum(x.size for x in jax.tree.leaves(y))
        matrix = jnp.concatenate([jnp.reshape(x, (-1, 1 if form == ONE else x.shape[-1])) for x in jax.tree.leaves(g)])
        vector = jnp.concatenate([jnp.ravel(x) for x in jax.tree.leaves(away)])
        if matrix.shape[1] > n:
            u = matrix.T @ jax.scipy.linalg.solve(matrix @ matrix.T, vector, assume_a="pos")
        else:
            u = jax.scipy.linalg.solve(matrix.T @ matrix, matrix.T @ vector, assume_a="pos")
        return f, 0.5 * _squares(u)

    def spread(t: Time, state: tuple[State, Array], args: PyTree) -> tuple[State, Array]:
        y, kl = state
        g = diffusion(t, y, args)
        columns = jax.tree.leaves(g)[0].shape[-1:] if form_of(noise, g, y) == COLUMNS else ()
        return g, jnp.zeros(columns, jnp.result_type(kl))

    return drift, spread


def _squares(tree: PyTree) -> Array:
    """The sum of the squares of all entries."""
    return sum((jnp.sum(x * x) for x in jax.tree.leaves(tree)), jnp.zeros(()))
