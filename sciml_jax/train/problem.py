"""What an objective may return, and the problem that a stage sees: loss, gradient, residual vector."""

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, PRNGKeyArray, PyTree

from .params import Params, Parts, join

Terms = dict[str, Float[Array, ""]]


class Residuals(eqx.Module):
    r"""A term of a least-squares objective: what should vanish, and where.

    $$ \mathcal L = \frac1N \sum_{i=1}^{N} w_i\, \lVert r(\mathrm{model}, x_i) \rVert^2 $$

    An objective returns a dict of these, by name; the loss is the sum over the names. Because the residuals
    themselves are known, least-squares methods can use the same definition, and every term has its history.

    **Arguments:**

    - `points`: a pytree of arrays with a leading axis of length N, or `None`: then `fn(model)` returns all residuals.
    - `fn`: `fn(model, point)` for one point, without the leading axis; returns an array of any shape. It is mapped
      over the points with `jax.vmap`.
    - `weight`: a number or an array of shape `(N,)`, not negative. Default 1.

    **Raises:** `ValueError` for no points, for leading axes that differ and for weights of another shape.

    >>> import jax, jax.numpy as jnp
    >>> from sciml_jax.train import Residuals
    >>> def objective(model, batch, key):
    ...     return {"line": Residuals(jnp.linspace(0.0, 1.0, 5), lambda model, x: model * x - 2.0 * x)}
    """

    points: PyTree[Array] | None
    fn: Callable[..., Inexact[Array, "..."]]
    weight: Float[Array, " N"] | float = 1.0

    def rows(self, model: PyTree, name: str = "residuals") -> Inexact[Array, "N ..."]:
        """The residuals at all points, with the points along the leading axis."""
        if self.points is None:
            return jnp.asarray(self.fn(model))[None]
        shapes = [jnp.shape(x) for x in jax.tree.leaves(self.points)]
        if not shapes or any(not s or s[0] == 0 for s in shapes):
            raise ValueError(
                f"Residuals {name!r} has no points (shapes {shapes}): give arrays of shape (N, ...), N >= 1"
            )
        if len({s[0] for s in shapes}) > 1:
            raise ValueError(f"Residuals {name!r}: the points need one common leading axis, got shapes {shapes}")
        return jnp.asarray(jax.vmap(self.fn, in_axes=(None, 0))(model, self.points))

    def weights(self, rows: Inexact[Array, "N ..."], name: str = "residuals") -> Float[Array, "#N"]:
        """The weights as an array of shape `(N,)` or `(1,)`."""
        weight = jnp.asarray(self.weight)
        if weight.shape not in ((), (1,), rows.shape[:1]):
            raise ValueError(
                f"Residuals {name!r}: weight must be a number or have shape {rows.shape[:1]}, one a point; "
                f"got shape {weight.shape}"
            )
        return weight.reshape(-1)

    def loss(self, model: PyTree, name: str = "residuals") -> Float[Array, ""]:
        """The weighted mean over the points of the squared norm of the residual."""
        rows = self.rows(model, name)
        squares = jnp.real(rows * jnp.conj(rows)).reshape(len(rows), -1).sum(axis=1)
        return jnp.mean(self.weights(rows, name) * squares)

    def vector(self, model: PyTree, name: str = "residuals") -> Float[Array, " M"]:
        """The real vector whose squared norm is `loss`."""
        rows = self.rows(model, name)
        scale = jnp.sqrt(self.weights(rows, name) / len(rows))
        scaled = rows.reshape(len(rows), -1) * scale[:, None]
        if jnp.iscomplexobj(scaled):
            scaled = jnp.concatenate([scaled.real, scaled.imag], axis=1)
        return scaled.reshape(-1)


class Problem(eqx.Module):
    """An objective with its batch and key bound: a function of the parameters, the thing that a stage minimises."""

    objective: Callable
    parts: Parts
    batch: PyTree
    key: PRNGKeyArray
    terms: tuple[str, ...]
    double: bool

    def model(self, params: Params) -> PyTree:
        """The model with these parameters."""
        return join(params, self.parts, self.double)

    def loss(self, params: Params) -> tuple[Float[Array, ""], Terms]:
        """The loss and its named terms."""
        return evaluate(self.objective, self.model(params), self.batch, self.key)

    def value_and_grad(self, params: Params) -> tuple[tuple[Float[Array, ""], Terms], Params]:
        """`((loss, terms), gradient)`."""
        return jax.value_and_grad(self.loss, has_aux=True)(params)

    def residuals(self, params: Params) -> Float[Array, " M"]:
        """The residual vector, whose squared norm is the loss; for objectives that return `Residuals`."""
        model = self.model(params)
        out = self.objective(model, self.batch, self.key)
        if not _is_residuals(out):
            raise TypeError(
                "a least-squares stage needs the residuals: let the objective return a dict of train.Residuals; "
                f"it returned {_describe(out)}"
            )
        return jnp.concatenate([out[name].vector(model, name) for name in sorted(out)])


def evaluate(objective: Callable, model: PyTree, batch: PyTree, key: PRNGKeyArray) -> tuple[Float[Array, ""], Terms]:
    """The loss and the terms of whatever an objective returns, checked."""
    out = objective(model, batch, key)
    if isinstance(out, dict):
        if not _is_residuals(out):
            raise TypeError(
                "objective returned a dict whose values are not all train.Residuals; return {name: Residuals(points, "
                f"fn, weight), ...}} or the pair (loss, {{name: term, ...}}). Got {_describe(out)}"
            )
        terms = {name: out[name].loss(model, name) for name in sorted(out)}
        return sum(terms.values(), jnp.zeros(())), terms
    if isinstance(out, tuple):
        if len(out) != 2 or not isinstance(out[1], dict):
            raise TypeError(
                f"objective must return loss, (loss, dict of terms) or a dict of Residuals; got {_describe(out)}"
            )
        loss, terms = out
        return _scalar("the loss", loss), {name: _scalar(f"term {name!r}", terms[name]) for name in sorted(terms)}
    return _scalar("the loss", out), {}


def check_objective(objective: Any) -> None:
    """`TypeError` unless `objective` can be called as `objective(model, batch, key)`."""
    if not callable(objective):
        raise TypeError(
            f"objective must be a function objective(model, batch, key) -> loss; got {_describe(objective)}"
        )
    try:
        signature = inspect.signature(objective)
    except (TypeError, ValueError):
        return  # builtins and some wrappers have no signature
    try:
        signature.bind(None, None, None)
    except TypeError as error:
        raise TypeError(
            f"objective is called as objective(model, batch, key), but its signature is {signature}: {error}. "
            "Take all three arguments, used or not"
        ) from error


def _scalar(what: str, x: Any) -> Float[Array, ""]:
    try:
        x = jnp.asarray(x)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what} that the objective returned must be a real number; got {_describe(x)}") from error
    if x.shape != ():
        raise ValueError(
            f"{what} that the objective returned has shape {x.shape}; it must be a scalar: take jnp.mean or jnp.sum"
        )
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(
            f"{what} that the objective returned has dtype {x.dtype}; it must be a real floating-point number"
        )
    return x


def _is_residuals(out: Any) -> bool:
    return isinstance(out, dict) and len(out) > 0 and all(isinstance(r, Residuals) for r in out.values())


def _describe(x: Any) -> str:
    if isinstance(x, dict):
        return "{" + ", ".join(f"{k!r}: {type(v).__name__}" for k, v in x.items()) + "}"
    if isinstance(x, tuple):
        return "(" + ", ".join(type(v).__name__ for v in x) + ")"
    return type(x).__name__
