"""Medical Akzo Nobel: an antibody that penetrates a tissue with a tumour."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast

# u and v at t = 20 for n = 200, without the points where they are 0 (u after 123, v before 96) or 1 (v after 131):
# LSODA at 1e-12, restarted at t = 5; PSIDE at 1e-10, the published one, agrees to 1.2e-10.
_U = (
    *(5.11398386e-06, 1.027858774e-05, 1.549349867e-05, 2.075835351e-05, 2.607273618e-05, 3.143617485e-05),
    *(3.684813896e-05, 4.230803607e-05, 4.781520868e-05, 5.336893076e-05, 5.896840425e-05, 6.461275537e-05),
    *(7.030103072e-05, 7.603219328e-05, 8.180511819e-05, 8.76185884e-05, 9.347129008e-05, 9.936180785e-05),
    *(0.00010528861987, 0.00011125009263, 0.0001172444756, 0.00012326989564, 0.00012932435118, 0.00013540570618),
    *(0.00014151168383, 0.00014763986005, 0.00015378765672, 0.00015995233459, 0.00016613098606, 0.00017232052761),
    *(0.00017851769192, 0.00018471901984, 0.00019092085196, 0.00019711931998, 0.00020331033775, 0.00020948959206),
    *(0.0002156525331, 0.00022179436471, 0.00022791003428, 0.0002339942224, 0.00024004133227, 0.00024604547882),
    *(0.00025200047756, 0.00025789983328, 0.00026373672841, 0.00026950401131, 0.00027519418428, 0.00028079939151),
    *(0.00028631140682, 0.00029172162147, 0.00029702103177, 0.00030220022684, 0.00030724937644, 0.00031215821883),
    *(0.000316916049, 0.00032151170711, 0.00032593356739, 0.00033016952747, 0.00033420699843, 0.00033803289553),
    *(0.00034163362995, 0.00034499510149, 0.00034810269268, 0.00035094126422, 0.00035349515225, 0.00035574816753),
    *(0.00035768359684, 0.00035928420701, 0.00036053225176, 0.00036140948193, 0.00036189715928, 0.00036197607455),
    *(0.0003616265701, 0.00036082856782, 0.00035956160274, 0.0003578048632, 0.00035553723812, 0.00035273737219),
    *(0.00034938372991, 0.0003454546692, 0.00034092852575, 0.00033578370906, 0.00032999881132, 0.00032355273031),
    *(0.00031642480773, 0.0003085949842, 0.00030004397246, 0.00029075345033, 0.00028070627499, 0.00026988672028),
    *(0.00025828073883, 0.00024587625066, 0.00023266346024, 0.00021863520371, 0.00020378732808, 0.00018811910419),
    *(0.00017163367498, 0.00015433854058, 0.00013624608151, 0.00011737412967, 9.774701212e-05, 7.740788537e-05),
    *(5.657118887e-05, 3.643334776e-05, 2.003152768e-05, 9.60829742e-06, 4.21553748e-06, 1.7535043e-06, 7.048158e-07),
    *(2.7609433e-07, 1.0575544e-07, 3.965142e-08, 1.455273e-08, 5.22635e-09, 1.83561e-09, 6.3011e-10, 2.1125e-10),
    *(6.913e-11, 2.206e-11, 6.86e-12, 2.08e-12, 6.1e-13, 1.8e-13),
)
_V_FIRST = 96
_V = (
    *(7.25e-12, 1.14339e-09, 1.0966248e-07, 6.19082204e-06, 0.00019862733218, 0.00348977356672, 0.0323452607913),
    *(0.154874734788, 0.402698053074, 0.664974483506, 0.840928454664, 0.931494667706, 0.972089620166, 0.989020487281),
    *(0.995793012352, 0.998424653148, 0.999422932594, 0.9997932126, 0.999927540933, 0.999975186938, 0.999991701513),
    *(0.99999729143, 0.999999137854, 0.999999732586, 0.999999919238, 0.999999976271, 0.999999993223, 0.99999999812),
    *(0.999999999494, 0.999999999868, 0.999999999967, 0.999999999992, 0.999999999998, 1.0, 1.0),
)


def _field(t: Any, y: Float[Array, " 2n"], args: Any) -> Float[Array, " 2n"]:
    t, (k, c) = cast(y, t, args)
    n = y.shape[0] // 2
    u, v = y[0::2], y[1::2]
    supply = cast(y, jnp.where(t <= 5, 2, 0))
    rest = np.arange(1, n) / n - 1
    slope, curvature = cast(y, 2 * rest**3) / c**2, cast(y, rest**4) / c**2
    before, after = jnp.append(supply, u[:-2]), u[1:]
    spread = slope * (after - before) * n / 2 + curvature * (before - 2 * u[:-1] + after) * n**2
    reaction = k * u * v
    # nothing reaches the last point, which stands for infinity, but by reaction
    du = jnp.append(spread, jnp.zeros_like(u[:1])) - reaction
    return jnp.stack([du, -reaction], axis=1).reshape(-1)


def _reference() -> np.ndarray:
    u, v = np.zeros(200), np.ones(200)
    u[: len(_U)] = _U
    v[:_V_FIRST] = 0
    v[_V_FIRST : _V_FIRST + len(_V)] = _V
    return np.stack([u, v], axis=1).reshape(-1)


def medical_akzo_nobel(n: int = 200) -> InitialValueProblem:
    r"""An antibody, labelled with iodine, diffuses into a tissue from x = 0 and reacts with it: 2n equations.

    $$\partial_t u = \partial_{xx} u - k u v, \quad \partial_t v = -k u v, \quad x > 0; \qquad
      u(0, t) = 2 \text{ for } t \le 5, \text{ then } 0; \quad u(x, 0) = 0, \; v(x, 0) = 1$$

    The half line is mapped to $\zeta = x / (x + c)$ in (0, 1), with points $\zeta_j = j / n$, so that
    $\partial_{xx} = \frac{(\zeta - 1)^4}{c^2} \partial_{\zeta\zeta} + \frac{2 (\zeta - 1)^3}{c^2} \partial_\zeta$.
    Unknowns interleaved, $(u_1, v_1, u_2, v_2, \dots)$: two diagonals on each side. t from 0 to 20; `args` =
    $(k, c)$ = (100, 4). The
    reference belongs to n = 200; its digits count from 1 on, absolutely (both u and v run to zero).

    Source: R. van der Hout, Akzo Nobel Central Research; F. Mazzia, C. Magherini, Test Set for Initial Value Problem
    Solvers, release 2.4 (Bari, 2008), problem MEDAKZO. The reference is computed anew, two digits closer.

    >>> from sciml_jax.data import problems
    >>> p = problems.medical_akzo_nobel()
    >>> p.y0.shape, p.y0[:4].tolist()
    ((400,), [0.0, 1.0, 0.0, 1.0])
    """
    return InitialValueProblem(
        "Medical Akzo Nobel",
        _field,
        (0.0, 20.0),
        np.tile([0.0, 1.0], n),
        (100.0, 4.0),
        stiff=True,
        jumps=(5.0,),
        atol=1e-8,
        **({"reference": _reference(), "reference_digits": 10} if n == 200 else {}),
        source="R. van der Hout, Akzo Nobel; Test Set for IVP Solvers, problem MEDAKZO",
    )
