"""Products of phi functions of a large matrix with a vector, by Arnoldi's projection."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .phi import phi_matrix

# of a combination of functions: w_k by k
Weights = Mapping[int, float]


class Space(NamedTuple):
    r"""A Krylov space: $A V_m = V_m H_m + h_{m+1,m} v_{m+1} e_m^T$ with orthonormal rows of `basis` and
    $b = \mathrm{size} \cdot v_1$."""

    size: Float[Array, ""]
    basis: Float[Array, "m+1 n"]
    hessenberg: Float[Array, "m+1 m"]

    def apply(self, h: Array, combinations: Sequence[Weights]) -> list[tuple[Array, Array]]:
        r"""For each combination $\{k: w_k\}$, $k \ge 1$, the vector $\sum w_k \varphi_k(hA) b$ and an estimate of its
        error, entry by entry and not negative.

        $$\varphi_k(hA) b \approx \|b\| V_m \varphi_k(h H_m) e_1, \qquad
          \mathrm{error} \approx \|b\|\, h\, h_{m+1,m}\, (\varphi_{k+1}(h H_m))_{m1}\, v_{m+1}$$

        Source: Y. Saad, SIAM J. Numer. Anal. 29 (1992) 209-228, theorem 5.1, doi:10.1137/0729014.
        """
        m = self.hessenberg.shape[1]
        functions = phi_matrix(h * self.hessenberg[:m], 1 + max(max(weights) for weights in combinations))
        missed = jax.lax.stop_gradient(self.size * h * self.hessenberg[m, m - 1] * self.basis[m])
        out = []
        for weights in combinations:
            column = sum(w * functions[k][:, 0] for k, w in weights.items())
            last = sum(w * functions[k + 1][m - 1, 0] for k, w in weights.items())
            out.append(((self.size * column) @ self.basis[:m], jnp.abs(missed * jax.lax.stop_gradient(last))))
        return out


def krylov(multiply: Callable[[Array], Array], b: Float[Array, " n"], dimension: int) -> Space:
    """The Krylov space of b, by Arnoldi's process with a second orthogonalisation.

    Where the space is exhausted before `dimension` (b = 0, an eigenvector), a vector of rounding size takes its place:
    values do not notice, nothing is divided by zero, and derivatives, which lead out of an exhausted space, find
    directions to go on in.

    Cost: `dimension` products with A, 4 n `dimension`^2 operations; in reverse mode n `dimension`^2 numbers of memory.
    """
    info = jnp.finfo(b.dtype)

    def filled(w, j):
        # a chirp, another one for every j
        i = jnp.arange(b.shape[0], dtype=b.dtype)
        noise = jnp.cos(0.7 * (i + 1) ** 1.5 * (1 + 0.37 * j))
        size = jnp.max(jnp.abs(jax.lax.stop_gradient(w)), initial=0.0)
        return w + (info.eps * size + float(info.tiny) ** 0.4) * noise

    def extend(space, j):
        basis, hessenberg = space
        w = filled(multiply(basis[j]), j + 1)
        once = basis @ w
        w = w - once @ basis
        again = basis @ w
        w = w - again @ basis
        size = jnp.linalg.norm(w)
        column = (once + again).at[j + 1].set(size)
        return (basis.at[j + 1].set(w / size), hessenberg.at[:, j].set(column)), None

    start = filled(b, 0)
    size = jnp.linalg.norm(start)
    basis = jnp.zeros((dimension + 1, b.shape[0]), b.dtype).at[0].set(start / size)
    hessenberg = jnp.zeros((dimension + 1, dimension), b.dtype)
    (basis, hessenberg), _ = jax.lax.scan(extend, (basis, hessenberg), jnp.arange(dimension))
    return Space(size, basis, hessenberg)
