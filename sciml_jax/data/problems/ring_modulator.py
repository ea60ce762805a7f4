"""The ring modulator: a circuit of diodes that multiplies two signals."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast

# C, Cs, Cp, Lh, Ls1, Ls2 = Ls3, gamma, R, Rp, Rg1, Rg2 = Rg3, Ri, Rc, delta
_CONSTANTS = (
    *(1.6e-8, 2e-12, 1e-8, 4.45, 2e-3, 5e-4, 40.67286402e-9),
    *(25000.0, 50.0, 36.3, 17.3, 50.0, 600.0, 17.7493332),
)


def _field(t: Any, y: Float[Array, " 15"], args: Any) -> Float[Array, " 15"]:
    t, (c, cs, cp, lh, ls1, ls2, gamma, r, rp, rg1, rg2, ri, rc, delta) = cast(y, t, args)
    low, high = 0.5 * jnp.sin(2e3 * jnp.pi * t), 2 * jnp.sin(2e4 * jnp.pi * t)
    u1, u2, u3, u4, u5, u6, u7, i1, i2, i3, i4, i5, i6, i7, i8 = y

    def diode(u: Float[Array, ""]) -> Float[Array, ""]:
        return gamma * (jnp.exp(delta * u) - 1)

    q1, q2 = diode(u3 - u5 - u7 - high), diode(-u4 + u6 - u7 - high)
    q3, q4 = diode(u4 + u5 + u7 + high), diode(-u3 - u6 + u7 + high)
    return jnp.stack(
        [
            (i1 - i3 / 2 + i4 / 2 + i7 - u1 / r) / c,
            (i2 - i5 / 2 + i6 / 2 + i8 - u2 / r) / c,
            (i3 - q1 + q4) / cs,
            (-i4 + q2 - q3) / cs,
            (i5 + q1 - q3) / cs,
            (-i6 - q2 + q4) / cs,
            (-u7 / rp + q1 + q2 - q3 - q4) / cp,
            -u1 / lh,
            -u2 / lh,
            (u1 / 2 - u3 - rg2 * i3) / ls2,
            (-u1 / 2 + u4 - rg2 * i4) / ls2,
            (u2 / 2 - u5 - rg2 * i5) / ls2,
            (-u2 / 2 + u6 - rg2 * i6) / ls2,
            (-u1 + low - (ri + rg1) * i7) / ls1,
            (-u2 - (rc + rg1) * i8) / ls1,
        ]
    )


def ring_modulator() -> InitialValueProblem:
    r"""A ring of four diodes mixes a signal of 1 kHz with one of 10 kHz: 7 voltages and 8 currents.

    $$C \dot U_1 = I_1 - \tfrac12 I_3 + \tfrac12 I_4 + I_7 - U_1 / R, \; \dots, \quad
      C_s \dot U_3 = I_3 - q(U_{D1}) + q(U_{D4}), \; \dots, \quad q(U) = \gamma\, (e^{\delta U} - 1)$$

    from rest, t from 0 to 1e-3 s. With the tiny capacitors $C_s$ = 2e-12 beside the diodes it oscillates fast and
    stiffly: tens of thousands of steps are usual, and values of q overflow where a Newton iteration goes astray.
    State $(U_1, \dots, U_7, I_1, \dots, I_8)$; `args` = $(C, C_s, C_p, L_h, L_{s1}, L_{s2}, \gamma, R, R_p, R_{g1},
    R_{g2}, R_i, R_c, \delta)$, with $L_{s3} = L_{s2}$ and $R_{g3} = R_{g2}$.

    Source: E. H. Horneber, Analyse nichtlinearer RLCÜ-Netzwerke mit Hilfe der gemischten Potentialfunktion, thesis,
    Kaiserslautern 1976; E. Hairer, C. Lubich, M. Roche, The Numerical Solution of Differential-Algebraic Systems by
    Runge-Kutta Methods, Springer 1989; reference: F. Mazzia, C. Magherini, Test Set for Initial Value Problem Solvers,
    release 2.4 (Bari, 2008), problem RINGMOD.

    >>> from sciml_jax.data import problems
    >>> p = problems.ring_modulator()
    >>> p.y0.shape, float(abs(p.field(0.0, p.y0, p.args)).max())     # both signals start at zero
    ((15,), 0.0)
    """
    reference = (
        *(-0.2339057358486745e-1, -0.7367485485540825e-2, 0.2582956709291169, -0.4064465721283450),
        *(-0.4039455665149794, 0.2607966765422943, 0.1106761861269975, 0.2939904342435596e-6),
        *(-0.2840029933642329e-7, 0.7267198267264553e-3, 0.7929487196960840e-3, -0.7255283495698965e-3),
        *(-0.7941401968526521e-3, 0.7088495416976114e-4, 0.2390059075236570e-4),
    )
    return InitialValueProblem(
        "Ring modulator",
        _field,
        (0.0, 1e-3),
        np.zeros(15),
        _CONSTANTS,
        stiff=True,
        atol=np.array([1e-6] * 7 + [1e-9] * 8),
        reference=np.array(reference),
        reference_digits=9,
        source="E. H. Horneber, thesis, Kaiserslautern 1976; Test Set for IVP Solvers, problem RINGMOD",
    )
