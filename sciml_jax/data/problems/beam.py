"""The elastic beam: a stiff second-order system whose eigenvalues lie on the imaginary axis."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast


def _solve(diagonal: Float[Array, " n"], beside: Float[Array, " n-1"], rhs: Float[Array, " n"]) -> Float[Array, " n"]:
    """Solves a symmetric tridiagonal system: elimination from the free end, as the source does it, then back."""

    def eliminate(below: tuple[Array, Array], row: tuple[Array, Array, Array]) -> tuple[Any, Any]:
        pivot, value, side = row
        factor = side / below[0]
        kept = pivot - side * factor, value - factor * below[1]
        return kept, kept

    def substitute(above: Array, row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        pivot, value, side = row
        x = (value - side * above) / pivot
        return x, x

    last = diagonal[-1], rhs[-1]
    _, (pivots, values) = jax.lax.scan(eliminate, last, (diagonal[:-1], rhs[:-1], beside), reverse=True)
    pivots, values = jnp.append(pivots, last[0]), jnp.append(values, last[1])
    sides = jnp.append(jnp.zeros_like(beside[:1]), beside)
    return jax.lax.scan(substitute, jnp.zeros_like(rhs[0]), (pivots, values, sides))[1]


def _field(t: Any, y: Float[Array, " 80"], args: Any) -> Float[Array, " 80"]:
    t, (load,) = cast(y, t, args)
    n = y.shape[0] // 2
    angle, rate = y[:n], y[n:]
    force = jnp.where(t > jnp.pi, 0, load * jnp.sin(t) ** 2)
    # clamped at the left, free at the right: the second differences of the angle are the moments
    before, after = jnp.append(-angle[:1], angle[:-1]), jnp.append(angle[1:], angle[-1:])
    bend = n**4 * (before - 2 * angle + after)
    v = bend + n**2 * force * (jnp.cos(angle) + jnp.sin(angle))
    turn = angle[1:] - angle[:-1]
    sine, cosine = jnp.sin(turn), jnp.cos(turn)
    # C and D of the source: tridiagonal, and without a diagonal
    diagonal = jnp.ones_like(angle).at[1:].set(2).at[-1].set(3)
    zero = jnp.zeros_like(angle[:1])

    def times_c(x: Float[Array, " n"]) -> Float[Array, " n"]:
        return diagonal * x - jnp.append(zero, cosine * x[:-1]) - jnp.append(cosine * x[1:], zero)

    def times_d(x: Float[Array, " n"]) -> Float[Array, " n"]:
        return jnp.append(sine * x[1:], zero) - jnp.append(zero, sine * x[:-1])

    w = _solve(diagonal, -cosine, times_d(v) + rate**2)
    return jnp.concatenate([rate, times_c(v) + times_d(w)])


def beam() -> InitialValueProblem:
    r"""An elastic beam of 40 joints, clamped at the left end, pulled at the free end for a while, then let swing.

    $$\ddot\theta = C v + D u, \quad C u = D v + \dot\theta^2, \quad
      v_l = n^4 (\theta_{l-1} - 2 \theta_l + \theta_{l+1}) + n^2 (F_y \cos\theta_l - F_x \sin\theta_l)$$

    with $\theta_0 = -\theta_1$, $\theta_{n+1} = \theta_n$; C is tridiagonal with $C_{ll} = 2$ (first 1, last 3) and
    $C_{l, l \pm 1} = -\cos(\theta_l - \theta_{l \pm 1})$, D has $D_{l, l \pm 1} = -\sin(\theta_l - \theta_{l \pm 1})$.
    The force is $F_y = -F_x = 1.5 \sin^2 t$ until $\pi$, and none after. State $(\theta, \dot\theta)$, 80 unknowns, at
    rest; t from 0 to 5; `args` = (1.5,). The eigenvalues are imaginary, up to 6400 i: methods that are not A-stable
    (BDF of order 3 and more) are in trouble.

    Source: E. Hairer, G. Wanner, Solving Ordinary Differential Equations II (1996), IV.1;
    reference: F. Mazzia, C. Magherini, Test Set for Initial Value Problem Solvers, release 2.4 (Bari, 2008).

    >>> from sciml_jax.data import problems
    >>> p = problems.beam()
    >>> p.y0.shape, float(abs(p.field(0.0, p.y0, p.args)).max())
    ((80,), 0.0)
    """
    angles = (
        *(-0.5792366591285007e-2, -0.1695298550721735e-1, -0.2769103312973094e-1, -0.3800815655879158e-1),
        *(-0.4790616859743763e-1, -0.5738710435274594e-1, -0.6645327313454617e-1, -0.7510730581979037e-1),
        *(-0.8335219765414992e-1, -0.9119134654647947e-1, -0.9862858700132091e-1, -0.1056682200378002),
        *(-0.1123150395409595, -0.1185743552727245, -0.1244520128755561, -0.1299544113264161),
        *(-0.1350885180610398, -0.1398618819194422, -0.1442826441015242, -0.1483595472463012),
        *(-0.1521019429001447, -0.1555197978061129, -0.1586236993420229, -0.1614248603702127),
        *(-0.1639351238193223, -0.1661669673440852, -0.1681335081778558, -0.1698485080602243),
        *(-0.1713263782440888, -0.1725821847462537, -0.1736316537975654, -0.1744911773840049),
        *(-0.1751778187863392, -0.1757093178712902, -0.1761040960228576, -0.1763812607175549),
        *(-0.1765606097564671, -0.1766626352260565, -0.1767085270807460, -0.1767201761075488),
    )
    rates = (
        *(0.3747362681329794e-1, 0.1099117880217593, 0.1798360474312799, 0.2472427305442391),
        *(0.3121293820596567, 0.3744947377019500, 0.4343386073492798, 0.4916620354601748),
        *(0.5464677854586807, 0.5987609702624270, 0.6485493611110740, 0.6958435169132503),
        *(0.7406572668520808, 0.7830081747813241, 0.8229176659201515, 0.8604110305190560),
        *(0.8955175502377805, 0.9282708263127953, 0.9587089334522034, 0.9868747821728363),
        *(1.012816579961883, 1.036587736679858, 1.058246826481355, 1.077857811433353),
        *(1.095490222005369, 1.111219164294898, 1.125125269286501, 1.137294526609229),
        *(1.147818025153607, 1.156792132004482, 1.164318845130183, 1.170505992596124),
        *(1.175467424299550, 1.179323003228859, 1.182198586299667, 1.184226111223146),
        *(1.185543909805575, 1.186297084203716, 1.186637618908127, 1.186724615113034),
    )
    return InitialValueProblem(
        "Beam",
        _field,
        (0.0, 5.0),
        np.zeros(80),
        (1.5,),
        stiff=True,
        atol=1e-6,
        reference=np.array([*angles, *rates]),
        reference_digits=8,
        source="E. Hairer, G. Wanner, Solving ODEs II (1996), IV.1; Test Set for IVP Solvers, problem BEAM",
    )
