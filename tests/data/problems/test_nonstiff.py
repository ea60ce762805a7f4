"""The references of the non-stiff problems, against SciPy's explicit method of order 8 and exact solutions."""

import numpy as np
import pytest
from scipy.special import ellipj

from sciml_jax.data import problems

from .every import scipy_end

# What the errors of steps at 1e-12 grow to by the end, relative to the largest component.
GROWTH = {"pleiades": 1e-9, "arenstorf": 1e-7, "rigid_body": 1e-10, "lotka_volterra": 1e-10}


@pytest.mark.parametrize("name", GROWTH)
def test_references(name):
    p = getattr(problems, name)()
    assert not p.stiff
    error = np.abs(scipy_end(p, "DOP853", 1e-12) - p.reference).max()
    assert error < GROWTH[name] * np.abs(p.reference).max()


@pytest.mark.parametrize("name", problems.DETEST)
def test_detest(name):
    p = problems.detest(name)
    error = np.abs(scipy_end(p, "DOP853", 1e-11, atol=1e-14) - p.reference).max()
    # 1e-11 a step over up to five hundred steps of an orbit; A1 and C2 end at 1e-9
    assert error < 2e-9 * np.abs(p.reference).max() + 1e-14


# Some of the digits of Algorithm 648 (ACM TOMS 13), the last component unless it is 2.4.
PUBLISHED = {
    "A2": 2.182178902359887e-1,
    "A3": 2.491650271850414,
    "A4": 1.773016648131483e1,
    "A5": -7.887826688964196e-1,
    "B1": 1.860816099640036e-1,
    "B3": 9.474277177183630e-1,
    "B4": 9.129452507276399e-1,
    "B5": 7.414126596199957e-1,
    "C1": 9.979127409508656e-1,
    "C3": 2.762434379029886e-3,
    "C4": 1.891330702629865e-14,
    "C5": -3.189687411323877e-2,
    "D1": 3.287977990962036e-1,
    "D3": -6.504915126712089e-2,
    "D5": -1.270838154278686e-1,
    "E1": -9.883500195574063e-2,
    "E2": -4.250887527320057e-2,
    "E3": 2.411400132095954e-1,
    "E4": 2.767822659672869e-1,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_digits(name):
    # the smallest of 51 components of a diffusion, which was computed with an absolute tolerance
    rtol = 1e-7 if name == "C4" else 1e-11
    assert problems.detest(name).reference[-1] == pytest.approx(PUBLISHED[name], rel=rtol)


def test_the_rigid_body_in_elliptic_functions():
    p = problems.rigid_body()
    a, b, c = p.args
    sn, cn, dn, _ = ellipj(0.9 * np.sqrt(-a * b) * p.t_span[1], c / (a * 0.9**2))
    # the functions lose the digits of their argument, 28
    np.testing.assert_allclose([cn, np.sqrt(-b / a) * sn, 0.9 * dn], p.reference, rtol=1e-13)


def test_orbits_keep_their_energy():
    for e, name in zip((0.1, 0.3, 0.5, 0.7, 0.9), ("D1", "D2", "D3", "D4", "D5"), strict=True):
        p = problems.detest(name)
        for x, y, u, v in (p.y0, p.reference):
            # the major axis is 1 and so is the mass; the angular momentum is sqrt(1 - e^2)
            assert (u * u + v * v) / 2 - 1 / np.hypot(x, y) == pytest.approx(-0.5, rel=1e-13)
            assert x * v - y * u == pytest.approx(np.sqrt(1 - e * e), rel=1e-13)
