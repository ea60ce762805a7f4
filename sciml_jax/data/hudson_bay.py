"""The pelts of the Hudson's Bay Company: hare and lynx, 1900 to 1920."""

import numpy as np

from .series import Series

_HARE = (
    *(30, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22, 25.4, 27.1),
    *(40.3, 57, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6, 16.2, 24.7),
)
_LYNX = (
    *(4, 6.1, 9.8, 35.2, 59.4, 41.7, 19, 13, 8.3, 9.1, 7.4),
    *(8, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6),
)

PUBLISHED_MEANS = {"a": 0.545, "b": 0.028, "c": 0.803, "d": 0.024}
"""Posterior means of a·u − b·uv, −c·v + d·uv on all 21 years, per year: B. Carpenter, Predator-prey population
dynamics: the Lotka-Volterra model in Stan, Stan case studies, 2018 (lognormal errors, weak priors)."""


def hudson_bay() -> Series:
    """Pelts of snowshoe hare and Canadian lynx bought each year by the Hudson's Bay Company, in thousands.

    **Returns:** a `Series` of 21 years, 1900 to 1920, with the columns `hare` and `lynx`.

    Source: the table of B. Carpenter's Stan case study (2018), after P. Howard, Modeling basics (lecture notes, Texas
    A&M, 2009), after C. Elton, M. Nicholson, The ten-year cycle in numbers of the lynx in Canada, J. Anim. Ecol. 11
    (1942), doi:10.2307/1358.

    >>> from sciml_jax.data import hudson_bay
    >>> pelts = hudson_bay()
    >>> pelts.names, pelts.y.shape, pelts.y[0].tolist()
    (('hare', 'lynx'), (21, 2), [30.0, 4.0])
    """
    return Series(
        np.arange(1900.0, 1921.0),
        np.stack([_HARE, _LYNX], axis=1),
        names=("hare", "lynx"),
        time="year",
        unit="thousands of pelts",
        time_unit="year",
        source="Hudson's Bay Company pelts",
    )
