"""SOSRI: strong order 1.5 for diagonal noise, with a large region of stability."""

from typing import ClassVar

from .sri import SRI, SRITableau


class SOSRI(SRI):
    r"""The stability-optimised stochastic Runge-Kutta method SOSRI for diagonal or scalar noise in Itô's sense.

    Strong order 1.5; adaptive or constant steps. Four evaluations of drift and diffusion a step, and two normal numbers
    for each noise. For a Stratonovich equation the drift is converted.

    Source: C. Rackauckas & Q. Nie, Stability-optimized high order methods and stiffness detection for pathwise stiff
    stochastic differential equations, IEEE HPEC 2020, arXiv:1804.04344; the scheme is that of `sj.SRI`.

    >>> import jax, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -y), (lambda t, y, args: 0.1 * y)
    >>> options = {"method": sj.SOSRI(), "rtol": 1e-3, "atol": 1e-3}
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, jax.random.key(0), **options)
    >>> 0.2 < float(sol.y) < 0.6
    True
    """

    stages: ClassVar[int] = 4
    tableau: ClassVar[SRITableau] = SRITableau(
        c0=(0.0, -0.04199224421316468, 0.7898405466170333, 3.7504010171562823),
        c1=(0.0, 0.26204282091330466, 0.05879875232001766, 0.758661169101175),
        a0=(
            (),
            (-0.04199224421316468,),
            (2.842612915017106, -2.0527723684000727),
            (4.338237071435815, -2.8895936137439793, 2.3017575594644466),
        ),
        a1=(
            (),
            (0.26204282091330466,),
            (0.20903646383505375, -0.1502377115150361),
            (0.05836595312746999, 0.6149440396332373, 0.08535117634046772),
        ),
        b0=(
            (),
            (-0.21641093549612528,),
            (1.5336352863679572, 0.26066223492647056),
            (-1.0536037558179159, 1.7015284721089472, -0.20725685784180017),
        ),
        b1=(
            (),
            (-0.5119011827621657,),
            (2.67767339866713, -4.9395031322250995),
            (0.15580956238299215, 3.2361551006624674, -1.4223118283355949),
        ),
        alpha=(1.140099274172029, -0.6401334255743456, 0.4736296532772559, 0.026404498125060714),
        betas=(
            (-1.8453464565104432, 2.688764531100726, -0.2523866501071323, 0.40896857551684956),
            (0.4969658141589478, -0.5771202869753592, -0.12919702470322217, 0.2093514975196336),
            (2.8453464565104425, -2.688764531100725, 0.2523866501071322, -0.40896857551684945),
            (0.11522663875443433, -0.57877086147738, 0.2857851028163886, 0.17775911990655704),
        ),
    )
