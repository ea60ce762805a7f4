"""Signatures and log-signatures of piecewise linear paths."""

from functools import cache
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

Word = tuple[int, ...]


@cache
def lyndon_words(channels: int, depth: int) -> tuple[Word, ...]:
    """The Lyndon words of up to `depth` letters, by length and then in order: words smaller than all their endings.

    >>> lyndon_words(2, 3)
    ((0,), (1,), (0, 1), (0, 0, 1), (0, 1, 1))
    """
    found = []
    for length in range(1, depth + 1):
        words = product(range(channels), repeat=length)
        found += [w for w in words if all(w < w[i:] for i in range(1, length))]
    return tuple(found)


def factors(word: Word) -> tuple[Word, Word]:
    """The standard factorisation w = uv of a Lyndon word, v its longest proper ending that is a Lyndon word.

    >>> factors((0, 0, 1))
    ((0,), (0, 1))
    """
    for i in range(1, len(word)):
        ending = word[i:]
        if all(ending < ending[j:] for j in range(1, len(ending))):
            return word[:i], ending
    raise ValueError(f"a word of one letter has no factors: {word}")


@cache
def _bracket(word: Word) -> dict[Word, int]:
    """The Lie bracket of a Lyndon word as a sum of words: [P_u, P_v] for its standard factorisation uv."""
    if len(word) == 1:
        return {word: 1}
    left, right = (_bracket(w) for w in factors(word))
    total: dict[Word, int] = {}
    for (u, a), (v, b) in product(left.items(), right.items()):
        total[u + v] = total.get(u + v, 0) + a * b
        total[v + u] = total.get(v + u, 0) - a * b
    return {w: c for w, c in total.items() if c}


@cache
def _projection(channels: int, level: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the Lyndon words of one length stand in the tensor of this level, and the matrix that takes the
    coefficients of these words to those of the brackets."""
    words = [w for w in lyndon_words(channels, level) if len(w) == level]
    places = np.array([np.ravel_multi_index(w, (channels,) * level) for w in words], dtype=int)
    expansion = np.array([[_bracket(v).get(w, 0) for v in words] for w in words], dtype=float)
    # a bracket is its word and larger ones: triangular, with ones on the diagonal
    return places, np.linalg.inv(expansion) if words else np.zeros((0, 0))


def _multiply(a: list[Array], b: list[Array]) -> list[Array]:
    """The product of two tensor series whose level 0 is 1 in both: levels 1, 2, ..."""
    out = []
    for level in range(len(a)):
        total = a[level] + b[level]
        for i in range(level):
            total = total + jnp.outer(a[i], b[level - 1 - i]).ravel()
        out.append(total)
    return out


def _exponential(x: Array, depth: int) -> list[Array]:
    """The signature of a straight line: x, x⊗x / 2, x⊗x⊗x / 6, ..."""
    levels = [x]
    for k in range(2, depth + 1):
        levels.append(jnp.outer(levels[-1], x).ravel() / k)
    return levels


def _logarithm(s: list[Array]) -> list[Array]:
    """log(1 + s) = s - s⊗s / 2 + s⊗s⊗s / 3 - ..."""
    depth = len(s)
    total, power = list(s), list(s)
    for k in range(2, depth + 1):
        power = _without_unit(power, s)
        total = [t + (-1) ** (k + 1) / k * p for t, p in zip(total, power, strict=True)]
    return total


def _without_unit(a: list[Array], b: list[Array]) -> list[Array]:
    """The product of two tensor series without level 0."""
    out = [jnp.zeros_like(a[0])]
    for level in range(1, len(a)):
        out.append(sum((jnp.outer(a[i], b[level - 1 - i]).ravel() for i in range(level)), jnp.zeros_like(a[level])))
    return out


def _levels(xs: ArrayLike, depth: int) -> list[Array]:
    xs = jnp.asarray(xs)
    if not jnp.issubdtype(xs.dtype, jnp.floating):
        xs = xs.astype(jnp.result_type(float))
    if xs.ndim != 2 or 0 in xs.shape:
        raise ValueError(f"xs must be the points of one path, shape (n, channels); got {xs.shape}: use jax.vmap")
    if not isinstance(depth, int) or isinstance(depth, bool) or depth < 1:
        raise ValueError(f"depth must be an int of at least 1 (it is static); got {depth!r}")
    start = [jnp.zeros(xs.shape[1] ** k, xs.dtype) for k in range(1, depth + 1)]
    steps = jnp.diff(xs, axis=0)
    return jax.lax.scan(lambda s, dx: (_multiply(s, _exponential(dx, depth)), None), start, steps)[0]


def signature(xs: Float[ArrayLike, "n channels"], depth: int) -> Float[Array, " m"]:
    r"""The signature of the piecewise linear path through `xs`, its iterated integrals up to a depth:

    $$S^{i_1 \dots i_k} = \int_{u_1 < \dots < u_k} dX^{i_1}_{u_1} \cdots dX^{i_k}_{u_k}$$

    **Arguments:** `xs`: points, shape (n, channels); one path, batches by `jax.vmap`. `depth`: at least 1, static.

    **Returns** levels 1, ..., depth one after the other, words in lexicographic order: d + d^2 + ... + d^depth numbers.

    Cost: one pass over the points, by Chen's identity, about depth d^depth multiplications each.

    Source: K.-T. Chen, Annals of Mathematics 65 (1957) 163-178, doi:10.2307/1969671.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> sj.signature(jnp.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]), 2).tolist()  # first right, then up
    [1.0, 1.0, 0.5, 1.0, 0.0, 0.5]
    """
    return jnp.concatenate(_levels(xs, depth))


def log_signature(xs: Float[ArrayLike, "n channels"], depth: int) -> Float[Array, " m"]:
    r"""The logarithm of the signature in the Lyndon basis: the coefficients $\lambda_w$ of the Lie series

    $$\log S = \sum_w \lambda_w P_w, \qquad P_i = e_i, \quad P_{uv} = [P_u, P_v]$$

    over the Lyndon words w up to a length of `depth`, with their standard factorisations w = uv. Level 1 is the
    increment of the path, level 2 the signed areas between it and its chord in each pair of channels.

    **Arguments, cost:** as of `sj.signature`.

    **Returns** the coefficients by length, then in lexicographic order, as many as there are Lyndon words: d, d(d-1)/2,
    d(d^2-1)/3, ... for d channels (E. Witt's formula).

    Source: C. Reutenauer, Free Lie Algebras, Oxford 1993, chapters 3 to 5.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> sj.log_signature(jnp.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]), 2).tolist()
    [1.0, 1.0, 0.5]
    """
    levels = _logarithm(_levels(xs, depth))
    channels = levels[0].shape[0]
    parts = []
    for level, tensor in enumerate(levels, 1):
        places, matrix = _projection(channels, level)
        words = tensor[places]
        identity = np.array_equal(matrix, np.eye(len(matrix)))
        parts.append(words if identity else jnp.asarray(matrix, tensor.dtype) @ words)
    return jnp.concatenate(parts)
