"""EMEP: the chemistry of ozone over Europe, 66 species through four days and nights."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .emep_reactions import REACTIONS, SPECIES
from .problem import InitialValueProblem, cast

_AIR, _OXYGEN = 2.55e19, 5.2e18  # molecules per cm3
_HEIGHT = 1.2e5  # of the mixed layer, cm

# Photolysis: A exp(-B / cos of the sun's angle from the zenith).
_LIGHT = {
    "j1": (1.23e-3, 0.60),
    "j2": (2.00e-4, 1.40),
    "j3": (1.45e-2, 0.40),
    "j4": (2.20e-5, 0.75),
    "j5": (3.00e-6, 1.25),
    "j6": (5.40e-5, 0.79),
    "j7": (6.65e-5, 0.60),
    "2j7": (2 * 6.65e-5, 0.60),
    "j8": (1.35e-5, 0.94),
    "j9": (2.43e-5, 0.88),
    "j11": (2.16e-4, 0.79),
    "j13": (3.53e-2, 0.081),
    "j14": (8.94e-2, 0.059),
    "j15": (3.32e-5, 0.57),
    "j16": (2.27e-5, 0.62),
}
# A (T / 300)^n exp(E / T): (A, E) or (A, E, n); concentrations of air, where they take part, are in A.
_THERMAL = {
    "k1": (5.7e-34 * _AIR * _OXYGEN, 0, -2.8),
    "k5": (9.6e-32 * _AIR, 0, -1.6),
    "k7": (2e-11 * _AIR, 100),
    "k11": (1.8e-12, -1370),
    "k12": (1.2e-13, -2450),
    "k13": (1.9e-12, -1000),
    "k14": (1.4e-14, -600),
    "k15": (1.8e-11, 110),
    "k17": (3.7e-12, 240),
    "k19": (7.2e-14, -1414),
    "k20": (1.4e-12, 0),
    "k21": (1.4e-11, 0),
    "k26": (4.1e-16, 0),
    "k29": (7.1e14, -11080),
    "k30": (4.8e-11, 250),
    "k31": (2.9e-12, -160),
    "k33": (7.7e-12, -2100),
    "k35": (1.0e-14, 785),
    "k39": (1.35e-12, 0),
    "k40": (4.0e-17, 0),
    "k43": (1e-4, 0),
    "k59": (3.9e-12, -1885),
    "k60": (4.2e-12, 180),
    "k61": (5.5e-14, 365),
    "k63": (3.3e-12, -380),
    "k64": (3.2e-12, 0),
    "k65": (3.8e-13, 780),
    "k66": (9.6e-12, 0),
    "k67": (1.0e-12, 190),
    "k68": (1.9e-12, 190),
    "k69": (5.8e-16, 0),
    "k70": (2.4e-13, 0),
    "k71": (7.8e-12, -1020),
    "k72": (8.9e-12, 0),
    "k74": (6.5e-13, 650),
    "k75": (5.6e-12, 310),
    "k76": (5.8e-12, 190),
    "k77": (1.0e-11, 0),
    "k78": (1.34e16, -13330),
    "k79": (2.0e-11, 0),
    "k80": (1.1e-11, 0),
    "k81": (1.64e-11, -559),
    "k85": (1.0e-11, 0),
    "k86": (1.15e-12, 0),
    "k87": (4.8e-12, 0),
    "k88": (1.3e-13, 1040),
    "k89": (3.0e-13, 1040),
    "k94": (2.8e-12, 530),
    "k109": (1.66e-12, 474),
    "k112": (1.2e-14, -2630),
    "k123": (6.5e-15, -1880),
    "k125": (2.86e-11, 0),
    "k146": (3.2e-11, 0),
    "k147": (2.0e-11, 0),
    "k148": (2.2e-11, 0),
    "k149": (3.7e-11, 0),
    "k150": (12.3e-15, -2013),
    "k151": (2.54e-11, 410),
    "k153": (4.13e-12, 452),
    "k156": (2.0e-11, 0),
    "k157": (8.0e-18, 0),
    "k158": (1.86e-11, 175),
    "k160": (4.32e-15, -2016),
    "k161": (3.35e-11, 0),
    "k163": (7.8e-13, 0),
    "k219": (2.0e-11, 0),
    "k221": (1.1e-11, 0),
    "k222": (1.7e-11, 0),
    "k223": (2.4e-11, 0),
    "k234": (1.37e-11, 0),
    "k235": (1.7e-11, 0),
}
# Velocities of deposition in cm/s by day; a quarter by night.
_DEPOSITION = {"k47": 0.5, "k48": 0.2, "k49": 0.5, "k50": 0.2, "k51": 0.1, "k52": 0.5, "k53": 0.3}
_RATES = (*_LIGHT, *_THERMAL, *_DEPOSITION, "k8", "k36")
# Shares of the hydrocarbons by mass, and molar masses.
_HYDROCARBONS = {
    "C2H6": (0.07689, 30.0),
    "NC4H10": (0.41444, 58.0),
    "C2H4": (0.03642, 28.0),
    "C3H6": (0.03827, 42.0),
    "OXYL": (0.24537, 106.0),
    "C2H5OH": (0.13957, 46.0),
}

# The published state at 417600 s: RADAU5 with rtol = 1e-14, atol = 1e-8.
_END = (
    *(25645805.11140732, 51461347709.52715, 231567995770.1715, 11309365994728.92, 34592853260349.55),
    *(102723655097.4901, 85087355868.36855, 4131285674.624012, 1270937854.717943, 5632880890.404914),
    *(82638215527.30888, 32935526589.08353, 105405818620.6315, 3150308585365.321, 24883839.36633755),
    *(10975656154.11556, 13651965576.2918, 385204823050.3094, 113746272.1600089, 28509822059.05218),
    *(378693361979.1445, 3832384333.863027, 4804939.902203071, 33905460.8109296, 34944529299.72591),
    *(14905763.70801779, 10005678.71868853, 1856753061.984312, 2272206.15687516, 5168375883.757783),
    *(2317595.952406701, 3035139656.996921, 5928979.479102226, 2515297290.687841, 4569678.276203798),
    *(3.727926507368739, 40635.89349848112, 8.159151146269279e-38, 557759072.4412284, 768459661.6753747),
    *(5338491777.959816, 604860402532.841, 42222372.16819787, 3681852767.009784, 5835731.567978018),
    *(1456507159.081862, 8862868684.014137, 933875331.2528582, 3595753586.682656, 462242758.4057254),
    *(239591006.4875511, 6080936586.253302, 770410829.734224, 3386220860.753221, 1838264387.030593),
    *(1973252346.091884, 1313403.940892729, 1344471764.571674, 2568483.117244701, 1131854591.900057),
    *(4591537.937818946, 860938228.2952802, 350956097.1283513, 668235097.1104786, 320735640.301116),
    114498763.4882048,
)


def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each reaction the place of its rate and of two reactants (66: none), and what it changes, (66, reactions)."""
    lines = REACTIONS.strip().splitlines()
    rates, reactants, changes = np.zeros(len(lines), int), np.full((2, len(lines)), 66), np.zeros((66, len(lines)))
    for j, line in enumerate(lines):
        rate, equation = line.split(":")
        left, right = equation.split("->")
        rates[j] = _RATES.index(rate)
        for i, name in enumerate(left.split()):
            reactants[i, j] = SPECIES.index(name)
            changes[SPECIES.index(name), j] -= 1
        for term in filter(None, right.strip().split(" + ")):
            *count, name = term.split()
            changes[SPECIES.index(name), j] += float(count[0]) if count else 1
    return rates, reactants, changes


_RATE_OF, _REACTANTS, _CHANGES = _tables()


def _emissions() -> np.ndarray:
    """Per unit of the emission of nitrogen oxides (sulphur goes with it) and of hydrocarbons, shape (66, 2)."""
    out = np.zeros((66, 2))
    moles = sum(share / mass for share, mass in _HYDROCARBONS.values())
    hydrocarbons = {name: share / mass / moles for name, (share, mass) in _HYDROCARBONS.items()}
    columns = ({"NO": 1.0, "SO2": 1.0, "SA": 0.05}, {**hydrocarbons, "CO": 10.0, "ISOPRE": 0.5})
    for j, column in enumerate(columns):
        for name, amount in column.items():
            out[SPECIES.index(name), j] = amount / _HEIGHT
    return out


_EMISSIONS = _emissions()


def _coefficients(t: Float[Array, ""], temperature: Float[Array, ""]) -> Float[Array, " k"]:
    """The rate constants at a time of day, in the order of `_RATES`."""
    hour = jnp.mod(t / 3600, 24)
    day = (hour >= 4) & (hour < 20)
    # on the 21st of June at 50 degrees north
    latitude, declination = np.deg2rad(50.0), np.deg2rad(23.5)
    turning, fixed = float(np.cos(latitude) * np.cos(declination)), float(np.sin(latitude) * np.sin(declination))
    height = jnp.where(day, fixed - turning * jnp.cos(hour * (math.pi / 12)), 1)
    a, b = cast(t, *np.array(list(_LIGHT.values())).T)
    light = jnp.where(day, a * jnp.exp(-b / height), 0)
    a, e, n = cast(t, *np.array([(*row, 0.0)[:3] for row in _THERMAL.values()]).T)
    thermal = a * (temperature / 300) ** n * jnp.exp(e / temperature)
    deposition = cast(t, np.array(list(_DEPOSITION.values())) / _HEIGHT) * jnp.where(day, 1, 0.25)
    # water vapour from the relative humidity, by the heat of evaporation
    humidity = 23 * jnp.sin(2.43 - 7.93e-5 * 3600 * hour) + 66.5
    heat = (597.3 - 0.57 * (temperature - 273.16)) * 18 / 1.986
    water = 6.1078 * jnp.exp(-heat * (1 / temperature - 1 / 273.16)) * (10 / 1.38e-16) / temperature * humidity
    k36 = 2.3e-13 * jnp.exp(600 / temperature) + _AIR * 1.7e-33 * jnp.exp(1000 / temperature)
    k36 = k36 * (1 + 1.4e-21 * water * jnp.exp(2200 / temperature))
    return jnp.concatenate([light, thermal, deposition, jnp.stack([2.2e-10 * water, k36])])


def _field(t: Any, y: Float[Array, " 66"], args: Any) -> Float[Array, " 66"]:
    t, (temperature, *emitted) = cast(y, t, args)
    k = _coefficients(t, temperature)[_RATE_OF]
    factors = jnp.append(y, jnp.ones_like(y[:1]))
    rates = k * factors[_REACTANTS[0]] * factors[_REACTANTS[1]]
    return cast(y, _CHANGES) @ rates + cast(y, _EMISSIONS) @ jnp.stack(emitted)


def emep() -> InitialValueProblem:
    r"""The ozone chemistry of the EMEP model in one well-mixed box: 66 species, 160 reactions, emissions, deposition.

    $$\dot y_i = \sum_j \nu_{ij}\, k_j(t) \prod_{m \in \mathrm{reactants}(j)} y_m + e_i$$

    Concentrations in molecules per cm3, from 1e-37 to 3e13; t in seconds from 4 in the morning of a day to 8 in the
    evening four days later. Photolysis stops at 20 h and starts at 4 h: the rates jump there. Very stiff: the
    fastest reaction takes 1e-9 s. At t1 the light goes out: the reference of OP has five digits, that of OD none.
    `args` = (temperature in K, 298; emission of nitrogen oxides, and of hydrocarbons, in molecules per cm2 and second,
    2.5e11 each). The table of the reactions is `emep_reactions.py`.

    Source: D. Simpson, Y. Andersson-Sköld, M. E. Jenkin, Updating the chemical scheme for the EMEP MSC-W oxidant model,
    EMEP MSC-W note 2/93, Oslo 1993; reference: F. Mazzia, C. Magherini, Test Set for Initial Value Problem Solvers,
    release 2.4 (Bari, 2008), problem EMEP.

    >>> from sciml_jax.data import problems
    >>> p = problems.emep()
    >>> dy = p.field(14400.0, p.y0, p.args)
    >>> dy.shape, round(float(dy[3]) / 1e7, 2)     # carbon monoxide: 10 * 2.5e11 / 1.2e5 and a little more
    ((66,), 2.08)
    """
    y0 = np.full(66, 1e2)
    y0[:5] = 1e9, 5e9, 5e9, 3.8e12, 3.5e13
    y0[5:13] = 1e7
    y0[SPECIES.index("O3")], y0[SPECIES.index("OD")] = 5e11, 1e-3
    return InitialValueProblem(
        "EMEP",
        _field,
        (14400.0, 417600.0),
        y0,
        (298.0, 2.5e11, 2.5e11),
        stiff=True,
        jumps=(72e3, 100.8e3, 158.4e3, 187.2e3, 244.8e3, 273.6e3, 331.2e3, 360e3),
        atol=1.0,
        reference=np.array(_END),
        reference_digits=8,
        source="D. Simpson, Y. Andersson-Sköld, M. E. Jenkin, EMEP note 2/93 (1993); Test Set for IVP Solvers, EMEP",
    )
