"""POLLU: the chemistry of polluted air, 25 reactions of 20 species."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .problem import InitialValueProblem, cast

SPECIES = (
    *("NO2", "NO", "O3P", "O3", "HO2", "OH", "HCHO", "CO", "ALD", "MEO2"),
    *("C2O3", "CO2", "PAN", "CH3O", "HNO3", "O1D", "SO2", "SO4", "NO3", "N2O5"),
)

# Rate constant, reactants, products; times in minutes, concentrations in ppm.
_REACTIONS = (
    (0.35, "NO2", "NO O3P"),
    (26.6, "NO O3", "NO2"),
    (1.23e4, "HO2 NO", "NO2 OH"),
    (8.6e-4, "HCHO", "HO2 HO2 CO"),
    (8.2e-4, "HCHO", "CO"),
    (1.5e4, "HCHO OH", "HO2 CO"),
    (1.3e-4, "ALD", "MEO2 HO2 CO"),
    (2.4e4, "ALD OH", "C2O3"),
    (1.65e4, "C2O3 NO", "NO2 MEO2 CO2"),
    (9e3, "C2O3 NO2", "PAN"),
    (2.2e-2, "PAN", "C2O3 NO2"),
    (1.2e4, "MEO2 NO", "CH3O NO2"),
    (1.88, "CH3O", "HCHO HO2"),
    (1.63e4, "NO2 OH", "HNO3"),
    (4.8e6, "O3P", "O3"),
    (3.5e-4, "O3", "O1D"),
    (1.75e-2, "O3", "O3P"),
    (1e8, "O1D", "OH OH"),
    (4.44e11, "O1D", "O3P"),
    (1.24e3, "SO2 OH", "SO4 HO2"),
    (2.1, "NO3", "NO"),
    (5.78, "NO3", "NO2 O3P"),
    (4.74e-2, "NO2 O3", "NO3"),
    (1.78e3, "NO3 NO2", "N2O5"),
    (3.12, "N2O5", "NO3 NO2"),
)


_PLACES = [[SPECIES.index(name) for name in left.split()] for _, left, _ in _REACTIONS]


def _changes() -> np.ndarray:
    """What each reaction changes of each species, shape (20, 25)."""
    changes = np.zeros((20, 25))
    for j, (_, left, right) in enumerate(_REACTIONS):
        for side, names in ((-1, left), (1, right)):
            for name in names.split():
                changes[SPECIES.index(name), j] += side
    return changes


_CHANGES = _changes()


def _field(t: Any, y: Float[Array, " 20"], args: Any) -> Float[Array, " 20"]:
    species, rates = list(y), []
    for k, places in zip(cast(y, args), _PLACES, strict=True):
        rates.append(math.prod((species[i] for i in places), start=k))
    # summed term by term: a product with the matrix would have 500 terms, of which few are not zero
    totals = []
    for row in _CHANGES:
        terms = [rates[j] if c == 1 else float(c) * rates[j] for j, c in enumerate(row) if c]
        totals.append(sum(terms[1:], terms[0]))
    return jnp.stack(totals)


def pollu() -> InitialValueProblem:
    r"""The chemical part of an air pollution model: 20 species, 25 reactions, rate constants over fifteen decades.

    $$\dot y_i = \sum_j \nu_{ij}\, k_j \prod_{m \in \mathrm{reactants}(j)} y_m$$

    from NO = 0.2, O3 = 0.04, HCHO = 0.1, CO = 0.3, ALD = 0.01, SO2 = 0.007 (ppm), for an hour (t in minutes). The fast
    eigenvalue is -4.4e11 (oxygen atoms in their first excited state); concentrations end between 4e-18 and 0.3.
    `args`: $k_1, \dots, k_{25}$, shape (25,). The order of the species is `SPECIES` of this module.

    Source: J. G. Verwer, Gauss-Seidel iteration for stiff ODEs from chemical kinetics, SIAM J. Sci. Comput. 15 (1994)
    1243-1250, doi:10.1137/0915076; reference: F. Mazzia, C. Magherini, Test Set for Initial Value Problem Solvers,
    release 2.4 (Bari, 2008), problem POLLU.

    >>> from sciml_jax.data import problems
    >>> p = problems.pollu()
    >>> dy = p.field(0.0, p.y0, p.args)
    >>> dy.shape, round(float(dy[0]), 6)     # NO + O3 -> NO2
    ((20,), 0.2128)
    """
    y0 = np.zeros(20)
    for name, value in {"NO": 0.2, "O3": 0.04, "HCHO": 0.1, "CO": 0.3, "ALD": 0.01, "SO2": 0.007}.items():
        y0[SPECIES.index(name)] = value
    reference = (
        *(0.5646255480022769e-1, 0.1342484130422339, 0.4139734331099427e-8, 0.5523140207484359e-2),
        *(0.2018977262302196e-6, 0.1464541863493966e-6, 0.7784249118997964e-1, 0.3245075353396018),
        *(0.7494013383880406e-2, 0.1622293157301561e-7, 0.1135863833257075e-7, 0.2230505975721359e-2),
        *(0.2087162882798630e-3, 0.1396921016840158e-4, 0.8964884856898295e-2, 0.4352846369330103e-17),
        *(0.6899219696263405e-2, 0.1007803037365946e-3, 0.1772146513969984e-5, 0.5682943292316392e-4),
    )
    return InitialValueProblem(
        "POLLU",
        _field,
        (0.0, 60.0),
        y0,
        np.array([rate for rate, _, _ in _REACTIONS]),
        stiff=True,
        # each component's own size: the smallest one is 4e-18
        atol=1e-6 * np.array(reference),
        reference=np.array(reference),
        reference_digits=14,
        source="J. G. Verwer, SIAM J. Sci. Comput. 15 (1994); Test Set for IVP Solvers, problem POLLU",
    )
