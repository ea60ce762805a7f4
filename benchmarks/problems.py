"""The problems of the benchmarks: fields for any array namespace, their data with its source, and references.

A field maker takes the namespace (`numpy`, `jax.numpy` or `torch`) and returns `field(t, y, args)`. References are
digits of an extrapolation method in extended precision that shares nothing with any contender; `python -m
benchmarks.reference` computes them again and compares.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Field = Callable[[Any, Any, Any], Any]


class Problem(NamedTuple):
    """A field maker, the time span, the initial state, the parameters, and the state at the end."""

    make: Callable[[Any], Field]
    t0: float
    t1: float
    y0: np.ndarray
    args: tuple[float, ...]
    reference: np.ndarray


def lorenz(xp) -> Field:
    """Lorenz, J. Atmos. Sci. 20 (1963) 130, eq. 25-27; args are sigma, rho, beta."""

    def field(t, y, args):
        sigma, rho, beta = args
        return xp.stack([sigma * (y[1] - y[0]), y[0] * (rho - y[2]) - y[1], y[0] * y[1] - beta * y[2]])

    return field


def lorenz_scalars(t, y, args):
    """`lorenz` in plain Python numbers, which suits SciPy best."""
    sigma, rho, beta = args
    x, v, z = y.tolist()
    return [sigma * (v - x), x * (rho - z) - v, x * v - beta * z]


def lotka_volterra(xp) -> Field:
    """Hairer, Norsett & Wanner I, sec. I.1: prey a u - b u v, predator -c v + d u v."""

    def field(t, y, args):
        a, b, c, d = args
        meetings = y[0] * y[1]
        return xp.stack([a * y[0] - b * meetings, d * meetings - c * y[1]])

    return field


PLEIADES_MASS = np.arange(1.0, 8.0)


def pleiades(xp) -> Field:
    """Seven stars in a plane, masses 1 to 7, gravity 1: Hairer, Norsett & Wanner I, sec. II.10, eq. 10.3 (PLEI)."""

    def field(t, s, args):
        x, y, velocity = s[:7], s[7:14], s[14:]
        dx, dy = x[None, :] - x[:, None], y[None, :] - y[:, None]
        r2 = dx * dx + dy * dy + xp.asarray(np.eye(7))  # a star feels no force of its own: its dx and dy are zero
        pull = xp.asarray(PLEIADES_MASS)[None, :] / (r2 * xp.sqrt(r2))
        return xp.concatenate([velocity, (pull * dx).sum(-1), (pull * dy).sum(-1)])

    return field


# Hairer, Lubich & Wanner, Geometric Numerical Integration (2006), sec. I.2.3, table 2.2: Sun, Jupiter, Saturn, Uranus,
# Neptune, Pluto on 5 September 1994. Astronomical units, days, masses in those of the Sun (with its inner planets).
SUN_GRAVITY = 2.95912208286e-4
SUN_MASS = np.array(
    [1.00000597682, 0.000954786104043, 0.000285583733151, 0.0000437273164546, 0.0000517759138449, 1 / 1.3e8]
)
SUN_POSITION = np.array(
    [
        [0.0, 0.0, 0.0],
        [-3.5023653, -3.8169847, -1.5507963],
        [9.0755314, -3.0458353, -1.6483708],
        [8.3101420, -16.2901086, -7.2521278],
        [11.4707666, -25.7294829, -10.8169456],
        [-15.5387357, -25.2225594, -3.1902382],
    ]
)
SUN_VELOCITY = np.array(
    [
        [0.0, 0.0, 0.0],
        [0.00565429, -0.00412490, -0.00190589],
        [0.00168318, 0.00483525, 0.00192462],
        [0.00354178, 0.00137102, 0.00055029],
        [0.00288930, 0.00114527, 0.00039677],
        [0.00276725, -0.00170702, -0.00136504],
    ]
)


def outer_solar_system(xp) -> Field:
    """The Sun and its five outer planets (Hairer, Lubich & Wanner, sec. I.2.3): positions, velocities."""

    def field(t, s, args):
        q = s[:18].reshape(6, 3)
        d = q[None, :, :] - q[:, None, :]
        r2 = (d * d).sum(-1) + xp.asarray(np.eye(6))
        pull = xp.asarray(SUN_GRAVITY * SUN_MASS)[None, :] / (r2 * xp.sqrt(r2))
        return xp.concatenate([s[18:], (pull[:, :, None] * d).sum(1).reshape(18)])

    return field


SPIRAL = np.array([[-0.1, 2.0], [-2.0, -0.1]])


def spiral(xp) -> Field:
    """The cubic spiral dy/dt = y^3 A of Chen et al., Neural Ordinary Differential Equations (2018)."""

    def field(t, y, args):
        return (y * y * y) @ xp.asarray(SPIRAL)

    return field


PLEIADES_START = (
    [3, 3, -1, -3, 2, -2, 2]
    + [3, -3, 2, 0, 0, -4, 4]
    + [0, 0, 0, 0, 0, 1.75, -1.5]
    + [0, 0, 0, -1.25, 1, 0, 0]
)  # fmt: skip

PROBLEMS = {
    "lorenz": Problem(
        lorenz,
        0.0,
        20.0,
        np.array([1.0, 0.0, 0.0]),
        (10.0, 28.0, 8.0 / 3.0),
        np.array(
            [
                -8.0211436133170665,
                -11.905464749170862,
                19.856374858398820,
            ]
        ),
    ),
    "lotka_volterra": Problem(
        lotka_volterra,
        0.0,
        10.0,
        np.array([1.0, 1.0]),
        (1.5, 1.0, 3.0, 1.0),
        np.array(
            [
                1.0263447675750893,
                0.9096910781360416,
            ]
        ),
    ),
    "pleiades": Problem(
        pleiades,
        0.0,
        3.0,
        np.array(PLEIADES_START),
        (),
        np.array(
            [
                0.37061391439703907,
                3.2372840920572329,
                -3.2225590324183217,
                0.65970914557753082,
                0.34255817071565879,
                1.5621721014006315,
                -0.70030929222124946,
                -3.9434375855174073,
                -3.2713809739725503,
                5.2250818434565412,
                -2.59061243497747,
                1.1982136933922765,
                -0.24296823449358250,
                1.0914492404289821,
                3.4170038063142814,
                1.3545845016255014,
                -2.5900655978107738,
                2.0250537347142465,
                -1.1558151001604479,
                -0.80729881702230083,
                0.59523963542087076,
                -3.7412449612340298,
                0.37734596857506242,
                0.93868588695510477,
                0.36679222272005734,
                -0.34740463538084713,
                2.3449154481809368,
                -1.9470204342632893,
            ]
        ),
    ),
    "outer_solar_system": Problem(
        outer_solar_system,
        0.0,
        200_000.0,
        np.concatenate([SUN_POSITION.ravel(), SUN_VELOCITY.ravel()]),
        (),
        np.array(
            [
                1.2358425423546084,
                -0.48994382114427492,
                -0.24610536181432125,
                2.6110795701131349,
                -5.0795254967879031,
                -2.2447206778530278,
                -7.6691362473910894,
                -4.0520522454883757,
                -1.3311156697116187,
                -5.8247439498478789,
                15.337173753572463,
                6.7824634099175839,
                20.663980247514972,
                20.582956042459897,
                7.8947954147482158,
                36.566950698822588,
                -13.767684401259651,
                -15.043469221823267,
                -0.00000091343755816079725,
                -0.0000032377381060952561,
                -0.0000014020802031269846,
                0.0071788789283758221,
                0.0022335795260706644,
                0.00078374834293947084,
                0.0018447909562470607,
                -0.0047728068834890558,
                -0.0020565790499282066,
                -0.0036589500571615644,
                -0.0015548038336964926,
                -0.00062951455530423156,
                -0.002392874566072627,
                0.001890469681811901,
                0.00083332136975721611,
                0.0016299292484246477,
                0.0021080115602782295,
                0.00016850484299441594,
            ]
        ),
    ),
}
